/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/doctor: what stands in the way of packets. */
#include <errno.h>
#include <string.h>

#include "api_call.h"
#include "doctor.h"

static cJSON *finding_json(const struct doctor_finding *finding)
{
	cJSON *json = cJSON_CreateObject();

	if (cJSON_AddStringToObject(json, "level", doctor_level_name(finding->level)) &&
	    cJSON_AddStringToObject(json, "check", finding->check) &&
	    cJSON_AddStringToObject(json, "object", finding->object) &&
	    cJSON_AddStringToObject(json, "text", finding->text) &&
	    cJSON_AddStringToObject(json, "advice", finding->advice))
		return json;
	cJSON_Delete(json);
	return NULL;
}

/* NULL: out of memory. */
static cJSON *report_json(const struct doctor_report *report)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(json, "findings");
	int problems = 0, warnings = 0;
	size_t i;

	for (i = 0; i < report->count; i++) {
		if (!cJSON_AddItemToArray(array, finding_json(&report->findings[i])))
			break;
		problems += report->findings[i].level == DOCTOR_PROBLEM;
		warnings += report->findings[i].level == DOCTOR_WARNING;
	}
	if (array && i == report->count && cJSON_AddNumberToObject(json, "problems", problems) &&
	    cJSON_AddNumberToObject(json, "warnings", warnings))
		return json;
	cJSON_Delete(json);
	return NULL;
}

int api_doctor_get(struct call *call)
{
	const struct manager *manager = call->api->manager;
	const struct dataplane_interface *interfaces;
	struct doctor_report report = {0};
	struct doctor_host host;
	size_t count;
	int ret;

	interfaces = dataplane_bpf_interfaces(call->api->dp, &count);
	ret = doctor_host_read(interfaces, count, manager_links(manager), &host);
	if (ret)
		return error_set(&call->err, -ret, "the host cannot be looked at: %s",
				 strerror(-ret));
	ret = doctor_examine(manager, &host, &report);
	doctor_host_clear(&host);
	ret = api_answer(call, 200, ret ? NULL : report_json(&report));
	doctor_report_clear(&report);
	return ret;
}

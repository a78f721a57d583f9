/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "peer.h"

#define CPU_MODEL_MAX 96

static int compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

struct figures figures_of(int32_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return (struct figures){
		.min = values[0],
		.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
		.max = values[count - 1],
	};
}

/* As the kernel names it; not every architecture says. */
static void cpu_model(char ret_model[CPU_MODEL_MAX])
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];
	const char *colon;

	snprintf(ret_model, CPU_MODEL_MAX, "unknown CPU");
	while (file && fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (!colon || strncmp(line, "model name", 10) != 0)
			continue;
		snprintf(ret_model, CPU_MODEL_MAX, "%.*s", (int)strcspn(colon + 2, "\n"),
			 colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

/* --- for people --- */

static const char *flows_text(uint64_t flows, char buffer[24])
{
	if (flows == 0)
		return "each new";
	if (flows >= 1 << 20)
		snprintf(buffer, 24, "%llu Mi", (unsigned long long)flows >> 20);
	else if (flows >= 1 << 10)
		snprintf(buffer, 24, "%llu Ki", (unsigned long long)flows >> 10);
	else
		snprintf(buffer, 24, "%llu", (unsigned long long)flows);
	return buffer;
}

static void print_head(const struct report *report, FILE *out)
{
	char model[CPU_MODEL_MAX];
	struct utsname name;

	cpu_model(model);
	if (uname(&name) == 0)
		fprintf(out, "machine     %s %s %s, %s, CPU %d\n", name.sysname, name.release,
			name.machine, model, report->cpu);
	fprintf(out, "lb_ingress  %u instructions, %u bytes jited, %u instructions verified\n",
		report->size.instructions, report->size.jited_bytes, report->size.verified);
	fprintf(out,
		"maps        %u flow entries, %u NAT entries, %u slots, %u backends a service\n",
		report->flow_entries, TARGET_NAT_FLOWS, TARGET_SLOTS, TARGET_BACKENDS);
	fprintf(out, "rounds      %u, of up to %u packets each\n\n", report->rounds,
		report->repeat);
	fprintf(out, "ns a packet; lb_ingress = measured - harness - bare XDP_TX, round by round;\n"
		     "usual: a program that does as much with LRU hash maps and maps of maps\n\n");
	fprintf(out, "%-12s %-4s %-4s %-9s %9s %5s   %-21s   %8s %8s %8s %8s\n", "mode", "ip", "l4",
		"packets", "flows", "VIPs", "lb_ingress", "usual", "measured", "harness", "bare");
	fprintf(out, "%-12s %-4s %-4s %-9s %9s %5s   %6s %7s %6s   %8s %8s %8s %8s\n", "", "", "",
		"", "", "", "min", "median", "max", "median", "median", "median", "median");
}

static void print_limits(const struct report *report, FILE *out)
{
	const struct limit *limit;
	size_t i;

	fprintf(out, "\nwhat single things take on this machine, ns\n\n%-40s %7s %7s %7s\n", "",
		"min", "median", "max");
	for (i = 0; i < report->limit_count; i++) {
		limit = &report->limits[i];
		fprintf(out, "%-40s %7.1f %7.1f %7.1f\n", limit->name, limit->tenths.min / 10.0,
			limit->tenths.median / 10.0, limit->tenths.max / 10.0);
	}
}

void report_table(const struct report *report, FILE *out)
{
	const struct result *result;
	char flows[24], usual[16];
	size_t i;

	print_head(report, out);
	for (i = 0; i < report->count; i++) {
		result = &report->results[i];
		if (i > 0 && result->scenario.mode != result[-1].scenario.mode)
			fputc('\n', out);
		snprintf(usual, sizeof(usual), "%d", result->usual.median);
		fprintf(out, "%-12s %-4s %-4s %-9s %9s %5u   %6d %7d %6d   %8s %8d %8d %8d\n",
			result->scenario.mode, result->scenario.ip, result->scenario.l4,
			result->scenario.packets, flows_text(result->scenario.flows, flows),
			result->scenario.vips, result->lb.min, result->lb.median, result->lb.max,
			peer_takes(&result->scenario) ? usual : "", result->measured.median,
			result->harness.median, result->bare.median);
	}
	if (report->limit_count)
		print_limits(report, out);
}

/* --- for machines --- */

/* scale: how many of the figures' units are a nanosecond. */
static void add_figures(cJSON *object, const char *key, const struct figures *figures, double scale)
{
	cJSON *json = cJSON_AddObjectToObject(object, key);

	cJSON_AddNumberToObject(json, "min", figures->min / scale);
	cJSON_AddNumberToObject(json, "median", figures->median / scale);
	cJSON_AddNumberToObject(json, "max", figures->max / scale);
}

static cJSON *result_json(const struct result *result)
{
	const struct scenario *scenario = &result->scenario;
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "mode", scenario->mode);
	cJSON_AddStringToObject(json, "ip", scenario->ip);
	cJSON_AddStringToObject(json, "l4", scenario->l4);
	cJSON_AddStringToObject(json, "packets", scenario->packets);
	if (scenario->flows)
		cJSON_AddNumberToObject(json, "flows", (double)scenario->flows);
	else
		cJSON_AddNullToObject(json, "flows");
	cJSON_AddNumberToObject(json, "vips", scenario->vips);
	add_figures(json, "lb-ingress-ns", &result->lb, 1);
	if (peer_takes(scenario))
		add_figures(json, "usual-ns", &result->usual, 1);
	add_figures(json, "measured-ns", &result->measured, 1);
	add_figures(json, "harness-ns", &result->harness, 1);
	add_figures(json, "bare-ns", &result->bare, 1);
	return json;
}

static cJSON *limit_json(const struct limit *limit)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "name", limit->name);
	add_figures(json, "ns", &limit->tenths, 10);
	return json;
}

static void add_head(const struct report *report, cJSON *json)
{
	char model[CPU_MODEL_MAX];
	struct utsname name;
	cJSON *object;

	cpu_model(model);
	object = cJSON_AddObjectToObject(json, "machine");
	if (uname(&name) == 0) {
		cJSON_AddStringToObject(object, "kernel", name.release);
		cJSON_AddStringToObject(object, "architecture", name.machine);
	}
	cJSON_AddStringToObject(object, "cpu-model", model);
	cJSON_AddNumberToObject(object, "cpu", report->cpu);
	object = cJSON_AddObjectToObject(json, "program");
	cJSON_AddNumberToObject(object, "instructions", report->size.instructions);
	cJSON_AddNumberToObject(object, "jited-bytes", report->size.jited_bytes);
	cJSON_AddNumberToObject(object, "verified-instructions", report->size.verified);
	object = cJSON_AddObjectToObject(json, "maps");
	cJSON_AddNumberToObject(object, "flows", report->flow_entries);
	cJSON_AddNumberToObject(object, "nat-flows", TARGET_NAT_FLOWS);
	cJSON_AddNumberToObject(object, "table-size", TARGET_SLOTS);
	cJSON_AddNumberToObject(object, "backends", TARGET_BACKENDS);
	cJSON_AddNumberToObject(json, "rounds", report->rounds);
	cJSON_AddNumberToObject(json, "repeat", report->repeat);
}

int report_json(const struct report *report, FILE *out)
{
	cJSON *json = cJSON_CreateObject(), *results, *limits;
	char *text;
	size_t i;

	add_head(report, json);
	results = cJSON_AddArrayToObject(json, "results");
	for (i = 0; i < report->count; i++)
		cJSON_AddItemToArray(results, result_json(&report->results[i]));
	limits = cJSON_AddArrayToObject(json, "limits");
	for (i = 0; i < report->limit_count; i++)
		cJSON_AddItemToArray(limits, limit_json(&report->limits[i]));
	text = cJSON_Print(json);
	cJSON_Delete(json);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <errno.h>

struct key {
	const char *name;
	cJSON_bool (*is)(const cJSON *);
	const char *kind;
	const struct key *items; /* what each object in an array has; NULL: not checked */
};

#define TEXT(name)                                                                                 \
	{                                                                                          \
		name, cJSON_IsString, "a string", NULL                                             \
	}
#define NUMBER(name)                                                                               \
	{                                                                                          \
		name, cJSON_IsNumber, "a number", NULL                                             \
	}
#define TRUTH(name)                                                                                \
	{                                                                                          \
		name, cJSON_IsBool, "true or false", NULL                                          \
	}
#define OBJECT(name)                                                                               \
	{                                                                                          \
		name, cJSON_IsObject, "an object", NULL                                            \
	}
#define ARRAY(name, items)                                                                         \
	{                                                                                          \
		name, cJSON_IsArray, "an array", items                                             \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL, NULL                                                             \
	}

/* How far a drain has come, or null while there is none. */
static cJSON_bool is_drain(const cJSON *value)
{
	return cJSON_IsNull(value) || (cJSON_IsNumber(answer_item(value, "flows-at-begin")) &&
				       cJSON_IsNumber(answer_item(value, "flows-left")) &&
				       cJSON_IsString(answer_item(value, "deadline")));
}

static cJSON_bool is_text_or_null(const cJSON *value)
{
	return cJSON_IsString(value) || cJSON_IsNull(value);
}

/* clang-format off */
static const struct key backend_keys[] = {
	TEXT("address"),
	NUMBER("weight"),
	TEXT("state"),
	NUMBER("priority"),
	TEXT("quic-id"),
	TEXT("status"),
	TEXT("reason"),
	TEXT("check-via"),
	TEXT("check-via-reason"),
	TEXT("since"),
	NUMBER("share"),
	NUMBER("effective-weight"),
	NUMBER("active-flows"),
	TRUTH("drained"),
	{"drain", is_drain, "a drain or null", NULL},
	NUMBER("new-flows"),
	NUMBER("packets"),
	NUMBER("bytes"),
	NUMBER("syn-retransmits"),
	END,
};
/* clang-format on */

static const struct key balancer_keys[] = {
	TEXT("id"),   TRUTH("here"),  TRUTH("member"), NUMBER("revision"), TRUTH("in-sync"),
	NUMBER("up"), NUMBER("down"), TEXT("state"),   TEXT("reason"),     END,
};

static cJSON_bool is_object_or_null(const cJSON *value)
{
	return cJSON_IsObject(value) || cJSON_IsNull(value);
}

static const struct key rollout_answer_keys[] = {
	{"rollout", is_object_or_null, "an object or null", NULL},
	{"last", is_object_or_null, "an object or null", NULL},
	ARRAY("balancers", balancer_keys),
	END,
};

static const struct key rollout_keys[] = {
	TEXT("id"),
	TEXT("by"),
	NUMBER("base"),
	ARRAY("shares", NULL),
	NUMBER("step"),
	TEXT("for"),
	ARRAY("balancers", NULL),
	TEXT("waiting"),
	END,
};

static const struct key rollout_end_keys[] = {
	TEXT("id"), TEXT("by"), TRUTH("done"), TEXT("reason"), END,
};

static const struct key route_keys[] = {
	TEXT("prefix"), TRUTH("announced"), TEXT("reason"), TEXT("since"), END,
};

static const struct key service_keys[] = {
	TEXT("name"),
	ARRAY("vip", NULL),
	TEXT("mode"),
	NUMBER("gue-variant"),
	NUMBER("gue-port"),
	TEXT("tunnel-source"),
	TEXT("scheduler"),
	TEXT("tracking"),
	TEXT("when-down"),
	TEXT("too-big"),
	TEXT("check"),
	TEXT("check-method"),
	TEXT("check-path"),
	TRUTH("check-insecure"),
	TEXT("check-name"),
	TEXT("check-type"),
	ARRAY("check-command", NULL),
	TEXT("check-interval"),
	TEXT("load"),
	NUMBER("load-port"),
	TEXT("load-interval"),
	NUMBER("load-budget"),
	NUMBER("load-floor"),
	TEXT("slow-start"),
	TEXT("passive"),
	NUMBER("eject-max"),
	NUMBER("panic-threshold"),
	TEXT("announce-min"),
	TEXT("timeout-established"),
	TEXT("timeout-embryonic"),
	TEXT("timeout-closing"),
	TEXT("timeout-udp"),
	NUMBER("quic-id-length"),
	TEXT("source-allow"),
	TEXT("source-deny"),
	NUMBER("source-prefix-ipv4"),
	NUMBER("source-prefix-ipv6"),
	NUMBER("source-rate-flows"),
	NUMBER("source-rate-packets"),
	NUMBER("max-new-flows"),
	NUMBER("max-new-entries"),
	TEXT("syn-cookies"),
	NUMBER("syn-cookies-above"),
	TEXT("second-chance"),
	ARRAY("former-owners", NULL),
	TRUTH("panic"),
	TEXT("table-digest"),
	TEXT("config-digest"),
	ARRAY("routes", route_keys),
	ARRAY("backends", backend_keys),
	END,
};

static const struct key backends_keys[] = {ARRAY("backends", backend_keys), END};

static const struct key services_keys[] = {ARRAY("services", service_keys), END};

static const struct key interface_keys[] = {TEXT("name"),        TRUTH("attached"), TEXT("mode"),
					    TEXT("attached-by"), TEXT("reason"),    END};

static cJSON_bool is_announce(const cJSON *value)
{
	return cJSON_IsNumber(answer_item(value, "table")) &&
	       cJSON_IsString(answer_item(value, "state")) &&
	       cJSON_IsString(answer_item(value, "reason")) &&
	       cJSON_IsNumber(answer_item(value, "routes")) &&
	       cJSON_IsNumber(answer_item(value, "announced"));
}

static const struct key status_keys[] = {
	TEXT("version"),
	NUMBER("uptime-seconds"),
	NUMBER("generation"),
	TRUTH("in-sync"),
	ARRAY("interfaces", interface_keys),
	TEXT("seed-digest"),
	{"announce", is_announce, "an object of table, state, reason, routes, announced", NULL},
	OBJECT("limits"),
	OBJECT("used"),
	OBJECT("drops"),
	OBJECT("replies"),
	ARRAY("capabilities", NULL),
	END,
};

static const struct key event_keys[] = {
	NUMBER("seq"), TEXT("time"), TEXT("kind"), TEXT("who"), NUMBER("generation"), END,
};

static const struct key events_keys[] = {
	ARRAY("events", event_keys),
	NUMBER("oldest"),
	NUMBER("newest"),
	END,
};

/* The last packet, or nothing where none was kept. */
static cJSON_bool is_sample(const cJSON *value)
{
	return cJSON_IsNull(value) || (cJSON_IsString(answer_item(value, "time")) &&
				       cJSON_IsString(answer_item(value, "packet")) &&
				       cJSON_IsString(answer_item(value, "data")) &&
				       cJSON_IsNumber(answer_item(value, "length")));
}

static const struct key drop_keys[] = {
	TEXT("reason"),
	TEXT("text"),
	TEXT("advice"),
	NUMBER("packets"),
	NUMBER("bytes"),
	{"sample", is_sample, "a sample", NULL},
	END,
};

static const struct key drops_keys[] = {ARRAY("drops", drop_keys), END};

static const struct key flow_keys[] = {
	TEXT("service"), TEXT("backend"), TEXT("state"), TEXT("age"), END,
};

static const struct key flows_keys[] = {
	ARRAY("flows", flow_keys),
	{"next", is_text_or_null, "a string or null", NULL},
	END,
};

static const struct key count_keys[] = {
	TEXT("address"), NUMBER("embryonic"), NUMBER("established"), NUMBER("closing"), END,
};

static const struct key counted_keys[] = {TEXT("name"), ARRAY("backends", count_keys), END};

static const struct key counts_keys[] = {
	ARRAY("services", counted_keys),
	{"next", is_text_or_null, "a string or null", NULL},
	END,
};

static const struct key finding_keys[] = {
	TEXT("level"), TEXT("check"), TEXT("object"), TEXT("text"), TEXT("advice"), END,
};

static const struct key doctor_keys[] = {ARRAY("findings", finding_keys), NUMBER("problems"), END};

static const struct key step_keys[] = {TEXT("stage"), TEXT("outcome"), TEXT("text"), END};

static const struct key explanation_keys[] = {
	OBJECT("packet"),
	ARRAY("steps", step_keys),
	OBJECT("verdict"),
	END,
};

static const struct key config_keys[] = {ARRAY("services", NULL), END};

static const struct key backend_change_keys[] = {TEXT("address"), TEXT("change"), END};

static const struct key change_keys[] = {
	TEXT("service"),
	TEXT("change"),
	ARRAY("backends", backend_change_keys),
	END,
};

static const struct key launched_keys[] = {
	TEXT("id"), TEXT("phase"), TEXT("address"), TEXT("stands-for"), END,
};

static const struct key decision_keys[] = {
	TEXT("time"),
	TEXT("decision"),
	TRUTH("dry-run"),
	NUMBER("count"),
	NUMBER("members"),
	TEXT("reason"),
	END,
};

static const struct key scale_keys[] = {
	TEXT("service"),
	OBJECT("policy"),
	{"state", is_object_or_null, "an object or null", NULL},
	ARRAY("launched", launched_keys),
	ARRAY("decisions", decision_keys),
	END,
};

static const struct key scale_policy_keys[] = {
	TEXT("scale"),
	TEXT("scale-metric"),
	TEXT("scale-predict"),
	END,
};

static const struct key scale_state_keys[] = {
	NUMBER("wanted"),
	NUMBER("min"),
	NUMBER("max"),
	NUMBER("members"),
	NUMBER("up"),
	NUMBER("launching"),
	TEXT("reason"),
	TEXT("problem"),
	TEXT("circuit"),
	NUMBER("launch-failures"),
	END,
};

static const struct key applied_keys[] = {
	NUMBER("generation"),
	TRUTH("applied"),
	ARRAY("changes", change_keys),
	END,
};

static const struct key stage_keys[] = {
	NUMBER("generation"),
	TRUTH("applied"),
	TRUTH("done"),
	TEXT("digest"),
	ARRAY("changes", change_keys),
	END,
};

static const struct key backend_plan_keys[] = {
	TEXT("address"), NUMBER("share-before"), NUMBER("share-after"), TEXT("fate"), END,
};

static const struct key service_plan_keys[] = {
	TEXT("service"),
	TRUTH("tracked"),
	OBJECT("slots-moved"),
	TRUTH("deserted"),
	NUMBER("disruption"),
	ARRAY("backends", backend_plan_keys),
	END,
};

static const struct key plan_keys[] = {
	NUMBER("generation"),
	ARRAY("changes", change_keys),
	NUMBER("disruption"),
	TRUTH("counted"),
	NUMBER("slots"),
	ARRAY("services", service_plan_keys),
	END,
};

static const struct key announced_keys[] = {
	TEXT("service"),
	ARRAY("routes", route_keys),
	END,
};

static const struct key announce_keys[] = {
	NUMBER("table"),
	TEXT("state"),
	TEXT("reason"),
	NUMBER("routes"),
	NUMBER("announced"),
	ARRAY("services", announced_keys),
	END,
};

static const struct key summary_keys[] = {
	TEXT("name"), TEXT("table-digest"), TEXT("config-digest"), OBJECT("backends"), END,
};

static const struct key summaries_keys[] = {ARRAY("services", summary_keys), END};

static const struct key version_keys[] = {TEXT("version"), END};

/* Recursion is as deep as the tables above are nested: three. */
static int check(const cJSON *object, const struct key *keys, // NOLINT(misc-no-recursion)
		 struct error *err)
{
	for (const struct key *key = keys; key->name != NULL; key++) {
		const cJSON *value = answer_item(object, key->name);
		const cJSON *item;

		if (value == NULL)
			return error_set(err, EPROTO, "the agent's answer has no %s", key->name);
		if (!key->is(value))
			return error_set(err, EPROTO, "the agent's answer: %s is not %s", key->name,
					 key->kind);
		if (key->items == NULL)
			continue;
		cJSON_ArrayForEach (item, value) {
			int r = check(item, key->items, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int answer_check_sources(const cJSON *answer, struct error *err)
{
	static const struct key list_keys[] = {
		TEXT("service"), TEXT("list"), NUMBER("prefixes"), NUMBER("dropped"), {0}};
	static const struct key keys[] = {
		ARRAY("lists", list_keys), TRUTH("loading"), TEXT("problem"), TEXT("hint"), {0}};

	return check(answer, keys, err);
}

int answer_check_services(const cJSON *answer, struct error *err)
{
	return check(answer, services_keys, err);
}

int answer_check_service(const cJSON *service, struct error *err)
{
	return check(service, service_keys, err);
}

int answer_check_backend(const cJSON *backend, struct error *err)
{
	return check(backend, backend_keys, err);
}

int answer_check_backends(const cJSON *answer, struct error *err)
{
	return check(answer, backends_keys, err);
}

int answer_check_status(const cJSON *status, struct error *err)
{
	return check(status, status_keys, err);
}

int answer_check_doctor(const cJSON *doctor, struct error *err)
{
	return check(doctor, doctor_keys, err);
}

int answer_check_explanation(const cJSON *explanation, struct error *err)
{
	return check(explanation, explanation_keys, err);
}

int answer_check_event(const cJSON *event, struct error *err)
{
	return check(event, event_keys, err);
}

int answer_check_drops(const cJSON *answer, struct error *err)
{
	return check(answer, drops_keys, err);
}

int answer_check_rollout(const cJSON *answer, struct error *err)
{
	const cJSON *rollout = answer_item(answer, "rollout"), *last = answer_item(answer, "last");
	int r = check(answer, rollout_answer_keys, err);

	if (r == 0 && !cJSON_IsNull(rollout))
		r = check(rollout, rollout_keys, err);
	if (r == 0 && !cJSON_IsNull(last))
		r = check(last, rollout_end_keys, err);
	return r;
}

int answer_check_rollout_ended(const cJSON *answer, struct error *err)
{
	static const struct key keys[] = {TEXT("ended"), END};

	return check(answer, keys, err);
}

int answer_check_events(const cJSON *answer, struct error *err)
{
	return check(answer, events_keys, err);
}

int answer_check_flows(const cJSON *answer, struct error *err)
{
	return check(answer, flows_keys, err);
}

int answer_check_flow_counts(const cJSON *answer, struct error *err)
{
	return check(answer, counts_keys, err);
}

int answer_check_config(const cJSON *config, struct error *err)
{
	return check(config, config_keys, err);
}

int answer_check_applied(const cJSON *applied, struct error *err)
{
	return check(applied, applied_keys, err);
}

int answer_check_step(const cJSON *step, struct error *err)
{
	return check(step, stage_keys, err);
}

int answer_check_plan(const cJSON *plan, struct error *err)
{
	return check(plan, plan_keys, err);
}

int answer_check_scale(const cJSON *answer, struct error *err)
{
	const cJSON *state = answer_item(answer, "state");
	int r = check(answer, scale_keys, err);

	if (r == 0)
		r = check(answer_item(answer, "policy"), scale_policy_keys, err);
	return r == 0 && cJSON_IsObject(state) ? check(state, scale_state_keys, err) : r;
}

int answer_check_announce(const cJSON *answer, struct error *err)
{
	return check(answer, announce_keys, err);
}

int answer_check_summaries(const cJSON *answer, struct error *err)
{
	return check(answer, summaries_keys, err);
}

int answer_check_version(const cJSON *status, struct error *err)
{
	return check(status, version_keys, err);
}

const cJSON *answer_item(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *answer_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(answer_item(object, key));
}

double answer_number(const cJSON *object, const char *key)
{
	return cJSON_GetNumberValue(answer_item(object, key));
}

bool answer_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(answer_item(object, key));
}

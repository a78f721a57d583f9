/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_OPTIONS_H
#define SLUICE_CTL_OPTIONS_H

/*
 * The command line as words and flags. Every flag of every verb is in one table, which drives
 * parsing, help, completion and the JSON body of a request: a flag means the same everywhere.
 * Pure.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum flag_id {
	FLAG_VIP,
	FLAG_MODE,
	FLAG_GUE_VARIANT,
	FLAG_GUE_PORT,
	FLAG_TUNNEL_SOURCE,
	FLAG_SCHEDULER,
	FLAG_TRACKING,
	FLAG_WHEN_DOWN,
	FLAG_TOO_BIG,
	FLAG_CHECK,
	FLAG_CHECK_METHOD,
	FLAG_CHECK_PATH,
	FLAG_CHECK_HOST,
	FLAG_CHECK_HEADER,
	FLAG_CHECK_STATUS,
	FLAG_CHECK_BODY,
	FLAG_CHECK_CA,
	FLAG_CHECK_SNI,
	FLAG_CHECK_CERT,
	FLAG_CHECK_KEY,
	FLAG_CHECK_INSECURE,
	FLAG_CHECK_PAYLOAD,
	FLAG_CHECK_EXPECT,
	FLAG_CHECK_NAME,
	FLAG_CHECK_TYPE,
	FLAG_CHECK_COMMAND,
	FLAG_CHECK_PORT,
	FLAG_CHECK_INTERVAL,
	FLAG_CHECK_TIMEOUT,
	FLAG_CHECK_FAST_INTERVAL,
	FLAG_RISE,
	FLAG_FALL,
	FLAG_CHECK_VIA,
	FLAG_LOAD,
	FLAG_LOAD_PORT,
	FLAG_LOAD_INTERVAL,
	FLAG_LOAD_BUDGET,
	FLAG_LOAD_FLOOR,
	FLAG_SLOW_START,
	FLAG_PASSIVE,
	FLAG_EJECT_MAX,
	FLAG_PANIC_THRESHOLD,
	FLAG_ANNOUNCE_MIN,
	FLAG_TIMEOUT_ESTABLISHED,
	FLAG_TIMEOUT_EMBRYONIC,
	FLAG_TIMEOUT_CLOSING,
	FLAG_TIMEOUT_UDP,
	FLAG_QUIC_ID_LENGTH,
	FLAG_SOURCE_ALLOW,
	FLAG_SOURCE_DENY,
	FLAG_SOURCE_PREFIX_IPV4,
	FLAG_SOURCE_PREFIX_IPV6,
	FLAG_SOURCE_RATE_FLOWS,
	FLAG_SOURCE_RATE_PACKETS,
	FLAG_MAX_NEW_FLOWS,
	FLAG_MAX_NEW_ENTRIES,
	FLAG_SYN_COOKIES,
	FLAG_SYN_COOKIES_ABOVE,
	FLAG_SECOND_CHANCE,
	FLAG_SCALE,
	FLAG_SCALE_METRIC,
	FLAG_SCALE_PROMQL,
	FLAG_SCALE_PROMETHEUS,
	FLAG_SCALE_TARGET,
	FLAG_SCALE_UP_ABOVE,
	FLAG_SCALE_DOWN_BELOW,
	FLAG_SCALE_INTERVAL,
	FLAG_SCALE_WINDOW,
	FLAG_SCALE_MIN,
	FLAG_SCALE_MAX,
	FLAG_SCALE_STEP,
	FLAG_SCALE_COUNT,
	FLAG_SCALE_UP_COOLDOWN,
	FLAG_SCALE_DOWN_COOLDOWN,
	FLAG_SCALE_STABILIZATION,
	FLAG_SCALE_FAILURES,
	FLAG_SCALE_RETRY,
	FLAG_SCALE_PACE,
	FLAG_SCALE_DRAIN,
	FLAG_SCALE_TIMEOUT,
	FLAG_SCALE_REPLACE_AFTER,
	FLAG_SCALE_PREDICT,
	FLAG_SCALE_SEASON,
	FLAG_SCALE_SCHEDULE,
	FLAG_SCALE_DRIVER,
	FLAG_BACKEND,
	FLAG_WEIGHT,
	FLAG_PRIORITY,
	FLAG_SORRY,
	FLAG_QUIC_ID,
	FLAG_STATE,
	FLAG_DEADLINE,
	FLAG_NOW,
	FLAG_WAIT,
	FLAG_IF_GENERATION,
	FLAG_FLAGS,
	FLAG_LENGTH,
	FLAG_INTERFACE,
	FLAG_VLAN,
	FLAG_FOLLOW,
	FLAG_SERVICE,
	FLAG_KIND,
	FLAG_SINCE,
	FLAG_LIMIT,
	FLAG_COUNT_ONLY,
	FLAG_FLOW_STATE,
	FLAG_MIN_AGE,
	FLAG_MAX_AGE,
	FLAG_CLIENT,
	FLAG_INTERVAL,
	FLAG_ONCE,
	FLAG_FILE,
	FLAG_DRY_RUN,
	FLAG_MAX_DISRUPTION,
	FLAG_STAGE,
	FLAG_VERDICT,
	FLAG_REASON,
	FLAG_SAMPLE,
	FLAG_SNAPLEN,
	FLAG_FOR,
	FLAG_WRITE,
	FLAG_AS,
	FLAG_PEER_AS,
	FLAG_PEER,
	FLAG_ROUTER_ID,
	FLAG_TABLE,
	FLAG_BFD,
	FLAG_GLOBAL, /* these and what follows: every verb takes them */
	FLAG_SOCKET = FLAG_GLOBAL,
	FLAG_URL,
	FLAG_TOKEN_FILE,
	FLAG_CA,
	FLAG_JSON,
	FLAG_HELP,
	FLAG_COUNT,
};

/* A set of flags that some verbs take and others do not; 64 bits do not hold them all. */
typedef unsigned __int128 flag_set;
#define FLAG_BIT(id) ((flag_set)1 << (id))
_Static_assert(FLAG_GLOBAL <= 128, "a flag_set must hold them");

enum flag_kind {
	FLAG_KIND_SWITCH, /* takes no value; the one with a key stands for a number */
	FLAG_KIND_TEXT,   /* a JSON string; durations too */
	FLAG_KIND_NUMBER, /* a JSON number */
	FLAG_KIND_BOOL,   /* true or false */
	FLAG_KIND_LIST,   /* may be given more than once: a JSON array of strings */
};

struct flag {
	const char *name; /* without the dashes */
	const char *key;  /* of the request's body; NULL: lbctl's own business */
	enum flag_kind kind;
	const char *value; /* what it is, or the choices, parted by '|' */
	const char *help;
};

extern const struct flag flags[FLAG_COUNT];

/* The first flag of a set that is not empty. */
enum flag_id flag_first(flag_set set);

/* The flag called name[0..length), dashes left out; FLAG_COUNT if there is none. */
enum flag_id flag_find(const char *name, size_t length);

/* Whether `value` lists the choices. */
bool flag_has_choices(const struct flag *flag);

struct options;

/*
 * Splits argv[1..] into words and flags. Points into argv. -EINVAL: a flag that no verb has, a
 * value that is missing or cannot be sent.
 */
int options_parse(int argc, char *const argv[], struct options **ret_options, struct error *err);
void options_free(struct options *options);

/* What is no flag: verb, object, arguments. */
const char *const *options_words(const struct options *options, size_t *ret_count);

/* The flags that were given, but for those that every verb takes. */
flag_set options_flags(const struct options *options);

/* The value given, or NULL. Of a list, the one after `previous` (NULL: the first). */
const char *options_value(const struct options *options, enum flag_id id);
const char *options_next(const struct options *options, enum flag_id id, const char *previous);

/* A new JSON object of all flags given that have a key. NULL: out of memory. */
cJSON *options_body(const struct options *options);

#endif

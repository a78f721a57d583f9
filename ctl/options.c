/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/* Beyond this a JSON number, a double, is no longer exact. */
#define NUMBER_MAX     (UINT64_C(1) << 53)
/* What --sorry stands for. */
#define PRIORITY_SORRY 255

const struct flag flags[FLAG_COUNT] = {
	[FLAG_SOCKET] = {"socket", NULL, FLAG_KIND_TEXT, "PATH", "the agent's Unix socket"},
	[FLAG_URL] = {"url", NULL, FLAG_KIND_TEXT, "URL",
		      "the agent's TCP listener instead, as http://ADDR:PORT or https://"},
	[FLAG_TOKEN_FILE] = {"token-file", NULL, FLAG_KIND_TEXT, "FILE",
			     "--url: whose first token allows changes"},
	[FLAG_CA] = {"ca", NULL, FLAG_KIND_TEXT, "FILE",
		     "--url https://: certificates to trust, PEM; else the system's"},
	[FLAG_JSON] = {"json", NULL, FLAG_KIND_SWITCH, NULL, "print one JSON document"},
	[FLAG_HELP] = {"help", NULL, FLAG_KIND_SWITCH, NULL, "explain the verb, do nothing"},
	[FLAG_VIP] =
		{"vip", "vip", FLAG_KIND_LIST, "VIP",
		 "where clients come in: tcp://, udp:// or sctp://ADDR[/N]:PORT; again for more"},
	[FLAG_MODE] = {"mode", "mode", FLAG_KIND_TEXT, "nat|l2|ipip|gue",
		       "how packets reach the backends"},
	[FLAG_GUE_VARIANT] = {"gue-variant", "gue-variant", FLAG_KIND_NUMBER, "N",
			      "gue: 0 with its header, 1 without"},
	[FLAG_GUE_PORT] = {"gue-port", "gue-port", FLAG_KIND_NUMBER, "PORT",
			   "gue: the UDP port that backends listen on"},
	[FLAG_TUNNEL_SOURCE] = {"tunnel-source", "tunnel-source", FLAG_KIND_TEXT, "spread|fixed",
				"ipip, gue: does the outer source vary by flow"},
	[FLAG_SCHEDULER] = {"scheduler", "scheduler", FLAG_KIND_TEXT,
			    "maglev|least-conn|source|dport", "how flows are spread"},
	[FLAG_TRACKING] = {"tracking", "tracking", FLAG_KIND_TEXT, "auto|changed|all|none",
			   "which flows are remembered"},
	[FLAG_WHEN_DOWN] = {"when-down", "when-down", FLAG_KIND_TEXT, "drop|pass",
			    "no backend is up: drop packets, or leave them to the host"},
	[FLAG_TOO_BIG] = {"too-big", "too-big", FLAG_KIND_TEXT, "tell|drop",
			  "a packet is too long: tell its sender by ICMP, or not"},
	[FLAG_CHECK] = {"check", "check", FLAG_KIND_TEXT, "tcp|http|https|udp|icmp|dns|exec|none",
			"health check"},
	[FLAG_CHECK_METHOD] = {"check-method", "check-method", FLAG_KIND_TEXT,
			       "GET|HEAD|OPTIONS|POST", "http: the method"},
	[FLAG_CHECK_PATH] = {"check-path", "check-path", FLAG_KIND_TEXT, "PATH",
			     "http: what to get"},
	[FLAG_CHECK_HOST] = {"check-host", "check-host", FLAG_KIND_TEXT, "HOST",
			     "http: Host header; empty for the backend's address"},
	[FLAG_CHECK_HEADER] = {"check-header", "check-header", FLAG_KIND_LIST, "'NAME: VALUE'",
			       "http: a header to send; again for more"},
	[FLAG_CHECK_STATUS] = {"check-status", "check-status", FLAG_KIND_TEXT, "STATUS",
			       "http: the status that passes, or a range such as 200-399"},
	[FLAG_CHECK_BODY] = {"check-body", "check-body", FLAG_KIND_TEXT, "REGEX",
			     "http: what the body must match, a POSIX extended one"},
	[FLAG_CHECK_CA] = {"check-ca", "check-ca", FLAG_KIND_TEXT, "FILE",
			   "https: certificates to trust instead of the system's"},
	[FLAG_CHECK_SNI] = {"check-sni", "check-sni", FLAG_KIND_TEXT, "NAME",
			    "https: whom the certificate must be for; empty for check-host's name"},
	[FLAG_CHECK_CERT] = {"check-cert", "check-cert", FLAG_KIND_TEXT, "FILE",
			     "https: the client certificate to show"},
	[FLAG_CHECK_KEY] = {"check-key", "check-key", FLAG_KIND_TEXT, "FILE",
			    "https: its key, if that is not in the same file"},
	[FLAG_CHECK_INSECURE] = {"check-insecure", "check-insecure", FLAG_KIND_BOOL, "true|false",
				 "https: do not verify the certificate"},
	[FLAG_CHECK_PAYLOAD] = {"check-payload", "check-payload", FLAG_KIND_TEXT, "BYTES",
				"udp: what to send; \\xHH, \\n, \\r, \\t, \\0 and \\\\ are known"},
	[FLAG_CHECK_EXPECT] = {"check-expect", "check-expect", FLAG_KIND_TEXT, "BYTES",
			       "udp: what the reply must begin with; dns: a value it must have"},
	[FLAG_CHECK_NAME] = {"check-name", "check-name", FLAG_KIND_TEXT, "NAME",
			     "dns: what to ask for"},
	[FLAG_CHECK_TYPE] = {"check-type", "check-type", FLAG_KIND_TEXT,
			     "A|AAAA|CNAME|MX|NS|PTR|SOA|TXT", "dns: the type of record"},
	[FLAG_CHECK_COMMAND] = {"check-command", "check-command", FLAG_KIND_LIST, "WORD",
				"exec: the program's path; again for each argument"},
	[FLAG_CHECK_PORT] = {"check-port", "check-port", FLAG_KIND_NUMBER, "PORT",
			     "port to check; 0 for the backend's own"},
	[FLAG_CHECK_INTERVAL] = {"check-interval", "check-interval", FLAG_KIND_TEXT, "DURATION",
				 "from the start of one check to the next"},
	[FLAG_CHECK_TIMEOUT] = {"check-timeout", "check-timeout", FLAG_KIND_TEXT, "DURATION",
				"how long one check may take"},
	[FLAG_CHECK_FAST_INTERVAL] = {"check-fast-interval", "check-fast-interval", FLAG_KIND_TEXT,
				      "DURATION",
				      "check-interval while the state changes; 0ms for the same"},
	[FLAG_RISE] = {"rise", "rise", FLAG_KIND_NUMBER, "N",
		       "successes in a row that bring a backend up"},
	[FLAG_FALL] = {"fall", "fall", FLAG_KIND_NUMBER, "N",
		       "failures in a row that take a backend down"},
	[FLAG_CHECK_VIA] = {"check-via", "check-via", FLAG_KIND_TEXT, "auto|vip|address",
			    "check by the clients' way to the VIP, or the backend's own address"},
	[FLAG_LOAD] = {"load", "load", FLAG_KIND_TEXT, "off|dry-run|on",
		       "have weights follow what backends report of their load, or only tell"},
	[FLAG_LOAD_PORT] = {"load-port", "load-port", FLAG_KIND_NUMBER, "PORT",
			    "of lbnode report on the backends' hosts"},
	[FLAG_LOAD_INTERVAL] = {"load-interval", "load-interval", FLAG_KIND_TEXT, "DURATION",
				"from one report, and step, to the next"},
	[FLAG_LOAD_BUDGET] = {"load-budget", "load-budget", FLAG_KIND_NUMBER, "PERCENT",
			      "most of the table's slots that a step moves"},
	[FLAG_LOAD_FLOOR] = {"load-floor", "load-floor", FLAG_KIND_NUMBER, "PERCENT",
			     "of its weight that a backend keeps at least"},
	[FLAG_SLOW_START] = {"slow-start", "slow-start", FLAG_KIND_TEXT, "DURATION",
			     "time in which a backend that comes back gets its whole weight"},
	[FLAG_PASSIVE] = {"passive", "passive", FLAG_KIND_TEXT, "off|suspect|eject",
			  "what repeated SYNs, more than its peers', make of a backend"},
	[FLAG_EJECT_MAX] = {"eject-max", "eject-max", FLAG_KIND_NUMBER, "PERCENT",
			    "most backends that passive eject takes out"},
	[FLAG_PANIC_THRESHOLD] = {"panic-threshold", "panic-threshold", FLAG_KIND_NUMBER, "PERCENT",
				  "with less up, by weight, those that are down get flows too"},
	[FLAG_ANNOUNCE_MIN] = {"announce-min", "announce-min", FLAG_KIND_TEXT, "N[%]",
			       "backends, or share of them, that must be healthy for VIPs to be "
			       "announced"},
	[FLAG_TIMEOUT_ESTABLISHED] = {"timeout-established", "timeout-established", FLAG_KIND_TEXT,
				      "DURATION", "idle time that ends an established flow"},
	[FLAG_TIMEOUT_EMBRYONIC] = {"timeout-embryonic", "timeout-embryonic", FLAG_KIND_TEXT,
				    "DURATION", "idle time that ends a flow of one packet"},
	[FLAG_TIMEOUT_CLOSING] = {"timeout-closing", "timeout-closing", FLAG_KIND_TEXT, "DURATION",
				  "idle time that ends a closing flow"},
	[FLAG_TIMEOUT_UDP] = {"timeout-udp", "timeout-udp", FLAG_KIND_TEXT, "DURATION",
			      "idle time that ends an established flow of UDP"},
	[FLAG_QUIC_ID_LENGTH] = {"quic-id-length", "quic-id-length", FLAG_KIND_NUMBER, "N",
				 "bytes of server ID in QUIC connection IDs; 0 for none"},
	[FLAG_SOURCE_ALLOW] = {"source-allow", "source-allow", FLAG_KIND_TEXT, "FILE|PREFIX,...",
			       "take packets of these sources only; empty for all"},
	[FLAG_SOURCE_DENY] = {"source-deny", "source-deny", FLAG_KIND_TEXT, "FILE|PREFIX,...",
			      "take none of these, allowed or not; empty for nobody"},
	[FLAG_SOURCE_PREFIX_IPV4] = {"source-prefix-ipv4", "source-prefix-ipv4", FLAG_KIND_NUMBER,
				     "N", "bits by which sources share a rate"},
	[FLAG_SOURCE_PREFIX_IPV6] = {"source-prefix-ipv6", "source-prefix-ipv6", FLAG_KIND_NUMBER,
				     "N", "the same of IPv6"},
	[FLAG_SOURCE_RATE_FLOWS] = {"source-rate-flows", "source-rate-flows", FLAG_KIND_NUMBER, "N",
				    "most new flows of a source's prefix in a second; 0 for all"},
	[FLAG_SOURCE_RATE_PACKETS] = {"source-rate-packets", "source-rate-packets",
				      FLAG_KIND_NUMBER, "N",
				      "most packets of a source's prefix in a second; 0 for all"},
	[FLAG_MAX_NEW_FLOWS] = {"max-new-flows", "max-new-flows", FLAG_KIND_NUMBER, "N",
				"most new flows of the service in a second; 0 for all"},
	[FLAG_MAX_NEW_ENTRIES] = {"max-new-entries", "max-new-entries", FLAG_KIND_NUMBER, "N",
				  "most new UDP flows in a second that are remembered; 0 for all"},
	[FLAG_SYN_COOKIES] = {"syn-cookies", "syn-cookies", FLAG_KIND_TEXT, "off|auto|always",
			      "answer SYNs by cookies"},
	[FLAG_SYN_COOKIES_ABOVE] = {"syn-cookies-above", "syn-cookies-above", FLAG_KIND_NUMBER, "N",
				    "auto: beyond so many SYNs in a second"},
	[FLAG_SECOND_CHANCE] = {"second-chance", "second-chance", FLAG_KIND_TEXT, "off|on",
				"backends hand on what other owners of its slot may know"},
	[FLAG_SCALE] = {"scale", "scale", FLAG_KIND_TEXT, "off|on|dry-run",
			"start and stop backends by a metric, or only tell"},
	[FLAG_SCALE_METRIC] =
		{"scale-metric", "scale-metric", FLAG_KIND_TEXT,
		 "none|active-flows|new-flows|packets|probe-latency|handshake-p95|promql",
		 "what the number of backends follows"},
	[FLAG_SCALE_PROMQL] = {"scale-promql", "scale-promql", FLAG_KIND_TEXT, "QUERY",
			       "promql: what Prometheus is asked, which must give one number"},
	[FLAG_SCALE_PROMETHEUS] = {"scale-prometheus", "scale-prometheus", FLAG_KIND_TEXT, "URL",
				   "promql: where it is, like http://127.0.0.1:9090"},
	[FLAG_SCALE_TARGET] = {"scale-target", "scale-target", FLAG_KIND_TEXT, "NUMBER",
			       "of the metric, for each backend"},
	[FLAG_SCALE_UP_ABOVE] = {"scale-up-above", "scale-up-above", FLAG_KIND_TEXT, "NUMBER",
				 "more backends when the metric is above; 0 for scale-target"},
	[FLAG_SCALE_DOWN_BELOW] = {"scale-down-below", "scale-down-below", FLAG_KIND_TEXT, "NUMBER",
				   "fewer when it is below"},
	[FLAG_SCALE_INTERVAL] = {"scale-interval", "scale-interval", FLAG_KIND_TEXT, "DURATION",
				 "from one decision to the next"},
	[FLAG_SCALE_WINDOW] = {"scale-window", "scale-window", FLAG_KIND_TEXT, "DURATION",
			       "the mean of so long is looked at"},
	[FLAG_SCALE_MIN] = {"scale-min", "scale-min", FLAG_KIND_NUMBER, "N", "the fewest backends"},
	[FLAG_SCALE_MAX] = {"scale-max", "scale-max", FLAG_KIND_NUMBER, "N", "the most"},
	[FLAG_SCALE_STEP] = {"scale-step", "scale-step", FLAG_KIND_NUMBER, "N",
			     "most that come or go at once"},
	[FLAG_SCALE_COUNT] = {"scale-count", "scale-count", FLAG_KIND_NUMBER, "N",
			      "so many, whatever the metric says; 0 for the metric"},
	[FLAG_SCALE_UP_COOLDOWN] = {"scale-up-cooldown", "scale-up-cooldown", FLAG_KIND_TEXT,
				    "DURATION", "from one rise to the next"},
	[FLAG_SCALE_DOWN_COOLDOWN] = {"scale-down-cooldown", "scale-down-cooldown", FLAG_KIND_TEXT,
				      "DURATION", "from a rise or fall to the next fall"},
	[FLAG_SCALE_STABILIZATION] = {"scale-stabilization", "scale-stabilization", FLAG_KIND_TEXT,
				      "DURATION", "fewer only if it was right for so long"},
	[FLAG_SCALE_FAILURES] = {"scale-failures", "scale-failures", FLAG_KIND_NUMBER, "N",
				 "launches in a row that fail and open the circuit"},
	[FLAG_SCALE_RETRY] = {"scale-retry", "scale-retry", FLAG_KIND_TEXT, "DURATION",
			      "how long it stays open"},
	[FLAG_SCALE_PACE] = {"scale-pace", "scale-pace", FLAG_KIND_NUMBER, "N",
			     "most backends that come or go in a minute"},
	[FLAG_SCALE_DRAIN] = {"scale-drain", "scale-drain", FLAG_KIND_TEXT, "DURATION",
			      "longest drain of a backend that goes"},
	[FLAG_SCALE_TIMEOUT] = {"scale-timeout", "scale-timeout", FLAG_KIND_TEXT, "DURATION",
				"of the driver, and of a new backend to be up"},
	[FLAG_SCALE_REPLACE_AFTER] = {"scale-replace-after", "scale-replace-after", FLAG_KIND_TEXT,
				      "DURATION",
				      "a backend so long dead is replaced; 0ms for never"},
	[FLAG_SCALE_PREDICT] = {"scale-predict", "scale-predict", FLAG_KIND_TEXT, "DURATION",
				"how far ahead to foretell the metric; 0ms for not"},
	[FLAG_SCALE_SEASON] = {"scale-season", "scale-season", FLAG_KIND_TEXT, "DURATION",
			       "time after which the load comes again, like 24h"},
	[FLAG_SCALE_SCHEDULE] = {"scale-schedule", "scale-schedule", FLAG_KIND_LIST,
				 "'DAYS HOURS MIN-MAX'",
				 "other bounds at some hours: 'mon-fri 08:00-20:00 4-20'"},
	[FLAG_SCALE_DRIVER] =
		{"scale-driver", "scale-driver", FLAG_KIND_LIST, "WORD",
		 "the program that starts and stops backends; again for each argument"},
	[FLAG_BACKEND] = {"backend", NULL, FLAG_KIND_LIST, "ADDR[:PORT]",
			  "a backend to begin with; again for more"},
	[FLAG_WEIGHT] = {"weight", "weight", FLAG_KIND_NUMBER, "N",
			 "share of new flows next to the others' weights; 0 for none"},
	[FLAG_PRIORITY] = {"priority", "priority", FLAG_KIND_NUMBER, "N",
			   "only backends of the lowest that is up get new flows"},
	[FLAG_SORRY] = {"sorry", "priority", FLAG_KIND_SWITCH, NULL,
			"the last resort: --priority 255"},
	[FLAG_QUIC_ID] = {"quic-id", "quic-id", FLAG_KIND_TEXT, "HEX",
			  "its server ID in QUIC connection IDs; empty for none"},
	[FLAG_STATE] = {"state", "state", FLAG_KIND_TEXT, "up|drain|maint",
			"drain: keeps its flows, gets no new ones; maint: gets nothing"},
	[FLAG_DEADLINE] = {"deadline", "deadline", FLAG_KIND_TEXT, "DURATION",
			   "end the drain after this time, flows or not (drain: never; rm: 30s)"},
	[FLAG_NOW] = {"now", NULL, FLAG_KIND_SWITCH, NULL, "do not drain, cut its flows"},
	[FLAG_WAIT] = {"wait", NULL, FLAG_KIND_SWITCH, NULL,
		       "return when the drain, or the roll-out, is over, not when it has begun"},
	[FLAG_IF_GENERATION] = {"if-generation", NULL, FLAG_KIND_NUMBER, "N",
				"refuse unless this is the generation, as status shows it"},
	[FLAG_FLAGS] = {"flags", NULL, FLAG_KIND_TEXT, "FLAGS",
			"TCP flags of the packet: syn, ack, fin, rst, parted by commas; none"},
	[FLAG_LENGTH] = {"length", NULL, FLAG_KIND_NUMBER, "N",
			 "bytes of the IP packet, its headers counted"},
	[FLAG_INTERFACE] = {"interface", NULL, FLAG_KIND_TEXT, "IF", "where it comes in"},
	[FLAG_VLAN] = {"vlan", NULL, FLAG_KIND_TEXT, "ID", "with this VLAN tag, or OUTER.INNER"},
	[FLAG_FOLLOW] = {"follow", NULL, FLAG_KIND_SWITCH, NULL, "show what comes, as it comes"},
	[FLAG_SERVICE] = {"service", NULL, FLAG_KIND_TEXT, "SERVICE", "of this service only"},
	[FLAG_KIND] = {"kind", NULL, FLAG_KIND_TEXT, "KIND", "of this kind only"},
	[FLAG_SINCE] = {"since", NULL, FLAG_KIND_NUMBER, "SEQ",
			"behind the event of this number; 0 for all that are kept"},
	[FLAG_LIMIT] = {"limit", NULL, FLAG_KIND_NUMBER, "N", "so many at most"},
	[FLAG_COUNT_ONLY] = {"count", NULL, FLAG_KIND_SWITCH, NULL, "count, do not list"},
	[FLAG_FLOW_STATE] = {"flow-state", NULL, FLAG_KIND_TEXT, "embryonic|established|closing",
			     "flows of this state only"},
	[FLAG_MIN_AGE] = {"min-age", NULL, FLAG_KIND_TEXT, "DURATION",
			  "flows whose last packet is so old or older"},
	[FLAG_MAX_AGE] = {"max-age", NULL, FLAG_KIND_TEXT, "DURATION",
			  "flows whose last packet is so old or younger"},
	[FLAG_CLIENT] = {"client", NULL, FLAG_KIND_TEXT, "PREFIX",
			 "of these clients only; flows: in mode nat only"},
	[FLAG_INTERVAL] = {"interval", NULL, FLAG_KIND_TEXT, "DURATION",
			   "time between two looks at the agent"},
	[FLAG_ONCE] = {"once", NULL, FLAG_KIND_SWITCH, NULL, "print one picture and end"},
	[FLAG_FILE] = {"file", NULL, FLAG_KIND_TEXT, "FILE",
		       "the configuration, as export writes it; - for standard input"},
	[FLAG_DRY_RUN] = {"dry-run", NULL, FLAG_KIND_SWITCH, NULL,
			  "show what would change, and change nothing"},
	[FLAG_MAX_DISRUPTION] = {"max-disruption", NULL, FLAG_KIND_TEXT, "PERCENT",
				 "refuse what more live flows would lose their backend by"},
	[FLAG_STAGE] = {"stage", NULL, FLAG_KIND_TEXT, "DURATION",
			"go in steps within --max-disruption, so long apart"},
	[FLAG_VERDICT] = {"verdict", NULL, FLAG_KIND_TEXT, "VERDICT",
			  "packets of this verdict only: forward, return, drop, pass, ...; more by "
			  "commas"},
	[FLAG_REASON] = {"reason", NULL, FLAG_KIND_TEXT, "REASON",
			 "packets dropped for this reason only; more by commas"},
	[FLAG_SAMPLE] = {"sample", NULL, FLAG_KIND_TEXT, "1/N", "one packet in N, at random"},
	[FLAG_SNAPLEN] = {"snaplen", NULL, FLAG_KIND_NUMBER, "N",
			  "bytes of each packet, 16 to 2048; 256 if not given"},
	[FLAG_FOR] =
		{"for", NULL, FLAG_KIND_TEXT, "WHAT",
		 "capture: how long, like 30s; bgp-config: bird or frr; rollout: how long to be "
		 "well"},
	[FLAG_WRITE] = {"write", NULL, FLAG_KIND_TEXT, "FILE",
			"the file to write, in pcapng; - for standard output; -w is the same"},
	[FLAG_AS] = {"as", NULL, FLAG_KIND_NUMBER, "ASN", "the balancers' own AS"},
	[FLAG_PEER_AS] = {"peer-as", NULL, FLAG_KIND_NUMBER, "ASN", "the routers' AS"},
	[FLAG_PEER] = {"peer", NULL, FLAG_KIND_LIST, "ADDR", "a router's address; again for more"},
	[FLAG_ROUTER_ID] = {"router-id", NULL, FLAG_KIND_TEXT, "ADDR",
			    "an IPv4 address of this balancer, its name in BGP"},
	[FLAG_TABLE] = {"table", NULL, FLAG_KIND_NUMBER, "N",
			"lbagent's --announce-table; else the agent is asked"},
	[FLAG_BFD] = {"bfd", NULL, FLAG_KIND_SWITCH, NULL,
		      "watch routers, and be watched, by BFD each 100 ms"},
};

struct given {
	enum flag_id id;
	const char *value; /* "" for a switch */
};

struct options {
	const char **words;
	size_t word_count;
	struct given *given;
	size_t given_count;
};

enum flag_id flag_first(flag_set set)
{
	uint64_t low = (uint64_t)set;
	int bit = low ? __builtin_ctzll(low) : 64 + __builtin_ctzll((uint64_t)(set >> 64));

	return (enum flag_id)bit;
}

enum flag_id flag_find(const char *name, size_t length)
{
	for (enum flag_id id = 0; id < FLAG_COUNT; id++) {
		if (strlen(flags[id].name) == length && memcmp(flags[id].name, name, length) == 0)
			return id;
	}
	return FLAG_COUNT;
}

/* The flags that have a letter. */
static enum flag_id find_letter(const char *argument)
{
	if (strcmp(argument, "-f") == 0)
		return FLAG_FILE;
	return strcmp(argument, "-w") == 0 ? FLAG_WRITE : FLAG_COUNT;
}

bool flag_has_choices(const struct flag *flag)
{
	return flag->value != NULL && strchr(flag->value, '|') != NULL;
}

static int check_value(const struct flag *flag, const char *value, struct error *err)
{
	struct error unused;
	uint64_t number;

	if (flag->kind == FLAG_KIND_BOOL && strcmp(value, "true") != 0 &&
	    strcmp(value, "false") != 0) {
		error_set(err, EINVAL, "--%s: %s is not true or false", flag->name, value);
		return error_field(err, -EINVAL, flag->name);
	}
	if (flag->kind == FLAG_KIND_NUMBER &&
	    parse_number(value, 0, NUMBER_MAX, &number, &unused) < 0) {
		error_set(err, EINVAL, "--%s: %s is not a whole number", flag->name, value);
		return error_field(err, -EINVAL, flag->name);
	}
	return 0;
}

/* Reads the flag at argv[*index]; moves *index on if its value is the next argument. */
static int read_flag(struct options *options, char *const argv[], int *index, struct error *err)
{
	const char *argument = argv[*index];
	const char *name = argument + strspn(argument, "-");
	const char *equals = strchr(name, '=');
	size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
	enum flag_id id = name - argument == 2 ? flag_find(name, length) : find_letter(argument);
	const char *value = equals != NULL ? equals + 1 : "";
	int r;

	if (id == FLAG_COUNT) {
		error_set(err, EINVAL, "unknown flag %s", argument);
		return error_hint(err, -EINVAL, "lbctl help VERB");
	}
	if (flags[id].kind == FLAG_KIND_SWITCH && equals != NULL)
		return error_set(err, EINVAL, "--%s takes no value", flags[id].name);
	if (flags[id].kind != FLAG_KIND_LIST && options_value(options, id))
		return error_set(err, EINVAL, "--%s is given twice", flags[id].name);
	if (flags[id].kind != FLAG_KIND_SWITCH && equals == NULL) {
		value = argv[*index + 1];
		if (value == NULL || strncmp(value, "--", 2) == 0)
			return error_set(err, EINVAL, "--%s needs a value: --%s %s", flags[id].name,
					 flags[id].name, flags[id].value);
		(*index)++;
	}
	r = check_value(&flags[id], value, err);
	if (r < 0)
		return r;
	options->given[options->given_count++] = (struct given){.id = id, .value = value};
	return 0;
}

static struct options *options_new(size_t capacity)
{
	struct options *options = calloc(1, sizeof(*options));

	if (options == NULL)
		return NULL;
	options->words = calloc(capacity, sizeof(*options->words));
	options->given = calloc(capacity, sizeof(*options->given));
	if (options->words == NULL || options->given == NULL) {
		options_free(options);
		return NULL;
	}
	return options;
}

int options_parse(int argc, char *const argv[], struct options **ret_options, struct error *err)
{
	struct options *options = options_new((size_t)argc + 1);
	bool flags_ended = false;
	int r = 0;

	if (options == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (int i = 1; i < argc && r == 0; i++) {
		if (flags_ended || argv[i][0] != '-')
			options->words[options->word_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			flags_ended = true;
		else
			r = read_flag(options, argv, &i, err);
	}
	if (r < 0) {
		options_free(options);
		return r;
	}
	*ret_options = options;
	return 0;
}

void options_free(struct options *options)
{
	if (options == NULL)
		return;
	free(options->words);
	free(options->given);
	free(options);
}

const char *const *options_words(const struct options *options, size_t *ret_count)
{
	*ret_count = options->word_count;
	return options->words;
}

flag_set options_flags(const struct options *options)
{
	flag_set set = 0;

	for (size_t i = 0; i < options->given_count; i++) {
		if (options->given[i].id < FLAG_GLOBAL)
			set |= FLAG_BIT(options->given[i].id);
	}
	return set;
}

const char *options_value(const struct options *options, enum flag_id id)
{
	return options_next(options, id, NULL);
}

const char *options_next(const struct options *options, enum flag_id id, const char *previous)
{
	bool passed = previous == NULL;

	for (size_t i = 0; i < options->given_count; i++) {
		const struct given *given = &options->given[i];

		if (given->id != id)
			continue;
		if (passed)
			return given->value;
		passed = given->value == previous;
	}
	return NULL;
}

static cJSON *list_json(const struct options *options, enum flag_id id)
{
	cJSON *array = cJSON_CreateArray();
	const char *value = NULL;

	while ((value = options_next(options, id, value)) != NULL) {
		if (!cJSON_AddItemToArray(array, cJSON_CreateString(value))) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

static cJSON *value_json(const struct options *options, enum flag_id id)
{
	const char *value = options_value(options, id);
	struct error unused;
	uint64_t number = 0;

	switch (flags[id].kind) {
	case FLAG_KIND_SWITCH:
		return cJSON_CreateNumber(PRIORITY_SORRY);
	case FLAG_KIND_NUMBER:
		(void)parse_number(value, 0, NUMBER_MAX, &number, &unused); /* checked before */
		return cJSON_CreateNumber((double)number);
	case FLAG_KIND_BOOL:
		return cJSON_CreateBool(strcmp(value, "true") == 0);
	case FLAG_KIND_LIST:
		return list_json(options, id);
	case FLAG_KIND_TEXT:
		break;
	}
	return cJSON_CreateString(value);
}

cJSON *options_body(const struct options *options)
{
	cJSON *body = cJSON_CreateObject();

	for (enum flag_id id = 0; id < FLAG_COUNT; id++) {
		cJSON *value;

		if (flags[id].key == NULL || !options_value(options, id))
			continue;
		value = value_json(options, id);
		if (!cJSON_AddItemToObject(body, flags[id].key, value)) {
			cJSON_Delete(value);
			cJSON_Delete(body);
			return NULL;
		}
	}
	return body;
}

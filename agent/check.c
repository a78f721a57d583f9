/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parse.h"
#include "range.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define SECOND_MS 1000ULL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)

/* Repetitions within repetitions multiply what regcomp() needs of memory. */
#define REPETITIONS_MAX 4096

const char *const check_kind_words[CHECK_KINDS] = {
	[CHECK_TCP] = "tcp",   [CHECK_HTTP] = "http", [CHECK_HTTPS] = "https",
	[CHECK_UDP] = "udp",   [CHECK_ICMP] = "icmp", [CHECK_DNS] = "dns",
	[CHECK_EXEC] = "exec", [CHECK_NONE] = "none",
};

const char *const check_method_words[CHECK_METHODS] = {
	[METHOD_GET] = "GET",
	[METHOD_HEAD] = "HEAD",
	[METHOD_OPTIONS] = "OPTIONS",
	[METHOD_POST] = "POST",
};

bool check_needs_port(const struct check_spec *spec)
{
	return spec->kind != CHECK_ICMP && spec->kind != CHECK_EXEC && spec->kind != CHECK_NONE;
}

bool check_is_http(const struct check_spec *spec)
{
	return spec->kind == CHECK_HTTP || spec->kind == CHECK_HTTPS;
}

/* --- making, copying, comparing, freeing --- */

static const size_t text_members[] = {
	offsetof(struct check_spec, path),   offsetof(struct check_spec, host),
	offsetof(struct check_spec, body),   offsetof(struct check_spec, ca),
	offsetof(struct check_spec, sni),    offsetof(struct check_spec, cert),
	offsetof(struct check_spec, key),    offsetof(struct check_spec, payload),
	offsetof(struct check_spec, expect), offsetof(struct check_spec, name),
};
static const size_t list_members[] = {
	offsetof(struct check_spec, headers),
	offsetof(struct check_spec, command),
};

static char **text_of(const struct check_spec *spec, size_t i)
{
	return (char **)((char *)(uintptr_t)spec + text_members[i]);
}

static char ***list_of(const struct check_spec *spec, size_t i)
{
	return (char ***)((char *)(uintptr_t)spec + list_members[i]);
}

void texts_free(char **texts)
{
	for (char **text = texts; text && *text; text++)
		free(*text);
	free(texts);
}

int texts_copy(char *const *texts, char ***ret_copy)
{
	size_t count = 0;
	char **copy = NULL;

	while (texts && texts[count])
		count++;
	if (count > 0) {
		copy = calloc(count + 1, sizeof(*copy));
		for (size_t i = 0; copy && i < count; i++) {
			copy[i] = strdup(texts[i]);
			if (!copy[i]) {
				texts_free(copy);
				copy = NULL;
			}
		}
		if (!copy)
			return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static bool texts_equal(char *const *a, char *const *b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return !*a && !*b;
}

void check_spec_init(struct check_spec *spec)
{
	*spec = (struct check_spec){
		.kind = CHECK_TCP,
		.status_min = 200,
		.status_max = 399,
		.dns_type = DNS_A,
		.interval_ms = SECOND_MS,
		.timeout_ms = SECOND_MS,
		.rise = 2,
		.fall = 3,
	};
}

void check_spec_clear(struct check_spec *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_members); i++)
		free(*text_of(spec, i));
	for (size_t i = 0; i < ARRAY_SIZE(list_members); i++)
		texts_free(*list_of(spec, i));
	*spec = (struct check_spec){0};
}

int check_spec_copy(const struct check_spec *spec, struct check_spec *ret_copy)
{
	struct check_spec copy = *spec;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(text_members); i++) {
		char *text = *text_of(spec, i);

		*text_of(&copy, i) = text ? strdup(text) : NULL;
		if (text && !*text_of(&copy, i))
			r = -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(list_members); i++) {
		*list_of(&copy, i) = NULL;
		if (texts_copy(*list_of(spec, i), list_of(&copy, i)) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		check_spec_clear(&copy);
	else
		*ret_copy = copy;
	return r;
}

bool check_spec_equal(const struct check_spec *a, const struct check_spec *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_members); i++) {
		const char *x = *text_of(a, i), *y = *text_of(b, i);

		if (strcmp(x ? x : "", y ? y : "") != 0)
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(list_members); i++) {
		if (!texts_equal(*list_of(a, i), *list_of(b, i)))
			return false;
	}
	return a->kind == b->kind && a->method == b->method && a->status_min == b->status_min &&
	       a->status_max == b->status_max && a->dns_type == b->dns_type &&
	       a->insecure == b->insecure && a->port == b->port &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->fast_interval_ms == b->fast_interval_ms && a->rise == b->rise &&
	       a->fall == b->fall;
}

/* --- what must hold --- */

/* For refusals: whose check it is. */
struct place {
	const char *service;
	struct error *err;
};

__attribute__((format(printf, 4, 5))) static int
refuse(const struct place *place, const char *field, const char *reason, const char *hint, ...)
{
	char text[sizeof(place->err->hint)];
	va_list arguments;

	va_start(arguments, hint);
	vsnprintf(text, sizeof(text), hint, arguments);
	va_end(arguments);
	error_set(place->err, EINVAL, "service %s: %s: %s", place->service, field, reason);
	error_hint(place->err, -EINVAL, "%s", text);
	return error_field(place->err, -EINVAL, field);
}

static bool is_plain(const char *text, char first)
{
	for (; *text; text++) {
		if (*text < first || *text > '~')
			return false;
	}
	return true;
}

/* Goes into the probe's request as it is: a space or line break would forge another one. */
static int check_request_text(const struct place *place, const char *field, const char *text)
{
	if (!text || is_plain(text, '!'))
		return 0;
	return refuse(place, field, "has a space, control or non-ASCII character",
		      "write such a character as %%XX");
}

static int check_name_of_header(const struct place *place, const char *header, size_t length)
{
	/* The first has a flag of its own; what the others say is for the probe to know. */
	static const char *const refused[] = {"Host", "Connection", "Content-Length",
					      "Transfer-Encoding"};
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$%&'*+-.^_`|~";

	if (length == 0 || strspn(header, token) < length)
		return refuse(place, "check-header", "has no name before the colon",
			      "write it like \"X-Probe: sluice\"");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (strlen(refused[i]) != length || strncasecmp(refused[i], header, length) != 0)
			continue;
		if (i == 0)
			return refuse(place, "check-header", "Host is not given here",
				      "set check-host");
		return refuse(place, "check-header", "contradicts how the probe is sent",
			      "leave out %s", refused[i]);
	}
	return 0;
}

static int check_header(const struct place *place, const char *header)
{
	const char *colon = strchr(header, ':');
	int r;

	if (!is_plain(header, ' '))
		return refuse(place, "check-header", "has a control or non-ASCII character",
			      "one header each, without a line break");
	if (!colon)
		return refuse(place, "check-header", "has no colon",
			      "write it like \"X-Probe: sluice\"");
	r = check_name_of_header(place, header, (size_t)(colon - header));
	if (r < 0)
		return r;
	if (colon[1 + strspn(colon + 1, " ")] == '\0')
		return refuse(place, "check-header", "has no value",
			      "write it like \"X-Probe: sluice\"");
	return 0;
}

/* The largest number within the braces at *cursor, which is moved to the last of them. False: it is
 * more than may be. */
static bool read_repetition(const char **cursor, uint64_t *ret_most)
{
	const char *end = *cursor + strcspn(*cursor, "}");
	uint64_t most = 1;

	for (const char *c = *cursor; c < end; c++) {
		size_t digits = strspn(c, "0123456789");
		struct error unused;
		char number[8];
		uint64_t value;

		if (digits == 0)
			continue;
		if (digits >= sizeof(number))
			return false;
		memcpy(number, c, digits);
		number[digits] = '\0';
		if (parse_number(number, 0, REPETITIONS_MAX, &value, &unused) < 0)
			return false;
		most = value > most ? value : most;
		c += digits - 1;
	}
	*cursor = *end ? end : end - 1;
	*ret_most = most;
	return true;
}

/* What a pattern may cost: glibc takes exponential time for references back to what matched, and
 * memory by the product of nested repetitions. */
static bool is_cheap(const char *pattern)
{
	uint64_t product = 1, most;

	for (const char *c = pattern; *c; c++) {
		if (*c == '\\') {
			if (c[1] >= '1' && c[1] <= '9')
				return false;
			c += c[1] != '\0';
		} else if (*c == '{') {
			if (!read_repetition(&c, &most))
				return false;
			product *= most;
			if (product > REPETITIONS_MAX)
				return false;
		}
	}
	return true;
}

int check_body_compile(const char *pattern, regex_t *ret_regex)
{
	return regcomp(ret_regex, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
}

static int check_body(const struct place *place, const struct check_spec *spec)
{
	char reason[128];
	regex_t regex;
	int r;

	if (!spec->body)
		return 0;
	if (check_is_http(spec) && spec->method == METHOD_HEAD)
		return refuse(place, "check-body", "the answer to HEAD has no body",
			      "set check-method GET");
	if (!is_cheap(spec->body))
		return refuse(place, "check-body", "refers back by \\1, or repeats too often",
			      "write a plainer pattern: repetitions up to %d in all",
			      REPETITIONS_MAX);
	r = check_body_compile(spec->body, &regex);
	if (r == 0) {
		regfree(&regex);
		return 0;
	}
	regerror(r, &regex, reason, sizeof(reason));
	return refuse(place, "check-body", reason,
		      "write a POSIX extended regular expression, such as \"ready|ok\"");
}

static int check_http(const struct place *place, const struct check_spec *spec)
{
	char reason[96];
	int r = check_request_text(place, "check-path", spec->path);

	if (r == 0)
		r = check_request_text(place, "check-host", spec->host);
	if (r == 0 && spec->path && spec->path[0] != '/') {
		snprintf(reason, sizeof(reason), "\"%.64s\" does not begin with /", spec->path);
		r = refuse(place, "check-path", reason, "a path is written like /health");
	}
	for (char *const *header = spec->headers; r == 0 && header && *header; header++)
		r = check_header(place, *header);
	if (r == 0)
		r = check_body(place, spec);
	if (r < 0)
		return r;
	if (spec->status_min >= 100 && spec->status_max <= 599 &&
	    spec->status_min <= spec->status_max)
		return 0;
	error_set(place->err, EINVAL, "service %s: check-status: %u-%u is no range within 100-599",
		  place->service, spec->status_min, spec->status_max);
	error_hint(place->err, -EINVAL, "write one status or a range, like 200 or 200-399");
	return error_field(place->err, -EINVAL, "check-status");
}

static int check_file_name(const struct place *place, const char *field, const char *name)
{
	if (!name || (name[0] == '/' && is_plain(name, ' ')))
		return 0;
	return refuse(place, field, "is no absolute path in printable ASCII",
		      "write it like /etc/sluice/file.pem");
}

static int check_tls(const struct place *place, const struct check_spec *spec)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";
	struct in_addr ipv4;
	int r = check_file_name(place, "check-ca", spec->ca);

	if (r == 0)
		r = check_file_name(place, "check-cert", spec->cert);
	if (r == 0)
		r = check_file_name(place, "check-key", spec->key);
	if (r < 0)
		return r;
	if (spec->key && !spec->cert)
		return refuse(place, "check-key", "is of no certificate", "give check-cert too");
	if (spec->sni && (spec->sni[strspn(spec->sni, allowed)] != '\0' ||
			  inet_pton(AF_INET, spec->sni, &ipv4) == 1))
		return refuse(place, "check-sni", "is no host name",
			      "write a name like www.example.org");
	return 0;
}

static int check_bytes(const struct place *place, const char *field, const char *text)
{
	uint8_t bytes[CHECK_BYTES_MAX];
	struct error inner = {0};
	size_t length;

	if (!text || parse_bytes(text, sizeof(bytes), bytes, &length, &inner) == 0)
		return 0;
	return refuse(place, field, inner.message, "%s", inner.hint);
}

static int check_dns_value(const struct place *place, const struct check_spec *spec)
{
	struct error unused;
	struct address address;

	if (!spec->expect)
		return 0;
	if (!dns_type_has_text(spec->dns_type))
		return refuse(place, "check-expect", "is not for types of several parts",
			      "leave it out, or ask for A, AAAA, NS, CNAME, PTR or TXT");
	if (spec->dns_type != DNS_A && spec->dns_type != DNS_AAAA)
		return 0;
	if (parse_address(spec->expect, &address, &unused) == 0 &&
	    address_is_ipv4(&address) == (spec->dns_type == DNS_A))
		return 0;
	return refuse(place, "check-expect", "is no address as check-type has it",
		      "write one, like %s",
		      spec->dns_type == DNS_A ? "198.18.0.10" : "2001:db8::10");
}

static int check_dns(const struct place *place, const struct check_spec *spec)
{
	uint8_t question[DNS_QUESTION_MAX];
	struct error inner = {0};
	size_t length;

	if (spec->name &&
	    dns_question_write(spec->name, spec->dns_type, question, &length, &inner) < 0)
		return refuse(place, "check-name", inner.message, "%s", inner.hint);
	if (spec->kind != CHECK_DNS)
		return 0;
	if (!spec->name)
		return refuse(place, "check-name", "missing",
			      "give the name that is asked for, like www.example.org");
	return check_dns_value(place, spec);
}

static int check_command(const struct place *place, const struct check_spec *spec)
{
	if (!spec->command)
		return spec->kind == CHECK_EXEC
			       ? refuse(place, "check-command", "missing",
					"give the program's path, and its arguments behind it")
			       : 0;
	return spec->command[0][0] == '/'
		       ? 0
		       : refuse(place, "check-command", "the program is no absolute path",
				"write it like /etc/sluice/checks/mysql");
}

/* The ranges of docs/api.md. */
static int check_ranges(const struct place *place, const struct check_spec *spec)
{
	const struct range ranges[] = {
		{"check-interval", spec->interval_ms, 100, HOUR_MS, true},
		{"check-timeout", spec->timeout_ms, 10, MINUTE_MS, true},
		{"check-fast-interval",
		 spec->fast_interval_ms ? spec->fast_interval_ms : spec->interval_ms, 100,
		 spec->interval_ms, true},
		{"rise", spec->rise, 1, 1000, false},
		{"fall", spec->fall, 1, 1000, false},
	};

	return ranges_check(place->service, ranges, ARRAY_SIZE(ranges), place->err);
}

int check_spec_check(const struct check_spec *spec, const char *service, struct error *err)
{
	const struct place place = {service, err};
	int r = check_http(&place, spec);

	if (r == 0)
		r = check_tls(&place, spec);
	if (r == 0)
		r = check_bytes(&place, "check-payload", spec->payload);
	if (r == 0 && spec->kind == CHECK_UDP)
		r = check_bytes(&place, "check-expect", spec->expect);
	if (r == 0)
		r = check_dns(&place, spec);
	if (r == 0)
		r = check_command(&place, spec);
	return r < 0 ? r : check_ranges(&place, spec);
}

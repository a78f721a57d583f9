/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

#define HOST_MAX 253
#define FORM     "write etcd://HOST:PORT[,HOST:PORT...]/PREFIX, or etcds:// for TLS"

/* Returns what is behind the scheme; NULL: it is none of ours. */
static const char *skip_scheme(const char *text, bool *ret_tls)
{
	static const char plain[] = "etcd://", tls[] = "etcds://";

	*ret_tls = strncmp(text, tls, sizeof(tls) - 1) == 0;
	if (*ret_tls)
		return text + sizeof(tls) - 1;
	return strncmp(text, plain, sizeof(plain) - 1) == 0 ? text + sizeof(plain) - 1 : NULL;
}

/* Length of the host that text begins with, brackets included; 0: there is none. */
static size_t host_length(const char *text, size_t length)
{
	struct address address;
	struct error ignored;
	char inner[ADDRESS_TEXT_MAX];
	size_t i = 0;

	if (length > 2 && text[0] == '[') {
		i = strcspn(text, "]");
		if (i >= length || i > sizeof(inner))
			return 0;
		snprintf(inner, sizeof(inner), "%.*s", (int)i - 1, text + 1);
		return parse_address(inner, &address, &ignored) == 0 ? i + 1 : 0;
	}
	while (i < length && (isalnum((unsigned char)text[i]) || strchr("-._", text[i])))
		i++;
	return i <= HOST_MAX ? i : 0;
}

static int refuse_endpoint(const char *text, size_t length, const char *why, struct error *err)
{
	int ret =
		error_set(err, EINVAL, "\"%.*s\": %s", (int)(length < 80 ? length : 80), text, why);

	return error_hint(err, ret, FORM);
}

static int add_endpoint(struct etcd_url *url, const char *text, size_t length, struct error *err)
{
	size_t host = host_length(text, length);
	uint64_t port = ETCD_PORT_DEFAULT;
	char digits[8] = "";
	struct error ignored;

	if (url->endpoint_count == ETCD_ENDPOINTS_MAX)
		return error_set(err, EINVAL, "more than %d endpoints", ETCD_ENDPOINTS_MAX);
	if (memchr(text, '@', length))
		return error_hint(err, error_set(err, EINVAL, "it names a user"),
				  "a user and his password belong into --store-user-file");
	if (host == 0)
		return refuse_endpoint(text, length, "not a host", err);
	if (host < length) {
		if (text[host] == ':' && length - host - 1 < sizeof(digits))
			memcpy(digits, text + host + 1, length - host - 1);
		if (parse_number(digits, 1, 65535, &port, &ignored))
			return refuse_endpoint(text, length, "its port is none", err);
	}
	snprintf(url->endpoints[url->endpoint_count++], ETCD_ENDPOINT_MAX, "%s://%.*s:%u",
		 url->tls ? "https" : "http", (int)host, text, (unsigned int)port);
	return 0;
}

/* "/PREFIX", perhaps with slashes at its end. */
static int set_prefix(struct etcd_url *url, const char *text, struct error *err)
{
	size_t length = strlen(text), i;

	while (length > 0 && text[length - 1] == '/')
		length--;
	if (length == 0)
		return error_hint(err, error_set(err, EINVAL, "it names no PREFIX"), FORM);
	if (length > ETCD_PREFIX_MAX)
		return error_set(err, EINVAL, "its PREFIX is longer than %d bytes",
				 ETCD_PREFIX_MAX);
	for (i = 0; i < length; i++) {
		if (!isgraph((unsigned char)text[i]))
			return error_set(err, EINVAL, "its PREFIX has a character that is none");
	}
	snprintf(url->prefix, sizeof(url->prefix), "%.*s", (int)length, text);
	return 0;
}

int etcd_url_parse(const char *text, struct etcd_url *ret_url, struct error *err)
{
	struct etcd_url url = {0};
	const char *at = skip_scheme(text, &url.tls);
	size_t length;
	int ret = 0;

	if (!at)
		return error_hint(err, error_set(err, EINVAL, "%.80s: not an etcd URL", text),
				  FORM);
	for (; ret == 0; at += length + 1) {
		length = strcspn(at, ",/");
		ret = add_endpoint(&url, at, length, err);
		if (at[length] != ',')
			break;
	}
	if (ret == 0)
		ret = set_prefix(&url, at + length, err);
	if (ret == 0)
		*ret_url = url;
	return ret;
}

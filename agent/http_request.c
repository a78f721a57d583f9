/* SPDX-License-Identifier: Apache-2.0 */
#include "http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the check's own headers has this name. */
static bool has(const struct check_spec *spec, const char *name)
{
	size_t length = strlen(name);

	for (char *const *header = spec->headers; header && *header; header++) {
		if (strncasecmp(*header, name, length) == 0 && (*header)[length] == ':')
			return true;
	}
	return false;
}

static void write_default(FILE *text, const struct check_spec *spec, const char *name,
			  const char *value)
{
	if (!has(spec, name))
		fprintf(text, "%s: %s\r\n", name, value);
}

/* The check's own, or the backend's address, without the port that is the scheme's. */
static void write_host(FILE *text, const struct check_spec *spec, const struct endpoint *backend)
{
	char address[ENDPOINT_TEXT_MAX];

	format_endpoint(backend, address);
	if (backend->port == 80)
		*strrchr(address, ':') = '\0';
	fprintf(text, "Host: %s\r\n", spec->host ? spec->host : address);
}

static void write_headers(FILE *text, const struct check_spec *spec)
{
	write_default(text, spec, "User-Agent", HTTP_USER_AGENT);
	write_default(text, spec, "Accept", "*/*");
	fputs("Connection: close\r\n", text);
	for (char *const *header = spec->headers; header && *header; header++)
		fprintf(text, "%s\r\n", *header);
	if (spec->method == METHOD_POST) {
		fputs("Content-Length: 0\r\n", text);
		write_default(text, spec, "Content-Type", "application/x-www-form-urlencoded");
	}
}

char *http_request_write(const struct check_spec *spec, const struct endpoint *backend)
{
	char *bytes = NULL;
	size_t length;
	FILE *text = open_memstream(&bytes, &length);

	if (!text)
		return NULL;
	fprintf(text, "%s %s HTTP/1.1\r\n", check_method_words[spec->method],
		spec->path ? spec->path : CHECK_PATH_DEFAULT);
	write_host(text, spec, backend);
	write_headers(text, spec);
	fputs("\r\n", text);
	if (fclose(text) == 0)
		return bytes;
	free(bytes);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask of a request, and how they answer it. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "webapp_server.h"

static struct webapp_request *request_of(struct webapp_call *call)
{
	return (struct webapp_request *)call;
}

/* Takes text; NULL: there was no memory for it. */
static void answer(struct webapp_call *call, unsigned int status, const char *type, char *text)
{
	free(call->text);
	call->status = text ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
	call->content_type = type;
	call->text = text;
	call->text_length = text ? strlen(text) : 0;
}

void webapp_answer_text(struct webapp_call *call, unsigned int status, const char *text)
{
	answer(call, status, "text/plain", strdup(text));
}

/* With a line's end: people read it in terminals. */
void webapp_answer_json(struct webapp_call *call, unsigned int status, cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json), *line;
	size_t length = text ? strlen(text) : 0;

	cJSON_Delete(json);
	line = text ? realloc(text, length + 2) : NULL;
	if (line)
		memcpy(line + length, "\n", 2);
	else
		free(text);
	answer(call, status, "application/json", line);
}

void webapp_answer_error(struct webapp_call *call, unsigned int status, const struct error *err)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "error", err->message);
	if (err->field[0])
		cJSON_AddStringToObject(json, "field", err->field);
	if (err->hint[0])
		cJSON_AddStringToObject(json, "hint", err->hint);
	webapp_answer_json(call, status, json);
}

void webapp_answer_header(struct webapp_call *call, const char *name, const char *format, ...)
{
	va_list args;

	call->header.name = name;
	va_start(args, format);
	vsnprintf(call->header.value, sizeof(call->header.value), format, args);
	va_end(args);
}

/* libmicrohttpd keeps both for as long as the request lives, and changes them no more. */
const char *webapp_header(struct webapp_call *call, const char *name)
{
	return MHD_lookup_connection_value(request_of(call)->connection, MHD_HEADER_KIND, name);
}

const char *webapp_query(struct webapp_call *call, const char *name)
{
	return MHD_lookup_connection_value(request_of(call)->connection, MHD_GET_ARGUMENT_KIND,
					   name);
}

/* The same address at both ends is this host's, be it loopback or not. */
bool webapp_from_this_host(struct webapp_call *call)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request_of(call)->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);

	if (!info || getsockname(info->connect_fd, (struct sockaddr *)&own, &own_length) < 0 ||
	    getpeername(info->connect_fd, (struct sockaddr *)&peer, &peer_length) < 0 ||
	    own.ss_family != peer.ss_family)
		return false;
	if (own.ss_family == AF_INET)
		return ((struct sockaddr_in *)&own)->sin_addr.s_addr ==
		       ((struct sockaddr_in *)&peer)->sin_addr.s_addr;
	return own.ss_family == AF_INET6 &&
	       IN6_ARE_ADDR_EQUAL(&((struct sockaddr_in6 *)&own)->sin6_addr,
				  &((struct sockaddr_in6 *)&peer)->sin6_addr);
}

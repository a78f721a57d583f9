/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "log.h"

static bool only_reads(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Is it the path, percent-encoded or not? */
static bool path_is(const char *path, const char *wanted)
{
	int c;

	for (; *path && *wanted; wanted++) {
		c = (unsigned char)*path++;
		if (c == '%' && hex_digit(path[0]) >= 0 && hex_digit(path[1]) >= 0) {
			c = hex_digit(path[0]) << 4 | hex_digit(path[1]);
			path += 2;
		}
		if (c != *wanted)
			return false;
	}
	return *path == *wanted;
}

/* Packets are not everybody's to read. */
static bool shows_packets(const char *path)
{
	return path_is(path, "/v1/capture") || path_is(path, "/v1/drops");
}

static size_t body_max(const struct door_visit *visit)
{
	bool config = strcmp(visit->method, "PUT") == 0 && strcmp(visit->path, "/v1/config") == 0;

	return config ? BODY_MAX_CONFIG : BODY_MAX;
}

static void refuse(struct door_verdict *verdict, unsigned int status, const char *message,
		   const char *hint)
{
	verdict->status = status;
	error_set(&verdict->err, EACCES, "%s", message);
	error_hint(&verdict->err, -EACCES, "%s", hint);
}

/* RFC 6750, 2.1. NULL: the header is of another scheme. */
static const char *bearer_token(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	authorization += sizeof(scheme) - 1;
	return authorization + strspn(authorization, " ");
}

void door_refresh(struct door *door)
{
	struct error err = {0};
	int ret = door->tokens ? tokens_refresh(door->tokens, &err) : 0;
	char count[24];

	if (ret < 0) {
		log_error("nobody may change anything by TCP", "error", err.message, "hint",
			  err.hint);
	} else if (ret > 0) {
		snprintf(count, sizeof(count), "%zu", tokens_count(door->tokens));
		log_info("token file read again", "tokens", count);
	}
}

static void refuse_wrong(struct door *door, const struct door_visit *visit, uint64_t now_ms,
			 struct door_verdict *verdict)
{
	guesses_wrong(&door->guesses, &visit->source, now_ms);
	log_warn("wrong token", "by", visit->peer, "method", visit->method, "path", visit->path,
		 "consequence",
		 guesses_wait(&door->guesses, &visit->source, now_ms)
			 ? "refused; not heard again within this minute"
			 : "refused");
	refuse(verdict, 401, "the token is wrong",
	       tokens_count(door->tokens) ? "a line of lbagent's --token-file has the right one"
					  : "lbagent cannot read its token file; its log says why");
}

static void ask_token(struct door *door, const struct door_visit *visit, uint64_t now_ms,
		      struct door_verdict *verdict)
{
	const char *token = bearer_token(visit->authorization), *holder;
	uint64_t wait_ms;

	if (!token) {
		refuse(verdict, 401,
		       only_reads(visit->method) ? "to read packets by this listener needs a token"
						 : "a change by this listener needs a token",
		       "lbctl --token-file FILE, or the header Authorization: Bearer TOKEN");
		return;
	}
	wait_ms = guesses_wait(&door->guesses, &visit->source, now_ms);
	if (wait_ms) {
		door->guesses.refused++;
		verdict->retry_s = (unsigned int)((wait_ms + 999) / 1000);
		refuse(verdict, 429, "too many wrong tokens from this address",
		       "wait for a minute, or use the Unix socket");
		return;
	}
	door_refresh(door);
	holder = tokens_holder(door->tokens, token, strlen(token));
	if (holder)
		snprintf(verdict->peer, sizeof(verdict->peer), "token %s from %.80s", holder,
			 visit->peer);
	else
		refuse_wrong(door, visit, now_ms, verdict);
}

/* Whether it is busy is asked of /healthz, too, which costs nothing. */
static void ask_time(struct door *door, const struct door_visit *visit, uint64_t now_ms,
		     struct door_verdict *verdict)
{
	int64_t earned = (int64_t)(now_ms - door->reading_ms) * 1000000 / READING_SHARE;

	if (door->reading_ms == 0 || earned > READING_BURST_NS - door->reading_ns)
		door->reading_ns = READING_BURST_NS;
	else
		door->reading_ns += earned;
	door->reading_ms = now_ms;
	if (door->reading_ns > 0 || strcmp(visit->path, "/healthz") == 0)
		return;
	verdict->retry_s = 1;
	refuse(verdict, 503, "too much is asked by this listener",
	       "ask again in a second, or use the Unix socket");
}

void door_spent(struct door *door, uint64_t ns)
{
	door->reading_ns -= (int64_t)ns;
}

void door_ask(struct door *door, const struct door_visit *visit, uint64_t now_ms,
	      struct door_verdict *ret_verdict)
{
	*ret_verdict = (struct door_verdict){0};
	snprintf(ret_verdict->peer, sizeof(ret_verdict->peer), "%s", visit->peer);
	if (!only_reads(visit->method))
		ret_verdict->body_max = body_max(visit);
	if (door->local)
		return;
	if (only_reads(visit->method) && !shows_packets(visit->path))
		ask_time(door, visit, now_ms, ret_verdict);
	else if (door->tokens)
		ask_token(door, visit, now_ms, ret_verdict);
	else
		refuse(ret_verdict, 403,
		       only_reads(visit->method) ? "this listener shows no packets"
						 : "this listener is read-only",
		       "use the Unix socket: lbctl --socket PATH; or lbagent --token-file FILE");
}

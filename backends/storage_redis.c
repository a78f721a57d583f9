/* SPDX-License-Identifier: Apache-2.0 */
/* Shards as Redis servers, keys as "store:ID". */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "parse.h"
#include "storage.h"

/* For a connection, and for an answer. */
#define TIMEOUT_MS 250

static const struct timeval timeout = {.tv_usec = TIMEOUT_MS * 1000L};

static int redis_open(const char *place, bool create, void **ret_connection, struct error *err)
{
	char address[ADDRESS_TEXT_MAX];
	struct endpoint endpoint;
	redisContext *context;
	int r;

	(void)create;
	if (parse_endpoint(place, 0, &endpoint, err) < 0)
		return -ENOTCONN;
	context = redisConnectWithTimeout(format_address(&endpoint.address, address), endpoint.port,
					  timeout);
	if (!context)
		return error_set(err, ENOTCONN, "no memory");
	if (context->err == 0)
		redisSetTimeout(context, timeout);
	if (context->err == 0) {
		*ret_connection = context;
		return 0;
	}
	r = error_set(err, ENOTCONN, "%s", context->errstr);
	redisFree(context);
	return r;
}

static void redis_close(void *connection)
{
	redisFree(connection);
}

/* An answer that is an error, or none at all. A server that reads its file after a start, or has
 * no room, is there; one that may not be written to is no use as a shard. */
static int check_reply(const redisContext *context, const redisReply *reply, struct error *err)
{
	if (!reply)
		return error_set(err, ENOTCONN, "%s",
				 context->err == REDIS_ERR_IO && errno == EAGAIN
					 ? "no answer in time"
					 : context->errstr);
	if (reply->type != REDIS_REPLY_ERROR)
		return 0;
	if (strncmp(reply->str, "LOADING", 7) == 0 || strncmp(reply->str, "BUSY", 4) == 0)
		return error_set(err, EBUSY, "%s", reply->str);
	if (strncmp(reply->str, "OOM", 3) == 0 || strncmp(reply->str, "MISCONF", 7) == 0)
		return error_set(err, ENOSPC, "%s", reply->str);
	return error_set(err, ENOTCONN, "%s", reply->str);
}

static int redis_put(void *connection, const char *id, const char *text, struct error *err)
{
	redisReply *reply = redisCommand(connection, "SET store:%s %s", id, text);
	int r = check_reply(connection, reply, err);

	freeReplyObject(reply);
	return r;
}

static int redis_get(void *connection, const char *id, char **ret_text, struct error *err)
{
	redisReply *reply = redisCommand(connection, "GET store:%s", id);
	int r = check_reply(connection, reply, err);
	char *text;

	if (r == 0 && reply->type != REDIS_REPLY_STRING)
		r = error_set(err, ENOENT, "no such id");
	if (r == 0) {
		text = strdup(reply->str);
		if (text)
			*ret_text = text;
		else
			r = error_set(err, EBUSY, "no memory");
	}
	freeReplyObject(reply);
	return r;
}

const struct storage_ops storage_redis = {redis_open, redis_close, redis_put, redis_get};

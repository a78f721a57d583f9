/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_load_poll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "load_poll.h"

struct load_poll {
	LIST_ENTRY(load_poll) link;
	char endpoint[ENDPOINT_TEXT_MAX];
	load_poll_callback callback;
	void *context;
	int asked;
};

static LIST_HEAD(, load_poll) polls = LIST_HEAD_INITIALIZER(polls);

static struct load_poll *find(const char *endpoint)
{
	struct load_poll *poll;

	LIST_FOREACH(poll, &polls, link)
	if (strcmp(poll->endpoint, endpoint) == 0)
		return poll;
	return NULL;
}

int fake_load_asked(const char *endpoint)
{
	const struct load_poll *poll = find(endpoint);

	return poll ? poll->asked : -1;
}

void fake_load_tell(const char *endpoint, double load)
{
	struct load_poll *poll = find(endpoint);

	if (poll)
		poll->callback(poll->context, load, load < 0 ? "refused" : "");
}

struct load_poll *load_poll_new(struct curl_loop *curl, const struct endpoint *endpoint,
				load_poll_callback callback, void *context)
{
	struct load_poll *poll = calloc(1, sizeof(*poll));

	(void)curl;
	if (!poll)
		return NULL;
	format_endpoint(endpoint, poll->endpoint);
	poll->callback = callback;
	poll->context = context;
	LIST_INSERT_HEAD(&polls, poll, link);
	return poll;
}

void load_poll_free(struct load_poll *poll)
{
	if (!poll)
		return;
	LIST_REMOVE(poll, link);
	free(poll);
}

bool load_poll_ask(struct load_poll *poll)
{
	poll->asked++;
	return true;
}

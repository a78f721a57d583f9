/* SPDX-License-Identifier: Apache-2.0 */
#include "http_clients.h"

#include <stdlib.h>
#include <sys/socket.h>

struct client *client_new(struct clients *clients, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->fd = fd;
	LIST_INSERT_HEAD(&clients->list, client, entry);
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	LIST_REMOVE(client, entry);
	free(client);
}

void clients_expire(const struct clients *clients, uint64_t now_ms)
{
	const struct client *client;

	LIST_FOREACH(client, &clients->list, entry)
	{
		/* cppcheck-suppress uninitvar ; it does not read sys/queue.h */
		if (client->deadline_ms && client->deadline_ms <= now_ms)
			shutdown(client->fd, SHUT_RDWR);
	}
}

bool clients_none(const struct clients *clients)
{
	return LIST_EMPTY(&clients->list);
}

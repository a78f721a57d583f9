/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_CLIENTS_H
#define SLUICE_HTTP_CLIENTS_H

/*
 * The connections of one listener, and by when each must have got on: have sent its request's
 * head, then its body, then have taken the answer. A trickle of single bytes does not help it, as
 * it would with a limit on silence. Time is passed in, in milliseconds of any one clock.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct client {
	LIST_ENTRY(client) entry;
	int fd;               /* the server's, who closes it */
	uint64_t deadline_ms; /* 0: none */
};

LIST_HEAD(client_list, client);

struct clients {
	struct client_list list;
};

/* NULL: out of memory. */
struct client *client_new(struct clients *clients, int fd);
void client_free(struct client *client); /* NULL-safe */

/* Shuts down the sockets of those that are late, which their server sees as their going away. */
void clients_expire(const struct clients *clients, uint64_t now_ms);

bool clients_none(const struct clients *clients);

#endif

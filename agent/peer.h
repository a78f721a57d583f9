/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PEER_H
#define SLUICE_PEER_H

/* Who is at the other end of a connection, in words for the log and the journal of events. */
#include <stdbool.h>

#include "parse.h"

#define PEER_TEXT_MAX 128

/*
 * "uid 0 (root), pid 123" at the other end of a Unix socket, as it was when that was connected;
 * "198.18.0.2:4711" of TCP. Names are those of /etc/passwd: a directory service could keep the
 * loop waiting. Never fails; returns buffer.
 */
const char *peer_describe(int fd, char buffer[PEER_TEXT_MAX]);

/* The other end's address and port. False: the socket is not of TCP, or not connected. */
bool peer_endpoint(int fd, struct endpoint *ret_endpoint);

#endif

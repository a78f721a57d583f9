/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_STREAM_H
#define SLUICE_HTTP_STREAM_H

/*
 * An answer that goes on. The server asks for bytes only when the client can take some and holds
 * no more of them than one block, so a slow client costs nobody anything but its connection.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct MHD_Connection;
struct MHD_Response;

#define HTTP_STREAM_END ((ssize_t)-1)

/* The handler's; it fills in read and close, all else zero. */
struct http_stream {
	/* Writes up to size bytes into buffer and returns how many. 0: there are none now; the
	 * server asks again after http_stream_wake(). HTTP_STREAM_END: that was all. */
	ssize_t (*read)(struct http_stream *stream, char *buffer, size_t size);
	/* Frees it. The end was reached, the client has gone, or the server ends. */
	void (*close)(struct http_stream *stream);
	/* It comes to an end by itself: its client has to take it in the time that an answer has.
	 */
	bool ends;
	/* The server's own. */
	struct http_streams *streams;
	struct MHD_Connection *connection;
	bool waiting;
	LIST_ENTRY(http_stream) link;
};

/* Those of one server. */
struct http_streams {
	LIST_HEAD(http_stream_head, http_stream) head;
	/* Has the server run soon: libmicrohttpd does not say by its descriptor that a connection
	 * goes on. */
	void (*kick)(void *context);
	/* Is told how long it took to read, as door_spent() is: that, too, is time for an answer.
	 */
	void (*spent)(void *context, uint64_t ns);
	void *context;
};

/* There may be bytes again. May be called at any time until close is, from the loop's thread. */
void http_stream_wake(struct http_stream *stream);

/* --- for http.c --- */

/* The response that reads the stream, which is closed in any case: with the response, or at once
 * if that cannot be had (NULL). Until then it is one of *streams. */
struct MHD_Response *http_stream_start(struct http_stream *stream, struct http_streams *streams,
				       struct MHD_Connection *connection);

/* Lets none wait any more: a server whose connections are suspended cannot be stopped. */
void http_streams_wake(struct http_streams *streams);

#endif

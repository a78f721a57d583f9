/* SPDX-License-Identifier: Apache-2.0 */
#include "http_stream.h"

#include <microhttpd.h>

#include "clock.h"

#define BLOCK_SIZE 16384

void http_stream_wake(struct http_stream *stream)
{
	if (!stream->waiting)
		return;
	stream->waiting = false;
	MHD_resume_connection(stream->connection);
	stream->streams->kick(stream->streams->context);
}

void http_streams_wake(struct http_streams *streams)
{
	struct http_stream *stream;

	LIST_FOREACH(stream, &streams->head, link)
	http_stream_wake(stream);
}

static ssize_t on_read(void *cls, uint64_t position, char *buffer, size_t size)
{
	struct http_stream *stream = cls;
	uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	ssize_t count = stream->read(stream, buffer, size);

	(void)position;
	stream->streams->spent(stream->streams->context, clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	if (count == HTTP_STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (count == 0) {
		stream->waiting = true;
		MHD_suspend_connection(stream->connection);
	}
	return count;
}

static void on_close(void *cls)
{
	struct http_stream *stream = cls;

	LIST_REMOVE(stream, link);
	stream->close(stream);
}

struct MHD_Response *http_stream_start(struct http_stream *stream, struct http_streams *streams,
				       struct MHD_Connection *connection)
{
	struct MHD_Response *response;

	stream->streams = streams;
	stream->connection = connection;
	LIST_INSERT_HEAD(&streams->head, stream, link);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, stream,
						     on_close);
	if (!response)
		on_close(stream);
	return response;
}

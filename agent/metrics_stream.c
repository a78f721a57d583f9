/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

#define PIECE_SIZE ((size_t)4 * METRICS_PIECE_MAX)

struct metrics_stream {
	struct http_stream base;
	struct figures *figures;
	struct metrics_page page;
	unsigned int *readers;
	char piece[PIECE_SIZE]; /* written, from `taken` on not taken yet */
	size_t length, taken;
};

static ssize_t read_piece(struct http_stream *base, char *buffer, size_t size)
{
	struct metrics_stream *stream = (struct metrics_stream *)base;
	size_t count;

	if (stream->taken == stream->length) {
		stream->length = metrics_page_next(&stream->page, stream->piece, PIECE_SIZE);
		stream->taken = 0;
	}
	count = stream->length - stream->taken;
	if (count == 0)
		return HTTP_STREAM_END;
	if (count > size)
		count = size;
	memcpy(buffer, stream->piece + stream->taken, count);
	stream->taken += count;
	return (ssize_t)count;
}

static void close_stream(struct http_stream *base)
{
	struct metrics_stream *stream = (struct metrics_stream *)base;

	--*stream->readers;
	figures_free(stream->figures);
	free(stream);
}

int metrics_stream_open(const struct figures_input *input, bool openmetrics, unsigned int *readers,
			struct http_stream **ret_stream, struct error *err)
{
	struct metrics_stream *stream;
	int ret;

	if (*readers >= METRICS_READERS_MAX) {
		ret = error_set(err, EBUSY, "%d clients read metrics already", METRICS_READERS_MAX);
		return error_hint(err, ret, "ask again in a few seconds");
	}
	stream = calloc(1, sizeof(*stream));
	if (stream)
		stream->figures = figures_gather(input);
	if (!stream || !stream->figures) {
		free(stream);
		return error_set(err, ENOMEM, "out of memory");
	}
	stream->base.read = read_piece;
	stream->base.close = close_stream;
	stream->base.ends = true;
	stream->page =
		(struct metrics_page){.figures = stream->figures, .openmetrics = openmetrics};
	stream->readers = readers;
	++*readers;
	*ret_stream = &stream->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a line that was cut ends in. There is always room for it and for a closing quote. */
static const char cut_mark[] = " truncated=true";

#define LINE_ROOM (PIPE_BUF - sizeof(cut_mark) - sizeof("\"\n"))

/* PIPE_BUF bytes: up to there, a write to a pipe never mixes with those of other processes. */
struct line {
	size_t length;
	bool cut;
	char text[PIPE_BUF];
};

static const struct log_level_info {
	const char *name;
	int priority; /* of syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARN] = {"warn", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

#define LEVEL_COUNT (sizeof(levels) / sizeof(levels[0]))

static enum log_level threshold = LOG_LEVEL_INFO;

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < LEVEL_COUNT; i++) {
		if (!strcmp(text, levels[i].name)) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

/* All of text or nothing; after the first refusal nothing more gets in. */
static void put(struct line *line, const char *text, size_t length)
{
	if (line->cut || line->length + length > LINE_ROOM) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

/* A mark that has its place kept free, cut or not. */
static void put_end(struct line *line, const char *text)
{
	const size_t length = strlen(text);

	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (; *value; value++) {
		if (is_control(*value) || strchr(" \"=\\", *value))
			return true;
	}
	return false;
}

static void put_escaped(struct line *line, char c)
{
	char escape[8];
	int length = 1;

	escape[0] = c;
	if (c == '"' || c == '\\')
		length = snprintf(escape, sizeof(escape), "\\%c", c);
	else if (c == '\n')
		length = snprintf(escape, sizeof(escape), "\\n");
	else if (is_control(c))
		length = snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)c);
	put(line, escape, (size_t)length);
}

/* A cut inside a UTF-8 character would spoil the line for strict readers. */
static void drop_split_character(struct line *line)
{
	while (((unsigned char)line->text[line->length - 1] & 0xc0) == 0x80)
		line->length--;
	if ((unsigned char)line->text[line->length - 1] >= 0xc0)
		line->length--;
}

static void put_value(struct line *line, const char *value)
{
	const bool quotes = needs_quotes(value);

	if (line->cut)
		return;
	if (quotes)
		put(line, "\"", 1);
	for (; *value && !line->cut; value++)
		put_escaped(line, *value);
	if (line->cut)
		drop_split_character(line);
	if (quotes)
		put_end(line, "\"");
}

static void put_pair(struct line *line, const char *key, const char *value)
{
	const size_t length = strlen(key);

	/* Without room for the key and the start of a value, the pair is left out. */
	if (line->length + length + sizeof(" =\"") > LINE_ROOM)
		line->cut = true;
	if (line->length > 0)
		put(line, " ", 1);
	put(line, key, length);
	put(line, "=", 1);
	put_value(line, value ? value : "");
}

/* The journal stamps and sorts lines itself. JOURNAL_STREAM is inherited by children whose
 * output goes elsewhere, so it must also name our standard error (systemd.exec(5)). */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[48];

	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return !strcmp(stream, own);
}

static void put_head(struct line *line, enum log_level level)
{
	char stamp[40], seconds[24];
	struct timespec now;
	struct tm utc;

	if (to_journal()) {
		line->length = (size_t)snprintf(line->text, LINE_ROOM, "<%d>level=%s",
						levels[level].priority, levels[level].name);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(stamp, sizeof(stamp), "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
	put_pair(line, "ts", stamp);
	put_pair(line, "level", levels[level].name);
}

/* One write a line. Where standard error fails there is nobody left to tell. */
static void finish(struct line *line)
{
	if (line->cut)
		put_end(line, cut_mark);
	put_end(line, "\n");
	while (write(STDERR_FILENO, line->text, line->length) < 0 && errno == EINTR)
		;
}

void log_event(enum log_level level, const char *message, ...)
{
	const int saved_errno = errno;
	struct line line = {0};
	const char *key;
	va_list pairs;

	if (level > threshold)
		return;
	put_head(&line, level);
	put_pair(&line, "msg", message);
	va_start(pairs, message);
	while ((key = va_arg(pairs, const char *)))
		put_pair(&line, key, va_arg(pairs, const char *));
	va_end(pairs);
	finish(&line);
	errno = saved_errno;
}

void log_pairs(enum log_level level, const char *message, const char *const *pairs)
{
	const int saved_errno = errno;
	struct line line = {0};

	if (level > threshold)
		return;
	put_head(&line, level);
	put_pair(&line, "msg", message);
	for (; pairs[0]; pairs += 2) {
		if (pairs[1][0])
			put_pair(&line, pairs[0], pairs[1]);
	}
	finish(&line);
	errno = saved_errno;
}

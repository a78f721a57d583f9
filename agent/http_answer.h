/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_ANSWER_H
#define SLUICE_HTTP_ANSWER_H

/*
 * What a probe makes of an HTTP answer, however that came: it succeeds when the whole answer, or as
 * much of it as anyone should need, came with a status in the range asked for and a body that
 * matches.
 */
#include "probe_kind.h"

/* Of headers and of body, each: what a probe is willing to receive. */
#define HTTP_RECEIVE_MAX     65536
#define HTTP_TOO_LONG_REASON "HTTP headers longer than 64 KiB"
#define HTTP_FOREIGN_REASON  "the answer is not HTTP/1.0 or 1.1"

struct http_answer {
	const struct check_run *check;
	size_t body_bytes; /* that were taken */
	char *body;        /* they, and a zero; NULL: nobody asks for them */
};

/* check must outlive it. Returns 0 or -ENOMEM. */
int http_answer_init(struct http_answer *answer, const struct check_run *check);
void http_answer_clear(struct http_answer *answer);

/* Takes the next part of the body. False: that was more than is wanted, and no more need come. */
bool http_answer_take(struct http_answer *answer, const char *data, size_t length);
/* No more need come. */
bool http_answer_is_enough(const struct http_answer *answer);

/* Of an answer that is complete or enough: reason is given if it is not as wanted. */
bool http_answer_judge(const struct http_answer *answer, long status,
		       char reason[PROBE_REASON_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CAPTURE_QUERY_H
#define SLUICE_CAPTURE_QUERY_H

/* What a capture is asked for, in words and as the data plane's filter. Pure. */
#include "abi.h"
#include "desired.h"

#define CAPTURE_SNAPLEN_DEFAULT 256
#define CAPTURE_SNAPLEN_MIN     16
#define CAPTURE_SAMPLE_MAX      1000000
#define CAPTURE_FOR_MAX_MS      (24ULL * 3600 * 1000)

/* As in the query of GET /v1/capture; NULL: not given. */
struct capture_words {
	const char *service; /* its name */
	const char *vip;     /* tcp://ADDR:PORT */
	const char *client;  /* a prefix */
	const char *backend; /* ADDR[:PORT] */
	const char
		*verdict; /* labels of verdicts, parted by commas; drop stands for all that drop */
	const char *reason; /* labels of verdicts that drop, likewise */
	const char *sample; /* 1/N */
	const char *snaplen;
	const char *limit;
	const char *span;
};

struct capture_query {
	struct lb_capture_filter filter;    /* but for deadline, run and per_tick */
	uint64_t limit;                     /* packets; 0: none */
	uint64_t span_ms;                   /* 0: no limit */
	const struct service_spec *service; /* if the filter is for one */
};

/*
 * -EINVAL, -ENOENT: there is no such service, VIP or backend. err has the parameter's name as its
 * field. Without a verdict or reason all are wanted that concern a VIP.
 */
int capture_query_read(const struct desired *desired, const struct capture_words *words,
		       struct capture_query *ret_query, struct error *err);

/* The words as they were given, in one line: "service=web sample=1/10", "everything". */
#define CAPTURE_QUERY_TEXT_MAX 320
const char *capture_query_text(const struct capture_words *words,
			       char buffer[CAPTURE_QUERY_TEXT_MAX]);

#endif

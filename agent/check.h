/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHECK_H
#define SLUICE_CHECK_H

/*
 * What the operator asks of a service's health checks. Pure data, part of the desired state; there
 * is one for each service, and check_run.h makes of it what all its backends' probes share.
 */
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns_message.h"
#include "error.h"

#define CHECK_PATH_DEFAULT "/"
#define CHECK_BYTES_MAX    1024 /* of a datagram that is sent, or of the reply's beginning */
#define CHECK_WORDS_MAX    32   /* headers; words of a command */

enum check_kind {
	CHECK_TCP,
	CHECK_HTTP,
	CHECK_HTTPS,
	CHECK_UDP,
	CHECK_ICMP,
	CHECK_DNS,
	CHECK_EXEC,
	CHECK_NONE,
	CHECK_KINDS,
};

enum check_method { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_POST, CHECK_METHODS };

struct check_spec {
	enum check_kind kind;
	enum check_method method; /* of HTTP, as all down to body */
	uint16_t status_min;      /* inclusive range of statuses that pass */
	uint16_t status_max;
	enum dns_type dns_type;
	bool insecure; /* https: the certificate is not verified */
	uint16_t port; /* 0: the backend's */
	uint64_t interval_ms;
	uint64_t timeout_ms;
	uint64_t fast_interval_ms; /* while the state is changing; 0: interval_ms */
	uint32_t rise;             /* successes in a row before a down backend is up */
	uint32_t fall;             /* failures in a row before an up backend is down */

	/* Texts are owned, and NULL where nothing is given; lists end by NULL. */
	char *path;     /* http: request target, begins with '/'; NULL: CHECK_PATH_DEFAULT */
	char *host;     /* http: Host header; NULL: sni, or else the backend's address */
	char **headers; /* http: "Name: value" */
	char *body;    /* http: POSIX extended regular expression that a line of the body matches */
	char *ca;      /* https: file of certificates; NULL: the system's */
	char *sni;     /* https: name that the certificate must be for; NULL: that of host */
	char *cert;    /* https: file of the client's own certificate */
	char *key;     /* https: file of its key; NULL: it is in cert */
	char *payload; /* udp: what is sent, as parse_bytes() reads it */
	char *expect;  /* udp: what the reply must begin with, likewise; dns: the value */
	char *name;    /* dns: what is asked for */
	char **command; /* exec: path of the program and its arguments */
};

/* By value. */
extern const char *const check_kind_words[CHECK_KINDS];
extern const char *const check_method_words[CHECK_METHODS];

/* Every default in place. */
void check_spec_init(struct check_spec *spec);
/* *ret_copy owns texts of its own. -ENOMEM leaves it untouched. */
int check_spec_copy(const struct check_spec *spec, struct check_spec *ret_copy);
/* Frees what spec owns, not spec. */
void check_spec_clear(struct check_spec *spec);
bool check_spec_equal(const struct check_spec *a, const struct check_spec *b);

/* Everything that can be told without looking at files. service: its name, for messages. */
int check_spec_check(const struct check_spec *spec, const char *service, struct error *err);

/* Does a probe of this kind go to a port? */
bool check_needs_port(const struct check_spec *spec);

/* Compiles check-body's pattern, for regexec() and regfree(). What regcomp() returns. */
int check_body_compile(const char *pattern, regex_t *ret_regex);

/* http or https */
bool check_is_http(const struct check_spec *spec);

/* Owned lists of texts, ended by NULL; NULL is the empty one. */
int texts_copy(char *const *texts, char ***ret_copy);
void texts_free(char **texts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETCD_JSON_H
#define SLUICE_ETCD_JSON_H

/*
 * What is said to etcd's JSON gateway and what it answers: the messages of etcd's v3 API
 * (etcd.io/docs/v3.4/dev-guide/api_grpc_gateway), where keys and values are base64 and numbers of
 * 64 bits are strings. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* A key as it was found. */
struct etcd_kv {
	char *key;
	uint64_t mod_revision; /* 0: it has been deleted */
	char *text;            /* its value, with a NUL behind it; NULL: none, or not asked for */
	size_t length;
};

/* What etcd has said; what a request does not ask for is zero. */
struct etcd_answer {
	uint64_t revision; /* of the whole store, when this was so */
	bool done;         /* of a commit: what it compares was so, and it is made */
	/* Keys that were found, or whose change is watched, in that order. Of a commit that is not
	 * done, what there is in place of its first step. */
	struct etcd_kv *kvs;
	size_t count;
	uint64_t lease; /* its id */
	uint64_t ttl_s; /* that it lives for, from now on; 0: there is no such lease */
};

/* Each frees what it owns. */
void etcd_kv_clear(struct etcd_kv *kv);
void etcd_answer_clear(struct etcd_answer *answer);

/* The key among those of the answer, as it was there last; NULL: it is not. */
struct etcd_kv *etcd_answer_find(const struct etcd_answer *answer, const char *key);

/* --- requests: the caller's to free; NULL: out of memory --- */

enum etcd_flag {
	ETCD_PREFIX = 1 << 0,    /* all keys that begin so; at least one byte */
	ETCD_KEYS_ONLY = 1 << 1, /* without their values */
};

char *etcd_write_get(const char *key, unsigned int flags);

/* All changes from this revision on. */
char *etcd_write_watch(const char *key, unsigned int flags, uint64_t revision);

/* One key's part in a commit, which is made as a whole, or not at all. */
struct etcd_step {
	const char *key;
	enum { ETCD_PUT, ETCD_DELETE, ETCD_LEAVE } what;
	bool compared;         /* it is made only if the key's mod_revision still is this one */
	uint64_t mod_revision; /* 0: if there is no such key */
	const char *value;     /* ETCD_PUT */
	uint64_t lease;        /* that it ends with; 0: with none */
};

char *etcd_write_commit(const struct etcd_step *steps, size_t count);

char *etcd_write_grant(uint64_t ttl_s);
char *etcd_write_lease(uint64_t lease); /* to keep it alive, and to revoke it */
char *etcd_write_login(const char *user, const char *password);

/* --- answers: -EBADMSG if they are not what they should be; outputs as they were on failure --- */

/* *ret_answer owns its keys. */
int etcd_read_get(const char *text, size_t length, struct etcd_answer *ret_answer,
		  struct error *err);
int etcd_read_commit(const char *text, size_t length, struct etcd_answer *ret_answer,
		     struct error *err);

/* One line of a watch; without keys it says nothing. -ESTALE: etcd has ended the watch, because it
 * forgot (compacted) what is asked for or for another reason that err has. */
int etcd_read_watch(const char *text, size_t length, struct etcd_answer *ret_answer,
		    struct error *err);

int etcd_read_grant(const char *text, size_t length, struct etcd_answer *ret_answer,
		    struct error *err);
/* The first line of what keeping it alive answers. */
int etcd_read_kept(const char *text, size_t length, struct etcd_answer *ret_answer,
		   struct error *err);

/* *ret_token is the caller's to free. */
int etcd_read_login(const char *text, size_t length, char **ret_token, struct error *err);

/* What an answer with another HTTP status than 200 says. */
void etcd_read_refusal(const char *text, size_t length, struct error *ret_err);

#endif

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
	uint64_t revision;     /* of the whole store, when this was so */
	uint64_t mod_revision; /* of the key; 0: there is no such key */
	char *text; /* its value, with a NUL behind it, owned; NULL: none, or not asked for */
	size_t length;
};

/* Frees what it owns. */
void etcd_kv_clear(struct etcd_kv *kv);

/* --- requests: the caller's to free; NULL: out of memory --- */

char *etcd_write_get(const char *key, bool without_value);

/* Puts value if the key's mod_revision still is this one (0: if there is no such key), and else
 * gets what there is. */
char *etcd_write_put(const char *key, const char *value, uint64_t mod_revision);

/* All changes of the key from this revision on. */
char *etcd_write_watch(const char *key, uint64_t revision);

char *etcd_write_login(const char *user, const char *password);

/* --- answers: -EBADMSG if they are not what they should be; outputs as they were on failure --- */

/* *ret_kv owns its text. */
int etcd_read_get(const char *text, size_t length, struct etcd_kv *ret_kv, struct error *err);

/* *ret_kv is what the key is now: of what was put, without the text. */
int etcd_read_put(const char *text, size_t length, bool *ret_done, struct etcd_kv *ret_kv,
		  struct error *err);

/* One line of a watch. *ret_any: there is a change, and *ret_kv is what the latest of them has
 * left. -ESTALE: etcd has ended the watch, because it forgot (compacted) what is asked for or for
 * another reason that err has. */
int etcd_read_watch(const char *text, size_t length, bool *ret_any, struct etcd_kv *ret_kv,
		    struct error *err);

/* *ret_token is the caller's to free. */
int etcd_read_login(const char *text, size_t length, char **ret_token, struct error *err);

/* What an answer with another HTTP status than 200 says. */
void etcd_read_refusal(const char *text, size_t length, struct error *ret_err);

#endif

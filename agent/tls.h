/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TLS_H
#define SLUICE_TLS_H

/*
 * The certificate and key that the TCP listener shows. Both can be read again while it runs: each
 * handshake takes those of its moment, and what is under way keeps its own.
 */
#include <microhttpd.h>
#include <stdint.h>

#include "error.h"

struct tls;

/*
 * Reads a PEM certificate, its chain behind it, and its PEM key (secret_read()'s rules). There is
 * one of these at a time. -EINVAL: they cannot be read, or are not of each other.
 */
int tls_new(const char *cert, const char *key, struct tls **ret_tls, struct error *err);
void tls_free(struct tls *tls);

/* Reads both again. On failure the ones before stay. */
int tls_reload(struct tls *tls, struct error *err);

/* When the certificate ends to be valid; Unix time in seconds. */
int64_t tls_expires(const struct tls *tls);

/* What libmicrohttpd is to be started with, besides MHD_USE_TLS. tls must outlive the daemon. */
#define TLS_OPTIONS 3
void tls_options(const struct tls *tls, struct MHD_OptionItem ret_options[TLS_OPTIONS]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

#define CHAIN_MAX 16

/* TLS 1.2 and 1.3; the rest as GnuTLS's authors hold it to be right. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/* PEM texts. */
struct pair {
	char *cert, *key;
	size_t cert_length, key_length;
	int64_t expires;
};

struct tls {
	char *cert_path, *key_path;
	struct pair pair;
};

/* libmicrohttpd gives its callback nothing to find its listener by. */
static const struct tls *shown;

static void pair_clear(struct pair *pair)
{
	free(pair->cert);
	secret_free(pair->key, pair->key_length);
	*pair = (struct pair){0};
}

static gnutls_datum_t datum_of(const char *text, size_t length)
{
	return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned int)length};
}

/* --- reading --- */

static int read_cert(const char *path, struct pair *pair, struct error *err)
{
	gnutls_datum_t text = {0};
	int ret = gnutls_load_file(path, &text);

	if (ret) {
		ret = error_set(err, errno ? errno : EIO, "certificate %.200s: %s", path,
				errno ? strerror(errno) : gnutls_strerror(ret));
		return error_hint(err, ret, "give --tls-cert a path that exists");
	}
	pair->cert = strndup((const char *)text.data, text.size);
	pair->cert_length = pair->cert ? strlen(pair->cert) : 0;
	gnutls_free(text.data);
	return pair->cert ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int read_expiry(const char *path, struct pair *pair, struct error *err)
{
	const gnutls_datum_t text = datum_of(pair->cert, pair->cert_length);
	gnutls_x509_crt_t chain[CHAIN_MAX];
	unsigned int i, count = CHAIN_MAX;
	int ret = gnutls_x509_crt_list_import(chain, &count, &text, GNUTLS_X509_FMT_PEM,
					      GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);

	if (ret < 1) {
		ret = error_set(err, EINVAL, "certificate %.200s: %s", path,
				ret ? gnutls_strerror(ret) : "there is none in it");
		return error_hint(err, ret,
				  "write PEM: the certificate, then who signed it, in order");
	}
	pair->expires = (int64_t)gnutls_x509_crt_get_expiration_time(chain[0]);
	for (i = 0; i < (unsigned int)ret; i++)
		gnutls_x509_crt_deinit(chain[i]);
	return 0;
}

/* GnuTLS's own check that key and certificate are of each other. */
static int check_match(const struct tls *tls, const struct pair *pair, struct error *err)
{
	const gnutls_datum_t cert = datum_of(pair->cert, pair->cert_length);
	const gnutls_datum_t key = datum_of(pair->key, pair->key_length);
	gnutls_certificate_credentials_t credentials;
	int ret = gnutls_certificate_allocate_credentials(&credentials);

	if (ret)
		return error_set(err, ENOMEM, "out of memory");
	ret = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	if (ret >= 0)
		return 0;
	ret = error_set(err, EINVAL, "key %.120s with certificate %.120s: %s", tls->key_path,
			tls->cert_path, gnutls_strerror(ret));
	return error_hint(err, ret, "--tls-key is the PEM key, without passphrase, of --tls-cert");
}

static int read_pair(const struct tls *tls, struct pair *ret_pair, struct error *err)
{
	struct pair pair = {0};
	int ret = read_cert(tls->cert_path, &pair, err);

	if (ret == 0)
		ret = read_expiry(tls->cert_path, &pair, err);
	if (ret == 0)
		ret = secret_read("key", tls->key_path, &pair.key, &pair.key_length, err);
	if (ret == 0)
		ret = check_match(tls, &pair, err);
	if (ret) {
		pair_clear(&pair);
		return ret;
	}
	*ret_pair = pair;
	return 0;
}

int tls_new(const char *cert, const char *key, struct tls **ret_tls, struct error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int ret;

	if (tls) {
		tls->cert_path = strdup(cert);
		tls->key_path = strdup(key);
	}
	if (!tls || !tls->cert_path || !tls->key_path)
		ret = error_set(err, ENOMEM, "out of memory");
	else
		ret = read_pair(tls, &tls->pair, err);
	if (ret) {
		tls_free(tls);
		return ret;
	}
	*ret_tls = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (shown == tls)
		shown = NULL;
	pair_clear(&tls->pair);
	free(tls->cert_path);
	free(tls->key_path);
	free(tls);
}

int tls_reload(struct tls *tls, struct error *err)
{
	struct pair pair;
	int ret = read_pair(tls, &pair, err);

	if (ret)
		return ret;
	pair_clear(&tls->pair);
	tls->pair = pair;
	return 0;
}

int64_t tls_expires(const struct tls *tls)
{
	return tls->pair.expires;
}

/* --- showing --- */

static int import_chain(const struct pair *pair, gnutls_pcert_st **ret_chain,
			unsigned int *ret_count)
{
	const gnutls_datum_t text = datum_of(pair->cert, pair->cert_length);
	unsigned int count = CHAIN_MAX;
	gnutls_pcert_st *chain = gnutls_calloc(CHAIN_MAX, sizeof(*chain));
	int ret = chain ? gnutls_pcert_list_import_x509_raw(chain, &count, &text,
							    GNUTLS_X509_FMT_PEM, 0)
			: GNUTLS_E_MEMORY_ERROR;

	if (ret < 0) {
		gnutls_free(chain);
		return ret;
	}
	*ret_chain = chain;
	*ret_count = count;
	return 0;
}

static int import_key(const struct pair *pair, gnutls_privkey_t *ret_key)
{
	const gnutls_datum_t text = datum_of(pair->key, pair->key_length);
	gnutls_privkey_t key;
	int ret = gnutls_privkey_init(&key);

	if (ret < 0)
		return ret;
	ret = gnutls_privkey_import_x509_raw(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (ret < 0) {
		gnutls_privkey_deinit(key);
		return ret;
	}
	*ret_key = key;
	return 0;
}

/* A handshake gets copies, which it frees: a reload may come between two of its steps. */
static int show(gnutls_session_t session, const struct gnutls_cert_retr_st *wanted,
		gnutls_pcert_st **chain, unsigned int *count, gnutls_ocsp_data_st **ocsp,
		unsigned int *ocsp_count, gnutls_privkey_t *key, unsigned int *flags)
{
	unsigned int i;

	(void)session;
	(void)wanted;
	if (!shown || import_chain(&shown->pair, chain, count))
		return -1;
	if (import_key(&shown->pair, key)) {
		for (i = 0; i < *count; i++)
			gnutls_pcert_deinit(&(*chain)[i]);
		gnutls_free(*chain);
		return -1;
	}
	*ocsp = NULL;
	*ocsp_count = 0;
	*flags = GNUTLS_CERT_RETR_DEINIT_ALL;
	return 0;
}

void tls_options(const struct tls *tls, struct MHD_OptionItem ret_options[TLS_OPTIONS])
{
	shown = tls;
	ret_options[0] = (struct MHD_OptionItem){
		.option = MHD_OPTION_HTTPS_PRIORITIES,
		.ptr_value = (void *)PRIORITIES,
	};
	ret_options[1] = (struct MHD_OptionItem){
		.option = MHD_OPTION_HTTPS_CERT_CALLBACK2,
		.ptr_value = (void *)show,
	};
	ret_options[2] = (struct MHD_OptionItem){.option = MHD_OPTION_END};
}

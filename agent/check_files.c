/* SPDX-License-Identifier: Apache-2.0 */
#include "check_files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *service, const char *field, const char *file, const char *reason,
		  const char *hint, struct error *err)
{
	error_set(err, EINVAL, "service %s: %s: %.128s: %s", service, field, file, reason);
	error_hint(err, -EINVAL, "%s", hint);
	return error_field(err, -EINVAL, field);
}

/* --- of TLS: read by OpenSSL, as libcurl will have them read --- */

/* Nobody is there to be asked for it. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return 0;
}

static int refuse_tls(const char *service, const char *field, const char *file, const char *reason,
		      struct error *err)
{
	if (access(file, R_OK) < 0)
		return refuse(service, field, file, strerror(errno),
			      "give a file that lbagent can read", err);
	return refuse(service, field, file, reason, "give it in PEM", err);
}

static const char *explain_key(void)
{
	unsigned long error = ERR_peek_error();

	if (ERR_GET_LIB(error) == ERR_LIB_X509 &&
	    ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
		return "is not the key of check-cert";
	return "has no key in it, or one with a passphrase";
}

static int check_tls_files(const struct check_spec *spec, const char *service, struct error *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	const char *key = spec->key ? spec->key : spec->cert;
	const char *key_field = spec->key ? "check-key" : "check-cert";
	int r = 0;

	if (!tls)
		return error_set(err, ENOMEM, "service %s: out of memory", service);
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
	if (spec->ca && SSL_CTX_load_verify_file(tls, spec->ca) != 1)
		r = refuse_tls(service, "check-ca", spec->ca, "has no certificate in it", err);
	else if (spec->cert && SSL_CTX_use_certificate_chain_file(tls, spec->cert) != 1)
		r = refuse_tls(service, "check-cert", spec->cert, "has no certificate in it", err);
	else if (key && SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		r = refuse_tls(service, key_field, key, explain_key(), err);
	ERR_clear_error();
	SSL_CTX_free(tls);
	return r;
}

/* --- of exec --- */

/* Directly in it: a path that leads on could lead anywhere. */
static bool lies_in(const char *file, const char *directory)
{
	size_t length = strlen(directory);

	while (length > 1 && directory[length - 1] == '/')
		length--;
	return strncmp(file, directory, length) == 0 && file[length] == '/' &&
	       file[length + 1] != '\0' && !strchr(file + length + 1, '/') &&
	       strcmp(file + length + 1, "..") != 0;
}

int check_program(const char *program, const char *field, const char *service, const char *commands,
		  struct error *err)
{
	char hint[192];
	struct stat status;

	snprintf(hint, sizeof(hint), "put it into %.96s, which lbagent --check-commands sets",
		 commands);
	if (!lies_in(program, commands))
		return refuse(service, field, program, "is not in the directory of checks", hint,
			      err);
	if (stat(program, &status) < 0)
		return refuse(service, field, program, strerror(errno), hint, err);
	if (!S_ISREG(status.st_mode) || access(program, X_OK) < 0)
		return refuse(service, field, program, "is no program",
			      "make it executable: chmod 755", err);
	return 0;
}

int check_files(const struct check_spec *spec, const char *service, const char *commands,
		struct error *err)
{
	if (spec->kind == CHECK_HTTPS && (spec->ca || spec->cert))
		return check_tls_files(spec, service, err);
	if (spec->kind == CHECK_EXEC)
		return check_program(spec->command[0], "check-command", service, commands, err);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_files.h"

static char directory[] = "/tmp/check_files.XXXXXX";
static char certificate[64], key[64], other_key[64], garbage[64], program[64], none[64];

static void refused(const struct check_spec *spec, const char *field, const char *file,
		    const char *reason)
{
	struct error err = {0};
	char message[320];

	assert_int_equal(check_files(spec, "web", directory, &err), -EINVAL);
	snprintf(message, sizeof(message), "service web: %s: %s: %s", field, file, reason);
	assert_string_equal(err.message, message);
	assert_string_equal(err.field, field);
	assert_string_not_equal(err.hint, "");
}

static void taken(const struct check_spec *spec)
{
	struct error err = {0};

	if (check_files(spec, "web", directory, &err) != 0)
		fail_msg("refused: %s", err.message);
}

static void test_tls(void **state)
{
	struct check_spec spec = {.kind = CHECK_HTTPS};

	(void)state;
	taken(&spec);
	spec.ca = none;
	refused(&spec, "check-ca", none, "No such file or directory");
	spec.ca = directory;
	refused(&spec, "check-ca", directory, "has no certificate in it");
	spec.ca = garbage;
	refused(&spec, "check-ca", garbage, "has no certificate in it");
	spec.ca = certificate;
	taken(&spec);
	spec.cert = none;
	refused(&spec, "check-cert", none, "No such file or directory");
	spec.cert = garbage;
	refused(&spec, "check-cert", garbage, "has no certificate in it");
	spec.cert = certificate;
	refused(&spec, "check-cert", certificate, "has no key in it, or one with a passphrase");
	spec.key = none;
	refused(&spec, "check-key", none, "No such file or directory");
	spec.key = other_key;
	refused(&spec, "check-key", other_key, "is not the key of check-cert");
	spec.key = key;
	taken(&spec);
	spec.kind = CHECK_HTTP; /* nobody will look at them */
	spec.ca = none;
	taken(&spec);
}

static void test_program(void **state)
{
	static const char *const elsewhere[] = {"/bin/sh", "%s/../sh", "%s/sub/sh",
						"%s/",     "%s/..",    "%sx"};
	char path[96];
	char *command[] = {program, NULL};
	struct check_spec spec = {.kind = CHECK_EXEC, .command = command};

	(void)state;
	taken(&spec);
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		snprintf(path, sizeof(path), elsewhere[i], directory); /* NOLINT: literals */
		command[0] = path;
		refused(&spec, "check-command", path, "is not in the directory of checks");
	}
	command[0] = none;
	refused(&spec, "check-command", none, "No such file or directory");
	command[0] = garbage;
	refused(&spec, "check-command", garbage, "is no program");
	spec.kind = CHECK_TCP;
	taken(&spec);
}

static FILE *create(char *path, size_t size, const char *name)
{
	FILE *file;

	snprintf(path, size, "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	return file;
}

static void write_key(char *path, size_t size, const char *name, EVP_PKEY *pkey)
{
	FILE *file = create(path, size, name);

	PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

static int make_files(void **state)
{
	EVP_PKEY *own = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
	X509_set_pubkey(x509, own);
	assert_true(X509_sign(x509, own, EVP_sha256()) > 0);
	file = create(certificate, sizeof(certificate), "certificate");
	PEM_write_X509(file, x509);
	fclose(file);
	write_key(key, sizeof(key), "key", own);
	write_key(other_key, sizeof(other_key), "other-key", other);
	file = create(garbage, sizeof(garbage), "garbage");
	fputs("garbage\n", file);
	fclose(file);
	fclose(create(program, sizeof(program), "program"));
	assert_int_equal(chmod(program, 0755), 0);
	snprintf(none, sizeof(none), "%s/none", directory);
	X509_free(x509);
	EVP_PKEY_free(own);
	EVP_PKEY_free(other);
	return 0;
}

static int remove_files(void **state)
{
	const char *const files[] = {certificate, key, other_key, garbage, program};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}

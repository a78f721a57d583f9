/* SPDX-License-Identifier: Apache-2.0 */

/* HTTPS probes against a TLS server in a thread, with certificates made here; and what HTTP probes
 * may ask for and look at besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_fixture.h"

static char directory[] = "/tmp/probe_https.XXXXXX";
static char ca_file[64], other_ca_file[64], client_file[64], client_key[64];

/* --- certificates --- */

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int id, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* A certificate for name, or an authority if names is NULL; issuer NULL: signed by itself. */
static struct identity make_identity(const char *name, const char *names,
				     const struct identity *issuer, long days)
{
	struct identity made = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
	const struct identity *by = issuer ? issuer : &made;
	X509 *certificate = made.certificate;
	static long serial;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400L);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(by->certificate));
	X509_set_pubkey(certificate, made.key);
	add_extension(certificate, by->certificate, NID_basic_constraints,
		      names ? "CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_extension(certificate, by->certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(certificate, by->key, EVP_sha256()) > 0);
	return made;
}

static void free_identity(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

static void write_files(const struct identity *identity, const char *certificate, const char *key)
{
	FILE *file = fopen(certificate, "w");

	assert_non_null(file);
	PEM_write_X509(file, identity->certificate);
	fclose(file);
	if (!key)
		return;
	file = fopen(key, "w");
	assert_non_null(file);
	PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

/* --- the server: one connection after the other, in a thread --- */

static struct {
	pthread_t thread;
	int listener;
	struct endpoint endpoint;
	SSL_CTX *tls;
	char asked[64];     /* the name in the last client's hello */
	char peer[64];      /* whose certificate it showed */
	char request[1024]; /* what it sent */
	const char *answer;
	unsigned int resumed; /* sessions */
} server;

static void serve(SSL *session)
{
	char request[1024];
	X509 *peer;
	int length = SSL_read(session, request, sizeof(request) - 1);

	if (length <= 0)
		return;
	request[length] = '\0';
	memcpy(server.request, request, (size_t)length + 1);
	snprintf(server.asked, sizeof(server.asked), "%s",
		 SSL_get_servername(session, TLSEXT_NAMETYPE_host_name)
			 ? SSL_get_servername(session, TLSEXT_NAMETYPE_host_name)
			 : "");
	peer = SSL_get1_peer_certificate(session);
	server.peer[0] = '\0';
	if (peer)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, server.peer,
					  sizeof(server.peer));
	X509_free(peer);
	server.resumed += SSL_session_reused(session) != 0;
	SSL_write(session, server.answer, (int)strlen(server.answer));
	SSL_shutdown(session);
}

/* A reset, which unread bytes would cause, would overtake the alert that says why. */
static void wait_for_end(int fd)
{
	char bytes[1024];

	shutdown(fd, SHUT_WR);
	while (read(fd, bytes, sizeof(bytes)) > 0) {
	}
}

static void *run_server(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept(server.listener, NULL, NULL);
		SSL *session;

		if (fd < 0)
			return NULL;
		session = SSL_new(server.tls);
		SSL_set_fd(session, fd);
		if (SSL_accept(session) == 1)
			serve(session);
		else
			wait_for_end(fd);
		SSL_free(session);
		close(fd);
	}
}

static struct identity ca, other_ca;

/* Serves with a certificate for names (as in subjectAltName) of the authority. */
static void start_server(const struct identity *by, const char *names, long days, bool asks_client)
{
	struct identity own = make_identity("server", names, by, days);

	server.tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(server.tls, own.certificate);
	SSL_CTX_use_PrivateKey(server.tls, own.key);
	free_identity(&own);
	if (asks_client) {
		SSL_CTX_set_verify(server.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
		assert_int_equal(SSL_CTX_load_verify_file(server.tls, ca_file), 1);
	}
	server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";
	server.resumed = 0;
	server.listener = bound_port("127.0.0.1", SOCK_STREAM, &server.endpoint);
	assert_int_equal(listen(server.listener, 16), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, run_server, NULL), 0);
}

static void stop_server(void)
{
	if (!server.tls)
		return;
	shutdown(server.listener, SHUT_RDWR); /* ends accept() */
	pthread_join(server.thread, NULL);
	close(server.listener);
	SSL_CTX_free(server.tls);
	server.tls = NULL;
}

/* --- fixture --- */

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new();

	fixture->spec.kind = CHECK_HTTPS;
	fixture->spec.ca = ca_file;
	fixture->spec.sni = text("www.example.test");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	stop_server();
	return 0;
}

static void probe(struct fixture *fixture)
{
	probe_target(fixture, &server.endpoint);
}

/* --- tests --- */

static void test_verified_by_name(void **state)
{
	struct fixture *fixture = *state;
	char host[64];

	start_server(&ca, "DNS:www.example.test", 30, false);
	fixture->mark = 0x51;
	probe(fixture);
	expect_success(fixture);
	assert_string_equal(server.asked, "www.example.test");
	snprintf(host, sizeof(host), "\r\nHost: www.example.test:%u\r\n", server.endpoint.port);
	assert_non_null(strstr(server.request, host));
	assert_string_equal(server.peer, "");
	assert_int_equal(marked, 0x51);
	/* The name may be that of check-host, with a port or not. */
	end_prober(fixture);
	fixture->spec.sni = NULL;
	fixture->spec.host = text("www.example.test:8443");
	probe(fixture);
	expect_success(fixture);
	assert_string_equal(server.asked, "www.example.test");
	assert_non_null(strstr(server.request, "\r\nHost: www.example.test:8443\r\n"));
}

static void test_verified_by_address(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "IP:127.0.0.1", 30, false);
	fixture->spec.sni = NULL;
	probe(fixture);
	expect_success(fixture);
	assert_string_equal(server.asked, "");
}

static void test_wrong_name(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:other.example.test", 30, false);
	probe(fixture);
	expect_failure(fixture, "TLS: no alternative certificate subject name matches target host "
				"name 'www.example.test'");
}

static void test_expired(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", -1, false);
	probe(fixture);
	expect_failure(fixture, "TLS: certificate has expired");
}

static void test_other_authority(void **state)
{
	struct fixture *fixture = *state;

	start_server(&other_ca, "DNS:www.example.test", 30, false);
	probe(fixture);
	expect_failure(fixture, "TLS: unable to get local issuer certificate");
	end_prober(fixture);
	fixture->spec.ca = NULL; /* the system's knows neither */
	probe(fixture);
	expect_failure(fixture, "TLS: unable to get local issuer certificate");
	end_prober(fixture);
	fixture->spec.ca = other_ca_file;
	probe(fixture);
	expect_success(fixture);
}

static void test_insecure(void **state)
{
	struct fixture *fixture = *state;

	start_server(&other_ca, "DNS:other.example.test", -1, false);
	fixture->spec.insecure = true;
	probe(fixture);
	expect_success(fixture);
	assert_string_equal(server.asked, "www.example.test");
}

static void test_client_certificate(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", 30, true);
	probe(fixture);
	wait_results(fixture, 1);
	assert_false(fixture->results[0].success);
	if (!strstr(fixture->results[0].reason, "certificate required"))
		fail_msg("reason: %s", fixture->results[0].reason);
	end_prober(fixture);
	fixture->spec.cert = client_file;
	fixture->spec.key = client_key;
	probe(fixture);
	expect_success(fixture);
	assert_string_equal(server.peer, "prober");
}

/* Each probe sees the certificate: an older session must not vouch for it. */
static void test_no_resumption(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", 30, false);
	fixture->spec.interval_ms = 100;
	probe(fixture);
	wait_results(fixture, 4);
	assert_true(fixture->results[3].success);
	assert_int_equal(server.resumed, 0);
}

static void test_not_tls(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target;
	int listener = bound_port("127.0.0.1", SOCK_STREAM, &target);
	int client;

	assert_int_equal(listen(listener, 1), 0);
	probe_target(fixture, &target);
	for (int i = 0; i < 5; i++)
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	client = accept(listener, NULL, NULL);
	assert_true(write(client, "220 mail.example.test ESMTP\r\n", 29) == 29);
	expect_failure(fixture, "TLS: wrong version number");
	close(client);
	close(listener);
}

static void test_files_that_vanish(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", 30, false);
	fixture->spec.ca = text("/none/ca.pem");
	probe(fixture);
	expect_failure(fixture, "check-ca /none/ca.pem: No such file or directory");
	end_prober(fixture);
	fixture->spec.insecure = true;
	fixture->spec.cert = text("/none/cert.pem");
	probe(fixture);
	expect_failure(fixture, "check-cert /none/cert.pem: No such file or directory");
}

static void test_methods_and_headers(void **state)
{
	static const char *const words[] = {"GET ", "HEAD ", "OPTIONS ", "POST "};
	char *headers[] = {text("X-Probe: sluice"), text("Accept: text/plain"), NULL};
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", 30, false);
	fixture->spec.headers = headers;
	fixture->spec.path = text("/health");
	for (int method = 0; method < CHECK_METHODS; method++) {
		fixture->spec.method = (enum check_method)method;
		probe(fixture);
		expect_success(fixture);
		assert_ptr_equal(strstr(server.request, words[method]), server.request);
		assert_non_null(strstr(server.request, " /health HTTP/1.1\r\n"));
		assert_non_null(strstr(server.request, "\r\nX-Probe: sluice\r\n"));
		assert_non_null(strstr(server.request, "\r\nAccept: text/plain\r\n"));
		assert_true(!strstr(server.request, "Content-Length: 0") ==
			    (method != METHOD_POST));
		end_prober(fixture);
	}
}

static void test_body(void **state)
{
	struct fixture *fixture = *state;

	start_server(&ca, "DNS:www.example.test", 30, false);
	fixture->spec.body = text("^(ready|ok)$");
	probe(fixture);
	expect_success(fixture);
	end_prober(fixture);
	fixture->spec.body = text("^not ready$");
	probe(fixture);
	expect_failure(fixture, "HTTP body does not match ^not ready$");
}

/* Of a longer body the first 64 KiB are looked at, whatever bytes are in them. */
static void test_long_body(void **state)
{
	struct fixture *fixture = *state;
	static char answer[200000];

	start_server(&ca, "DNS:www.example.test", 30, false);
	memset(answer, '.', sizeof(answer) - 1);
	memcpy(answer, "HTTP/1.1 200 OK\r\n\r\nBEGIN", 24);
	memcpy(answer + 19 + 65536 - 3, "ENDLATE", 7);
	server.answer = answer;
	fixture->spec.body = text("BEGIN.*END");
	probe(fixture);
	expect_success(fixture);
	end_prober(fixture);
	fixture->spec.body = text("LATE");
	probe(fixture);
	expect_failure(fixture, "HTTP body does not match LATE");
}

static int make_files(void **state)
{
	struct identity client;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(directory));
	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", directory);
	snprintf(other_ca_file, sizeof(other_ca_file), "%s/other.pem", directory);
	snprintf(client_file, sizeof(client_file), "%s/client.pem", directory);
	snprintf(client_key, sizeof(client_key), "%s/client.key", directory);
	ca = make_identity("a test's authority", NULL, NULL, 30);
	other_ca = make_identity("another authority", NULL, NULL, 30);
	client = make_identity("prober", "DNS:prober", &ca, 30);
	write_files(&ca, ca_file, NULL);
	write_files(&other_ca, other_ca_file, NULL);
	write_files(&client, client_file, client_key);
	free_identity(&client);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	unlink(ca_file);
	unlink(other_ca_file);
	unlink(client_file);
	unlink(client_key);
	free_identity(&ca);
	free_identity(&other_ca);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_verified_by_name),
		TEST(test_verified_by_address),
		TEST(test_wrong_name),
		TEST(test_expired),
		TEST(test_other_authority),
		TEST(test_insecure),
		TEST(test_client_certificate),
		TEST(test_no_resumption),
		TEST(test_not_tls),
		TEST(test_files_that_vanish),
		TEST(test_methods_and_headers),
		TEST(test_body),
		TEST(test_long_body),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}

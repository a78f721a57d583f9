/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any answers of those that are asked: backends, by HTTP, DNS and UDP, Prometheus, etcd and what
 * others have put there, and the agent, whose captures lbctl reads. The first byte says whose it
 * is. HTTP comes over a socket of loopback, in a network namespace of its own; the rest is what
 * stands in exactly as many bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "autoscale_source.h"
#include "dns_message.h"
#include "etcd_json.h"
#include "fuzz.h"
#include "pcapng.h"
#include "probe.h"
#include "rollout.h"

#define TURNS_MAX 1000

enum { OF_HTTP, OF_DNS, OF_UDP, OF_PROMETHEUS, OF_CAPTURE, OF_ETCD, OF_FLEET, KINDS };

/* --- HTTP --- */

static struct {
	uv_loop_t loop;
	struct probe_engine *engine;
	struct check_run *checks[4];
	struct endpoint endpoint;
	int listener;
	bool told;
} http;

static void start_loopback(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct sockaddr_in any = {.sin_family = AF_INET};
	socklen_t length = sizeof(any);
	struct error err;
	int fd;

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(unshare(CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(ioctl(fd, SIOCSIFFLAGS, &loopback) == 0);
	must(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 16) == 0);
	must(getsockname(fd, (struct sockaddr *)&any, &length) == 0);
	must(parse_address("127.0.0.1", &http.endpoint.address, &err) == 0);
	http.endpoint.port = ntohs(any.sin_port);
	http.listener = fd;
}

static struct check_run *make_check(enum check_method method, const char *body)
{
	struct check_spec spec;
	struct check_run *check;

	check_spec_init(&spec);
	spec.kind = CHECK_HTTP;
	spec.method = method;
	if (body)
		must((spec.body = strdup(body)));
	check = check_run_new(&spec, "web");
	must(check);
	check_spec_clear(&spec);
	return check;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	start_loopback();
	must(uv_loop_init(&http.loop) == 0);
	http.engine = probe_engine_new(&http.loop);
	must(http.engine);
	http.checks[0] = make_check(METHOD_GET, NULL);
	http.checks[1] = make_check(METHOD_HEAD, NULL);
	http.checks[2] = make_check(METHOD_GET, "^(ok|fine)*$");
	http.checks[3] = make_check(METHOD_POST, "[[:digit:]]+");
	return 0;
}

static void on_result(void *context, const struct probe_result *result)
{
	(void)context;
	must(memchr(result->reason, 0, sizeof(result->reason)));
	must(result->success == (result->reason[0] == '\0'));
	http.told = true;
}

static int wait_client(void)
{
	int fd = -1, left = TURNS_MAX;

	while (fd < 0 && left-- > 0) {
		uv_run(&http.loop, UV_RUN_NOWAIT);
		fd = accept4(http.listener, NULL, NULL, SOCK_CLOEXEC);
	}
	must(fd >= 0);
	return fd;
}

static void answer_http(uint8_t how, const uint8_t *bytes, size_t size)
{
	/* Without a trace: the ports would be used up. */
	const struct linger at_once = {.l_onoff = 1};
	const struct probe_target target = {.endpoint = http.endpoint};
	struct prober *prober;
	int fd, left = TURNS_MAX;

	http.told = false;
	prober = prober_new(http.engine, http.checks[how % 4], &target, on_result, NULL);
	must(prober);
	fd = wait_client();
	must(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
	must(shutdown(fd, SHUT_WR) == 0);
	while (!http.told && left-- > 0)
		uv_run(&http.loop, UV_RUN_ONCE);
	must(http.told);
	prober_free(prober);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* --- the others --- */

static void answer_dns(uint8_t how, const uint8_t *bytes, size_t size)
{
	static const enum dns_type types[] = {DNS_A,   DNS_AAAA, DNS_CNAME, DNS_MX,
					      DNS_TXT, DNS_NS,   DNS_PTR,   DNS_SOA};
	static const char *const wanted[] = {NULL, "198.18.0.1", "2001:db8::1", "www.example.org"};
	uint8_t question[DNS_QUESTION_MAX];
	struct dns_reply reply;
	struct error err;
	size_t length;
	int r;

	must(dns_question_write("example.org", types[how % 8], question, &length, &err) == 0);
	r = dns_reply_read(bytes, size, question, length, wanted[how / 8 % 4], &reply);
	must(r == 0 || r == -ENOMSG || r == -EBADMSG);
	if (r == 0)
		must(memchr(reply.first, 0, sizeof(reply.first)));
}

static void answer_udp(const uint8_t *bytes, size_t size)
{
	char text[BYTES_TEXT_MAX];

	format_bytes(bytes, size, text);
	must(memchr(text, 0, sizeof(text)));
}

static void answer_prometheus(char *bytes, size_t size)
{
	struct error err = {0};
	double value = 0;

	bytes[size] = '\0';
	if (scale_query_value(bytes, size, &value, &err) < 0)
		must(err.message[0]);
}

static void answer_capture(const uint8_t *bytes, size_t size)
{
	struct pcapng_block block;
	int64_t length;

	while ((length = pcapng_block_length(bytes, size)) > 0 && (size_t)length <= size) {
		pcapng_block_read(bytes, (size_t)length, &block);
		bytes += length;
		size -= (size_t)length;
	}
}

static void answer_etcd(uint8_t how, const char *bytes, size_t size)
{
	static int (*const readers[])(const char *text, size_t length,
				      struct etcd_answer *ret_answer, struct error *err) = {
		etcd_read_get, etcd_read_commit, etcd_read_watch, etcd_read_grant, etcd_read_kept};
	struct etcd_answer answer = {0};
	struct error err = {0};
	char *token = NULL;

	if (how % 6 == 5) {
		must((etcd_read_login(bytes, size, &token, &err) == 0) == !err.message[0]);
		free(token);
		etcd_read_refusal(bytes, size, &err);
		must(err.message[0]);
		return;
	}
	must((readers[how % 6](bytes, size, &answer, &err) == 0) == !err.message[0]);
	for (size_t i = 0; i < answer.count; i++)
		must(etcd_answer_find(&answer, answer.kvs[i].key));
	etcd_answer_clear(&answer);
}

/* What is read is written, and read again, the same. */
static void answer_rollout(const char *bytes, size_t size)
{
	struct rollout *rollout = NULL, *again = NULL;
	char *text, *same;
	struct error err;

	if (rollout_read(bytes, size, &rollout, &err) < 0)
		return;
	must(rollout->step < rollout->share_count);
	text = rollout_write(rollout);
	must(text && rollout_read(text, strlen(text), &again, &err) == 0);
	same = rollout_write(again);
	must(same && strcmp(text, same) == 0);
	free(text);
	free(same);
	rollout_free(rollout);
	rollout_free(again);
}

static void answer_balancer(const char *bytes, size_t size)
{
	struct balancer balancer, again;
	struct error err;
	char *text;

	if (balancer_read("lb1", bytes, size, &balancer, &err) < 0)
		return;
	text = balancer_write(&balancer);
	must(text && balancer_read("lb1", text, strlen(text), &again, &err) == 0);
	must(again.state == balancer.state && strcmp(again.rollout, balancer.rollout) == 0);
	free(text);
}

static void answer_fleet(uint8_t how, const char *bytes, size_t size)
{
	struct rollout_end end;

	if (how % 3 == 0) {
		answer_rollout(bytes, size);
	} else if (how % 3 == 1) {
		answer_balancer(bytes, size);
	} else {
		end = rollout_end_read(bytes, size);
		must(memchr(end.reason, 0, sizeof(end.reason)));
	}
}

/* Of exactly as many bytes, so that none behind them is read unnoticed. */
static void answer(uint8_t kind, uint8_t how, const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + (kind == OF_PROMETHEUS));

	must(bytes || size == 0);
	if (size)
		memcpy(bytes, data, size);
	if (kind == OF_HTTP)
		answer_http(how, bytes, size);
	else if (kind == OF_DNS)
		answer_dns(how, bytes, size);
	else if (kind == OF_UDP)
		answer_udp(bytes, size);
	else if (kind == OF_PROMETHEUS)
		answer_prometheus((char *)bytes, size);
	else if (kind == OF_ETCD)
		answer_etcd(how, (const char *)bytes, size);
	else if (kind == OF_FLEET)
		answer_fleet(how, (const char *)bytes, size);
	else
		answer_capture(bytes, size);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 2)
		answer(data[0] % KINDS, data[1], data + 2, size - 2);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Probes by datagrams, each from a connected socket of its own, so that only the backend can
 * answer, and ICMP errors come back as errors of the socket.
 *
 * udp sends the payload, or an empty datagram. It succeeds with a reply that begins as expected, or
 * with any reply where nothing is expected. With neither payload nor expectation nobody can be
 * bound to reply: then only an ICMP error is a failure, and silence until the timeout is none.
 *
 * dns sends one question and succeeds with a reply of NOERROR that answers it. Datagrams that are
 * no reply to it are passed over, as resolvers do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_kind.h"

/* Longer than what is looked at: 1024 bytes of a reply, 512 of a DNS message without EDNS. */
#define DATAGRAM_MAX  4096
/* Read in one turn of the loop. */
#define DATAGRAMS_MAX 16

struct udp_probe {
	uv_poll_t poll;
	int fd;
	struct prober *prober;
	uint8_t id[2]; /* dns: of the question */
};

enum verdict { PASS, FAIL, NOT_OURS };

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void udp_probe_free(struct udp_probe *probe)
{
	uv_close((uv_handle_t *)&probe->poll, on_closed);
	close(probe->fd);
}

/* --- what comes --- */

static enum verdict judge_udp(const struct check_run *check, const uint8_t *bytes, size_t length,
			      char reason[PROBE_REASON_MAX])
{
	char text[BYTES_TEXT_MAX];

	if (length >= check->expect_length &&
	    (!check->expect || memcmp(bytes, check->expect, check->expect_length) == 0))
		return PASS;
	snprintf(reason, PROBE_REASON_MAX, "unexpected reply: \"%s\"",
		 format_bytes(bytes, length, text));
	return FAIL;
}

static enum verdict judge_answers(const struct check_spec *spec, const struct dns_reply *reply,
				  char reason[PROBE_REASON_MAX])
{
	const char *type = dns_type_words[spec->dns_type];
	const char *code = dns_code_name(reply->code);

	if (reply->code && code)
		snprintf(reason, PROBE_REASON_MAX, "DNS: %s for %.96s", code, spec->name);
	else if (reply->code)
		snprintf(reason, PROBE_REASON_MAX, "DNS: error %u for %.96s", reply->code,
			 spec->name);
	else if (reply->wanted || (!spec->expect && (reply->answers > 0 || reply->truncated)))
		return PASS;
	else if (reply->answers == 0)
		snprintf(reason, PROBE_REASON_MAX, "DNS: no %s record for %.96s", type, spec->name);
	else
		snprintf(reason, PROBE_REASON_MAX, "DNS: %s of %.40s is %.40s, wanted %.40s", type,
			 spec->name, reply->first, spec->expect);
	return FAIL;
}

static enum verdict judge_dns(const struct udp_probe *probe, const uint8_t *bytes, size_t length,
			      char reason[PROBE_REASON_MAX])
{
	const struct check_run *check = prober_check(probe->prober);
	uint8_t question[DNS_QUESTION_MAX];
	struct dns_reply reply;
	int r;

	memcpy(question, check->payload, check->payload_length);
	memcpy(question, probe->id, sizeof(probe->id));
	r = dns_reply_read(bytes, length, question, check->payload_length, check->spec.expect,
			   &reply);
	if (r == -ENOMSG)
		return NOT_OURS;
	if (r == 0)
		return judge_answers(&check->spec, &reply, reason);
	snprintf(reason, PROBE_REASON_MAX, "DNS: the reply cannot be read");
	return FAIL;
}

static enum verdict judge_error(int error, char reason[PROBE_REASON_MAX])
{
	if (error == EAGAIN || error == EINTR)
		return NOT_OURS;
	snprintf(reason, PROBE_REASON_MAX, "UDP: %s",
		 error == ECONNREFUSED ? "port unreachable" : strerror(error));
	return FAIL;
}

/* libuv takes a waiting error of the socket for a bad descriptor and tells only that; recv() tells
 * what it is. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct udp_probe *probe = poll->data;
	struct prober *prober = probe->prober;
	const struct check_run *check = prober_check(prober);
	char reason[PROBE_REASON_MAX] = "";
	uint8_t bytes[DATAGRAM_MAX];
	enum verdict verdict = NOT_OURS;
	ssize_t length = 0;

	(void)status;
	(void)events;
	for (int i = 0; i < DATAGRAMS_MAX && verdict == NOT_OURS && length >= 0; i++) {
		length = recv(probe->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (length < 0)
			verdict = judge_error(errno, reason);
		else if (check->spec.kind == CHECK_DNS)
			verdict = judge_dns(probe, bytes, (size_t)length, reason);
		else
			verdict = judge_udp(check, bytes, (size_t)length, reason);
	}
	if (verdict == NOT_OURS) {
		uv_poll_start(poll, UV_READABLE,
			      on_poll); /* it has stopped if there was an error */
		return;
	}
	udp_probe_free(probe);
	probe_done(prober, verdict == PASS, reason);
}

/* --- what is sent --- */

static int connect_socket(const struct prober *prober)
{
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(prober_target(prober), &addr);
	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = probe_socket_prepare(prober, fd);
	if (r == 0 && connect(fd, (struct sockaddr *)&addr, length) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int send_payload(struct udp_probe *probe)
{
	const struct check_run *check = prober_check(probe->prober);
	struct iovec parts[] = {
		{.iov_base = NULL, .iov_len = 0},
		{.iov_base = check->payload, .iov_len = check->payload_length},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (check->spec.kind == CHECK_DNS) {
		if (getrandom(probe->id, sizeof(probe->id), GRND_NONBLOCK) < 0)
			return -errno;
		parts[0] = (struct iovec){.iov_base = probe->id, .iov_len = sizeof(probe->id)};
		parts[1].iov_base = check->payload + sizeof(probe->id);
		parts[1].iov_len -= sizeof(probe->id);
	}
	return sendmsg(probe->fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct udp_probe *probe = calloc(1, sizeof(*probe));
	int r = probe ? connect_socket(prober) : -ENOMEM;

	if (r < 0)
		goto fail;
	probe->prober = prober;
	probe->poll.data = probe;
	probe->fd = r;
	r = uv_poll_init(prober_loop(prober), &probe->poll, probe->fd);
	if (r < 0) {
		close(probe->fd);
		goto fail;
	}
	r = send_payload(probe);
	if (r == 0)
		r = uv_poll_start(&probe->poll, UV_READABLE, on_poll);
	if (r == 0)
		return probe;
	udp_probe_free(probe);
	probe = NULL;
fail:
	free(probe);
	snprintf(reason, PROBE_REASON_MAX, "UDP: %s", strerror(-r));
	return NULL;
}

static void cancel(void *object)
{
	udp_probe_free(object);
}

static bool passes_unanswered(const struct check_run *check)
{
	return check->spec.kind == CHECK_UDP && !check->payload && !check->expect;
}

const struct probe_ops probe_udp_ops = {
	.start = start,
	.cancel = cancel,
	.passes_unanswered = passes_unanswered,
};

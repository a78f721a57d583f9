/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Probes by datagrams, each from a connected socket and a port of its own, so that only the backend
 * can answer, and only this probe, and ICMP errors come back as errors of the socket.
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

#include "probe_sockets.h"

/* Longer than what is looked at: 1024 bytes of a reply, 512 of a DNS message without EDNS. */
#define DATAGRAM_MAX  4096
/* Read in one turn of the loop. */
#define DATAGRAMS_MAX 16

struct udp_probe {
	struct prober *prober;
	struct probe_socket *socket;
	uint8_t id[2]; /* dns: of the question */
};

enum verdict { PASS, FAIL, NOT_OURS };

static void udp_probe_free(struct udp_probe *probe)
{
	probe_socket_release(probe->socket);
	free(probe);
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

static void on_event(void *context, uint32_t events)
{
	struct udp_probe *probe = context;
	struct prober *prober = probe->prober;
	const struct check_run *check = prober_check(prober);
	int fd = probe_socket_fd(probe->socket);
	char reason[PROBE_REASON_MAX] = "";
	uint8_t bytes[DATAGRAM_MAX];
	enum verdict verdict = NOT_OURS;
	ssize_t length = 0;

	(void)events;
	for (int i = 0; i < DATAGRAMS_MAX && verdict == NOT_OURS && length >= 0; i++) {
		length = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (length < 0)
			verdict = judge_error(errno, reason);
		else if (check->spec.kind == CHECK_DNS)
			verdict = judge_dns(probe, bytes, (size_t)length, reason);
		else
			verdict = judge_udp(check, bytes, (size_t)length, reason);
	}
	if (verdict != NOT_OURS) {
		udp_probe_free(probe);
		probe_done(prober, verdict == PASS, reason);
	} else if (length >= 0) {
		probe_socket_again(probe->socket);
	}
}

/* --- what is sent --- */

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
	return sendmsg(probe_socket_fd(probe->socket), &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct udp_probe *probe = calloc(1, sizeof(*probe));
	int r = -ENOMEM;

	if (!probe)
		goto fail;
	probe->prober = prober;
	r = probe_socket_open(prober, SOCK_DGRAM, on_event, probe, &probe->socket);
	if (r < 0)
		goto fail;
	r = send_payload(probe);
	if (r == 0)
		return probe;
	probe_socket_release(probe->socket);
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
	.free_shared = probe_sockets_free,
};

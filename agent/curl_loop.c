/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_loop.h"

#include <errno.h>
#include <stdlib.h>

struct curl_loop {
	uv_loop_t *loop;
	uv_timer_t timer; /* the one timeout that libcurl asks for */
	CURLM *multi;
};

/* One file descriptor that libcurl wants to be watched. */
struct curl_socket {
	uv_poll_t poll;
	struct curl_loop *curl;
	curl_socket_t fd;
};

/* What CURLOPT_PRIVATE of a running transfer points to. */
struct transfer {
	curl_loop_callback callback;
	void *context;
};

static void detach(struct curl_loop *curl, CURL *easy, struct transfer *ret_transfer)
{
	struct transfer *transfer = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	*ret_transfer = *transfer;
	free(transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
	curl_multi_remove_handle(curl->multi, easy);
}

/* A callback may add and remove transfers: libcurl's list of messages is read anew each time. */
static void report_ended(struct curl_loop *curl)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(curl->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		/* message is gone once the handle has been removed. */
		CURL *easy = message->easy_handle;
		CURLcode result = message->data.result;
		struct transfer transfer;
		detach(curl, easy, &transfer);
		transfer.callback(transfer.context, easy, result);
	}
}

static void act(struct curl_loop *curl, curl_socket_t fd, int flags)
{
	int running;

	curl_multi_socket_action(curl->multi, fd, flags, &running);
	report_ended(curl);
}

static void on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	const struct curl_socket *socket = poll->data;
	int flags = 0;

	if (status < 0)
		flags |= CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(socket->curl, socket->fd, flags);
}

static void on_socket_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static struct curl_socket *socket_new(struct curl_loop *curl, curl_socket_t fd)
{
	struct curl_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	if (uv_poll_init_socket(curl->loop, &socket->poll, fd) < 0) {
		free(socket);
		return NULL;
	}
	socket->poll.data = socket;
	socket->curl = curl;
	socket->fd = fd;
	curl_multi_assign(curl->multi, fd, socket);
	return socket;
}

/*
 * A socket that cannot be watched for want of memory fails by its transfer's timeout. (To return
 * -1 here would end all transfers of the CURLM for good.)
 */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
	struct curl_loop *curl = context;
	struct curl_socket *socket = assigned;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		/* uv_close() stops watching at once; libcurl may close fd right after this. */
		if (socket)
			uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
		return 0;
	}
	if (!socket && !(socket = socket_new(curl, fd)))
		return 0;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	uv_poll_start(&socket->poll, events, on_poll);
	return 0;
}

/* libcurl must not be entered again from here, so "at once" also goes by the timer. */
static int on_curl_timeout(CURLM *multi, long timeout_ms, void *context)
{
	struct curl_loop *curl = context;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&curl->timer);
	else
		uv_timer_start(&curl->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

struct curl_loop *curl_loop_new(uv_loop_t *loop)
{
	struct curl_loop *curl = calloc(1, sizeof(*curl));

	if (!curl)
		return NULL;
	/* Counted by libcurl: one curl_global_cleanup() for each. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(curl);
		return NULL;
	}
	curl->multi = curl_multi_init();
	if (!curl->multi) {
		curl_global_cleanup();
		free(curl);
		return NULL;
	}
	curl->loop = loop;
	uv_timer_init(loop, &curl->timer);
	curl->timer.data = curl;
	curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
	curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
	curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
	return curl;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void curl_loop_free(struct curl_loop *curl)
{
	if (!curl)
		return;
	/* May still call on_curl_socket and on_curl_timeout for connections in its cache. */
	curl_multi_cleanup(curl->multi);
	curl_global_cleanup();
	uv_close((uv_handle_t *)&curl->timer, on_timer_closed);
}

int curl_loop_add(struct curl_loop *curl, CURL *easy, curl_loop_callback callback, void *context)
{
	struct transfer *transfer = malloc(sizeof(*transfer));

	if (!transfer)
		return -ENOMEM;
	*transfer = (struct transfer){.callback = callback, .context = context};
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	/* A transfer that ends while its name is looked up would wait, and the loop with it, for
	 * the resolver's thread: as long as no name server answers. That thread frees what it has.
	 */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	if (curl_multi_add_handle(curl->multi, easy)) {
		curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
		free(transfer);
		return -ENOMEM;
	}
	return 0;
}

void curl_loop_remove(struct curl_loop *curl, CURL *easy)
{
	struct transfer unused;

	detach(curl, easy, &unused);
}

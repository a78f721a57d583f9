/* SPDX-License-Identifier: Apache-2.0 */
#include "doors.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "listen.h"
#include "log.h"

static bool is_loopback(const struct address *address)
{
	if (address_is_ipv4(address))
		return address->ip.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&address->ip);
}

static void say_certificate(const struct tls *tls)
{
	time_t expires = (time_t)tls_expires(tls);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&expires, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (expires <= time(NULL))
		log_warn("the TLS certificate is not valid any more", "since", text, "consequence",
			 "clients that check it refuse to connect");
	else
		log_info("TLS certificate read", "valid-until", text);
}

static int read_secrets(struct doors *doors, struct error *err)
{
	const struct options *options = doors->options;
	int ret = 0;

	if (options->token_file[0])
		ret = tokens_new(options->token_file, &doors->tokens, err);
	if (ret == 0 && options->tls_cert[0])
		ret = tls_new(options->tls_cert, options->tls_key, &doors->tls, err);
	if (ret)
		return ret;
	if (doors->tls)
		say_certificate(doors->tls);
	else if (doors->tokens && !is_loopback(&options->listen.address))
		log_warn("tokens cross the network in clear text", "reason",
			 "--listen is not a loopback address and there is no TLS", "hint",
			 "give --tls-cert FILE --tls-key FILE");
	return 0;
}

static int open_local(struct doors *doors, uv_loop_t *loop, http_handler handler, void *context,
		      struct error *err)
{
	const struct options *options = doors->options;
	int fd = -1;
	int ret = listen_unix(options->socket, options->socket_group, &fd, err);

	if (ret)
		return ret;
	doors->local.local = true;
	return http_server_new(loop, fd,
			       &(struct http_options){.door = &doors->local,
						      .handler = handler,
						      .context = context},
			       &doors->local_server, err);
}

static int open_remote(struct doors *doors, uv_loop_t *loop, http_handler handler, void *context,
		       struct error *err)
{
	int fd = -1;
	int ret = read_secrets(doors, err);

	if (ret == 0)
		ret = listen_tcp(&doors->options->listen, &fd, err);
	if (ret)
		return ret;
	doors->remote.tokens = doors->tokens;
	return http_server_new(loop, fd,
			       &(struct http_options){.door = &doors->remote,
						      .tls = doors->tls,
						      .handler = handler,
						      .context = context},
			       &doors->remote_server, err);
}

int doors_open(struct doors *doors, uv_loop_t *loop, const struct options *options,
	       http_handler handler, void *context, struct error *err)
{
	int ret;

	doors->options = options;
	ret = open_local(doors, loop, handler, context, err);
	if (ret || options->listen.port == 0)
		return ret;
	return open_remote(doors, loop, handler, context, err);
}

void doors_reload(struct doors *doors)
{
	struct error err;

	door_refresh(&doors->remote);
	if (!doors->tls)
		return;
	if (tls_reload(doors->tls, &err) == 0)
		say_certificate(doors->tls);
	else
		log_error("the former TLS certificate stays", "error", err.message, "hint",
			  err.hint);
}

void doors_close(struct doors *doors)
{
	http_server_free(doors->local_server);
	http_server_free(doors->remote_server);
}

void doors_free(struct doors *doors)
{
	if (doors->local_server)
		unlink(doors->options->socket);
	tokens_free(doors->tokens);
	tls_free(doors->tls);
	*doors = (struct doors){0};
}

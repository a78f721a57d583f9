/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOORS_H
#define SLUICE_DOORS_H

/* The API's two doors: the Unix socket, and the TCP listener with its tokens and certificate. */
#include <uv.h>

#include "door.h"
#include "http.h"
#include "options.h"
#include "tls.h"
#include "tokens.h"

/* Begins as zero. */
struct doors {
	const struct options *options;
	struct door local, remote;
	struct tokens *tokens; /* NULL: none asked for */
	struct tls *tls;       /* likewise */
	struct http_server *local_server, *remote_server;
};

/* Opens what options ask for; handler answers at both. options, loop and context must outlive
 * doors. On failure some may be open: close and free in any case. */
int doors_open(struct doors *doors, uv_loop_t *loop, const struct options *options,
	       http_handler handler, void *context, struct error *err);

/* Reads tokens and certificate again, and logs what came of it. */
void doors_reload(struct doors *doors);

/* Closes all connections; the loop must run once more before doors_free(). */
void doors_close(struct doors *doors);
void doors_free(struct doors *doors);

#endif

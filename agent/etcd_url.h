/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETCD_URL_H
#define SLUICE_ETCD_URL_H

/* Where a fleet's etcd is: etcd://HOST:PORT[,HOST:PORT...]/PREFIX, or etcds:// for TLS. Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define ETCD_ENDPOINTS_MAX 8
#define ETCD_ENDPOINT_MAX  280 /* a host name is at most 253 bytes long */
#define ETCD_PREFIX_MAX    200
#define ETCD_PORT_DEFAULT  2379

struct etcd_url {
	bool tls;
	char endpoints[ETCD_ENDPOINTS_MAX][ETCD_ENDPOINT_MAX]; /* "https://HOST:PORT" */
	size_t endpoint_count;
	char prefix[ETCD_PREFIX_MAX + 1]; /* "/PREFIX", without a slash at its end */
};

/* HOST is a name, an IPv4 address, or an IPv6 address in brackets; without a port it is 2379.
 * Whatever is wrong is -EINVAL, and *ret_url as it was. */
int etcd_url_parse(const char *text, struct etcd_url *ret_url, struct error *err);

#endif

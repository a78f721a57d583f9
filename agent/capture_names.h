/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CAPTURE_NAMES_H
#define SLUICE_CAPTURE_NAMES_H

/* What the indices in captured packets are called. Pure. */
#include "abi.h"
#include "dataplane.h"
#include "desired.h"

struct capture_names;

/* Room for the names of any desired state within the sizes. NULL: out of memory. */
struct capture_names *capture_names_new(const struct dataplane_sizes *sizes);
void capture_names_free(struct capture_names *names);

/* The names are those of desired from now on, which must stay until the next call. Costs nothing
 * where it is that of the call before. */
void capture_names_follow(struct capture_names *names, const struct desired *desired);

/* Of what a packet came to; NULL where it came to none, or where that is no more. */
const struct service_spec *capture_service(const struct capture_names *names,
					   const struct lb_capture_head *head);
const struct vip_spec *capture_vip(const struct capture_names *names,
				   const struct lb_capture_head *head);
const struct backend_spec *capture_backend(const struct capture_names *names,
					   const struct lb_capture_head *head);

/*
 * "verdict=forward service=web vip=tcp://198.18.0.10:80 backend=198.18.1.11:80", and of a drop
 * "verdict=drop reason=ttl service=web ...: TTL or hop limit would ...".
 */
#define CAPTURE_COMMENT_MAX 400
const char *capture_comment(const struct capture_names *names, const struct lb_capture_head *head,
			    char buffer[CAPTURE_COMMENT_MAX]);

#endif

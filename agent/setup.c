/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include <string.h>

#include "config.h"
#include "json.h"
#include "ports.h"
#include "rtnl.h"
#include "seed_file.h"
#include "sync.h"

int setup_accept_state(void *context, const char *text, size_t length, struct error *err)
{
	struct desired **desired = context;
	cJSON *json = NULL;
	int ret = json_parse(text, length, &json, err);

	if (ret == 0)
		ret = config_read_state(json, desired, err);
	cJSON_Delete(json);
	return ret;
}

static void on_link(void *context, const struct rtnl_event *event)
{
	if (event->kind == RTNL_LINK)
		links_put(context, &event->link); /* one lost is one not attached; that is said */
}

/* The longest MTU that packets may come in with: the program is loaded for it. */
static int read_mtu(const struct options *options, uint32_t *ret_mtu, struct error *err)
{
	struct links links = {0};
	struct rtnl *rtnl = NULL;
	int ret = rtnl_open(&rtnl);

	if (ret == 0)
		ret = rtnl_dump_links(rtnl, on_link, &links);
	if (ret)
		ret = error_set(err, -ret, "interfaces: rtnetlink: %s", strerror(-ret));
	else
		*ret_mtu = ports_mtu(options->interfaces, options->interface_count, &links);
	rtnl_close(rtnl);
	links_clear(&links);
	return ret;
}

static struct dataplane_prefix dataplane_prefix_of(const struct prefix *prefix)
{
	return (struct dataplane_prefix){
		.addr = lb_addr_of(&prefix->address),
		.host_bits = (uint8_t)(address_bits(&prefix->address) - prefix->length),
	};
}

int setup_seed(const struct options *options, uint64_t *seed, struct error *err)
{
	return options->seed_file[0] ? seed_file_read(options->seed_file, seed, err) : 0;
}

int setup_dataplane(const struct options *options, uint64_t seed,
		    struct dataplane_bpf_config *ret_config, struct error *err)
{
	*ret_config = (struct dataplane_bpf_config){
		.bpffs = options->bpffs,
		.sizes = options->sizes,
		.seed = seed,
		.nat_port_low = options->nat_port_low,
		.nat_port_high = options->nat_port_high,
		.tunnel_sources = {dataplane_prefix_of(&options->tunnel_sources[0]),
				   dataplane_prefix_of(&options->tunnel_sources[1])},
		.icmp_per_second = options->icmp_per_second,
		.handshake_sample = options->handshake_sample,
		.cookies = options->cookie_key_file[0] != '\0',
		.ipv4_checksums = options->drop_bad_checksums,
		.mode = options->xdp_mode,
		.verifier_log = options->verifier_log[0] ? options->verifier_log : NULL,
	};
	return read_mtu(options, &ret_config->mtu, err);
}

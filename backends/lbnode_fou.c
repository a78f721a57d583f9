/* SPDX-License-Identifier: Apache-2.0 */
/* UDP ports that the kernel takes GUE packets by (Linux, fou.c): both variants; what is inside
 * goes to the devices of lbnode_device.c. */
#include <errno.h>
#include <linux/fou.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lbnode_kinds.h"
#include "lbnode_netlink.h"

/* --- the generic netlink family, which has a number only since it was loaded --- */

static int read_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	uint16_t *family = context;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*family = mnl_attr_get_u16(attr);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *genl_request(void *buffer, uint16_t type, uint16_t flags, uint8_t command)
{
	struct nlmsghdr *request = netlink_request(buffer, type, flags);
	struct genlmsghdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->cmd = command;
	body->version = 1;
	return request;
}

/* Returns the family's number or a negative errno; -ENOENT: the kernel does not have it. */
static int fou_family(void)
{
	char buffer[256];
	struct nlmsghdr *request =
		genl_request(buffer, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;
	int r;

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, FOU_GENL_NAME);
	r = netlink_talk(NETLINK_GENERIC, request, read_family, &family);
	return r < 0 ? r : family;
}

/* --- the step --- */

static uint8_t family_of(const struct step *step)
{
	return strcmp(step->name, "ipv4") == 0 ? AF_INET : AF_INET6;
}

struct search {
	const struct step *step;
	bool found;
};

static int is_port(const struct nlmsghdr *message, void *context)
{
	struct search *search = context;
	const struct nlattr *attr;
	uint16_t port = 0;
	uint8_t family = 0, type = 0;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == FOU_ATTR_PORT)
			port = ntohs(mnl_attr_get_u16(attr));
		if (mnl_attr_get_type(attr) == FOU_ATTR_AF)
			family = mnl_attr_get_u8(attr);
		if (mnl_attr_get_type(attr) == FOU_ATTR_TYPE)
			type = mnl_attr_get_u8(attr);
	}
	if (port == search->step->port && family == family_of(search->step) &&
	    type == FOU_ENCAP_GUE)
		search->found = true;
	return MNL_CB_OK;
}

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	struct search search = {.step = step};
	int family = fou_family(), r = 0;
	char buffer[256];

	if (family > 0)
		r = netlink_talk(NETLINK_GENERIC,
				 genl_request(buffer, (uint16_t)family, NLM_F_DUMP, FOU_CMD_GET),
				 is_port, &search);
	if (r < 0)
		return error_set(err, -r, "cannot list GUE ports: %s", strerror(-r));
	*ret_holds = search.found;
	return 0;
}

static int change(const struct step *step, uint8_t command)
{
	int family = fou_family();
	struct nlmsghdr *request;
	char buffer[256];

	if (family < 0)
		return family;
	request = genl_request(buffer, (uint16_t)family, NLM_F_ACK, command);
	mnl_attr_put_u16(request, FOU_ATTR_PORT, htons((uint16_t)step->port));
	mnl_attr_put_u8(request, FOU_ATTR_AF, family_of(step));
	mnl_attr_put_u8(request, FOU_ATTR_TYPE, FOU_ENCAP_GUE);
	return netlink_talk(NETLINK_GENERIC, request, NULL, NULL);
}

static int apply(const struct step *step, struct error *err)
{
	int r = change(step, FOU_CMD_ADD), ret;

	if (r == 0)
		return 0;
	if (r == -ENOENT) {
		ret = error_set(err, ENOENT, "this kernel has no fou, or not loaded it");
		return error_hint(err, ret,
				  "modprobe fou, or leave --kernel away: the program lb_decap "
				  "does not need it");
	}
	ret = error_set(err, -r, "%s UDP port %u cannot be made a GUE port: %s", step->name,
			(unsigned int)step->port, strerror(-r));
	if (r == -EADDRINUSE)
		return error_hint(err, ret, "ss -ulnp 'sport = :%u' tells who has it",
				  (unsigned int)step->port);
	return ret;
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	int r = change(step, FOU_CMD_DEL);

	(void)ret_left;
	if (r == 0 || r == -ENOENT || r == -EINVAL) /* EINVAL: there is no such port */
		return 0;
	return error_set(err, -r, "%s GUE port %u cannot be removed: %s", step->name,
			 (unsigned int)step->port, strerror(-r));
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	snprintf(buffer, STEP_TEXT_MAX, "%s UDP port %u is taken for GUE", step->name,
		 (unsigned int)step->port);
}

static void shell(const struct step *step, bool back, FILE *out)
{
	const char *family = family_of(step) == AF_INET6 ? " -6" : "";

	if (!back)
		fputs("modprobe fou\n", out);
	fprintf(out, "ip fou %s port %u%s%s\n", back ? "del" : "add", (unsigned int)step->port,
		back ? "" : " gue", family);
}

const struct step_ops fou_ops = {probe, apply, revert, describe, shell};

/* SPDX-License-Identifier: Apache-2.0 */
/* lbagent: arguments, preconditions, state, data plane, manager, doors, loop. */
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

#include "announce_note.h"
#include "api.h"
#include "autoscale_run.h"
#include "balancer_id.h"
#include "config.h"
#include "cookies.h"
#include "dataplane_bpf.h"
#include "document.h"
#include "doors.h"
#include "events.h"
#include "fleet_store.h"
#include "ids.h"
#include "log.h"
#include "manager.h"
#include "options.h"
#include "port_watch.h"
#include "ports.h"
#include "preflight.h"
#include "privileges.h"
#include "process.h"
#include "setup.h"
#include "steady.h"
#include "store.h"

#define STOP_EXTRA_MS 10000 /* for what comes after the drain */

struct agent {
	struct options options;
	uv_loop_t loop;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t drain; /* from SIGTERM to the end */
	int state_fd;     /* the state directory, locked; -1: not yet */
	struct dataplane *dp;
	struct events *events;
	struct manager *manager;
	struct fleet_store *store; /* NULL: there is none */
	struct autoscaler *autoscaler;
	struct ports *ports;
	struct port_watch *port_watch;
	struct api api;
	struct doors doors;
};

/* --- state --- */

/* The services of the configuration file begin the state; afterwards the state rules. */
static int new_state(const struct options *options, struct desired **ret_desired, struct error *err)
{
	uint64_t seed;
	int ret;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return error_set(err, EIO, "no random numbers to be had: %s", strerror(errno));
	ret = document_read_services(options->services, ret_desired, err);
	if (ret == 0)
		(*ret_desired)->seed = seed;
	return ret;
}

static int save_new_state(const struct options *options, const struct desired *desired,
			  struct error *err)
{
	cJSON *json = config_write_state(desired);
	char *text = json ? cJSON_Print(json) : NULL;
	int ret = text ? store_save(options->state_dir, text, err)
		       : error_set(err, ENOMEM, "out of memory");

	cJSON_free(text);
	cJSON_Delete(json);
	return ret;
}

/* *ret_warning gets a message if it is the backup that was loaded. */
static int load_state(const struct options *options, struct desired **ret_desired, bool *ret_fresh,
		      struct error *ret_warning, struct error *err)
{
	enum store_found found = STORE_EMPTY;
	int ret;

	ret = store_load(options->state_dir, setup_accept_state, ret_desired, &found, ret_warning,
			 err);
	if (ret)
		return ret;
	*ret_fresh = found == STORE_EMPTY;
	if (found == STORE_EMPTY)
		return new_state(options, ret_desired, err);
	if (options->services)
		log_warn("services of the configuration file are not applied", "reason",
			 "the saved state has its own", "hint",
			 "change services with lbctl; an empty --state-dir begins anew");
	return 0;
}

/* --- start --- */

/* BPF maps and programs, XDP and netlink need these, or root's CAP_SYS_ADMIN for all. */
static int check_rights(struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t has, needed = 1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN | 1ULL << CAP_PERFMON;
	int ret;

	if (syscall(SYS_capget, &header, data))
		return 0; /* then the first refusal will tell */
	has = (uint64_t)data[1].effective << 32 | data[0].effective;
	if ((has & needed) == needed ||
	    (has & (1ULL << CAP_SYS_ADMIN) && has & (1ULL << CAP_NET_ADMIN)))
		return 0;
	ret = error_set(err, EPERM, "not root: BPF programs cannot be loaded");
	return error_hint(err, ret, "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
}

/* All of them, before any gets the new program. */
static int check_interfaces(const struct options *options, struct error *err)
{
	size_t i;
	int ret;

	for (i = 0; i < options->interface_count; i++) {
		if (dataplane_bpf_holder(options->bpffs, options->interfaces[i], err) ==
		    HOLDER_OTHER)
			return -EBUSY;
		if (if_nametoindex(options->interfaces[i]))
			continue;
		ret = error_set(err, ENODEV, "interface %s: there is no such interface",
				options->interfaces[i]);
		return error_hint(err, ret, "`ip -br link` lists them");
	}
	return 0;
}

/* Before any packet meets the new program. */
static int self_test(const struct options *options, uint32_t mtu, struct error *err)
{
	struct dataplane_selftest test;
	struct error reason = {0};
	char cases[16], left_out[16], ms[16];
	int ret;

	if (options->skip_self_test) {
		log_warn("self-test skipped", "consequence", "a broken data plane goes unnoticed");
		return 0;
	}
	ret = dataplane_bpf_selftest(mtu, &test, &reason);
	if (ret) {
		error_set(err, -ret, "the data plane fails its self-test: %.250s", reason.message);
		return error_hint(err, ret,
				  "nothing was changed, what ran goes on; report this, and go back "
				  "to the former lbagent; --skip-self-test starts all the same");
	}
	snprintf(cases, sizeof(cases), "%u", test.cases);
	snprintf(left_out, sizeof(left_out), "%u", test.left_out);
	snprintf(ms, sizeof(ms), "%u", test.ms);
	log_info("self-test passed", "cases", cases, "left-out", left_out, "ms", ms);
	return 0;
}

static int open_dataplane(struct agent *agent, uint64_t seed, struct error *err)
{
	struct dataplane_bpf_config config;
	int ret = setup_dataplane(&agent->options, seed, &config, err);

	if (ret == 0)
		ret = dataplane_bpf_open(&config, &agent->dp, err);
	return ret ? ret : self_test(&agent->options, config.mtu, err);
}

/* Before it happens: what of a former agent's is not taken over as it is. */
static void say_carried(const struct agent *agent, const struct carry *carry)
{
	char message[64];
	enum carry_part part;

	if (!carry->former || carry->whole)
		return;
	events_tell(agent->events, &(struct event){.kind = EVENT_MAPS_REPLACED,
						   .reason = carry->reason,
						   .after = "counters begin anew"});
	for (part = 0; part < CARRY_PARTS; part++) {
		snprintf(message, sizeof(message), "%s are %s", carry_part_name(part),
			 carry->parts[part].way == CARRY_FORGOTTEN ? "forgotten" : "carried over");
		if (carry->parts[part].way == CARRY_FORGOTTEN)
			log_warn(message, "reason", carry->parts[part].reason, "consequence",
				 carry_consequence(part));
		else
			log_info(message);
	}
}

static int attach(struct agent *agent, struct error *err)
{
	const struct options *options = &agent->options;
	int ret;

	agent->ports = ports_new(agent->dp, options->interfaces, options->interface_count);
	if (!agent->ports)
		return error_set(err, ENOMEM, "out of memory");
	ret = dataplane_bpf_carry(agent->dp, err);
	if (ret == 0)
		ret = ports_follow(agent->ports, manager_links(agent->manager), err);
	if (ret == 0)
		ret = dataplane_bpf_carry(agent->dp, err);
	if (ret == 0)
		ret = dataplane_bpf_pin(agent->dp, err);
	if (ret) {
		dataplane_bpf_detach_new(agent->dp);
		return ret;
	}
	agent->api.ports = agent->ports;
	agent->port_watch =
		port_watch_new(&agent->loop, agent->events, agent->manager, agent->ports);
	return agent->port_watch ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int open_doors(struct agent *agent, struct error *err)
{
	agent->api.manager = agent->manager;
	agent->api.store = agent->store;
	agent->api.autoscaler = agent->autoscaler;
	agent->api.events = agent->events;
	agent->api.streams = event_streams_new(&agent->loop, agent->events);
	if (!agent->api.streams)
		return error_set(err, ENOMEM, "out of memory");
	agent->api.capture = capture_new(&agent->loop, agent->manager, agent->events);
	if (!agent->api.capture)
		return error_set(err, ENOMEM, "out of memory");
	agent->api.dp = agent->dp;
	agent->api.door = &agent->doors.remote;
	agent->api.started_ns = uv_hrtime();
	agent->api.process_started = process_started();
	return doors_open(&agent->doors, &agent->loop, &agent->options, api_handle, &agent->api,
			  err);
}

/* Libxdp finds its dispatcher's programs by their ids, which only CAP_SYS_ADMIN may do. */
static bool joined_dispatcher(const struct agent *agent)
{
	const struct dataplane_interface *interfaces;
	size_t i, count;

	interfaces = dataplane_bpf_interfaces(agent->dp, &count);
	for (i = 0; i < count; i++) {
		if (strcmp(interfaces[i].attached_by, "dispatcher") == 0)
			return true;
	}
	return false;
}

static int give_up_privileges(const struct agent *agent, struct error *err)
{
	int ret = privileges_reduce(joined_dispatcher(agent), err);

	if (ret == 0 && privileges_inherited())
		log_warn("programs that checks start will have capabilities", "reason",
			 "without CAP_SETPCAP they cannot be taken from them", "hint",
			 "SecureBits=noroot-locked in the unit, or start lbagent with CAP_SETPCAP");
	return ret;
}

/*
 * An empty state beside a data plane that serves: the disk with the state is not mounted, or
 * somebody removed it. To begin anew would end what is served.
 */
static int check_fresh(const struct agent *agent, struct error *err)
{
	int ret;

	if (!dataplane_bpf_former_serves(agent->dp))
		return 0;
	ret = error_set(err, ENODATA,
			"state directory %s: there is no state, but the data plane serves what a "
			"former lbagent was asked for",
			agent->options.state_dir);
	return error_hint(
		err, ret,
		"mount or restore it, or give --state-dir; to begin anew: lbagent --unload "
		"--bpffs %.80s",
		agent->options.bpffs);
}

/* What was asked for is not refused at the start, but not done without a key either. */
static void warn_of_cookies(const struct agent *agent, const struct desired *desired)
{
	struct error err = {0};

	if (cookies_check(agent->dp, desired, &err))
		log_warn("SYNs go to the backends", "reason", err.message, "hint", err.hint);
}

/* A seed of the fleet's goes before the state's, which takes it on with the next change. */
static int choose_seed(const struct options *options, struct desired *desired, bool fresh,
		       struct error *err)
{
	uint64_t former = desired->seed;
	int ret = setup_seed(options, &desired->seed, err);

	if (ret == 0 && !fresh && desired->seed != former)
		log_warn("the flow hash has another seed", "reason",
			 "--seed-file names another than the saved state's", "consequence",
			 "flows of a former lbagent are forgotten");
	return ret;
}

/* Or takes back what a former agent has announced. */
static int announce(struct agent *agent, struct error *err)
{
	if (agent->options.announce_table)
		return manager_announce(agent->manager, agent->options.announce_table, err);
	return announcer_clear(agent->options.state_dir, err);
}

static int follow_store(struct agent *agent, struct error *err)
{
	const struct options *options = &agent->options;
	const struct etcd_config config = {
		.url = options->store_url,
		.ca = options->store_ca,
		.cert = options->store_cert,
		.key = options->store_key,
		.user_file = options->store_user_file,
	};
	char id[BALANCER_ID_MAX];
	int ret;

	if (!options->store[0])
		return 0;
	ret = balancer_id_read(options->state_dir, id, err);
	if (ret)
		return ret;
	return fleet_store_new(&agent->loop, agent->manager, agent->events, options->store, &config,
			       id, &agent->store, err);
}

static int start(struct agent *agent, struct error *err)
{
	struct error warning = {0};
	struct desired *desired = NULL;
	bool fresh = false;
	int ret;

	ret = check_rights(err);
	if (ret == 0)
		ret = check_interfaces(&agent->options, err);
	if (ret == 0)
		ret = store_lock(agent->options.state_dir, &agent->state_fd, err);
	if (ret == 0)
		ret = load_state(&agent->options, &desired, &fresh, &warning, err);
	if (ret == 0)
		ret = events_new(agent->options.state_dir, &agent->events, err);
	if (ret) {
		desired_free(desired);
		return ret;
	}
	if (warning.message[0])
		events_tell(agent->events, &(struct event){.kind = EVENT_STATE_RESTORED,
							   .reason = warning.message,
							   .hint = warning.hint});
	steady_begin(&desired->steady);
	ret = choose_seed(&agent->options, desired, fresh, err);
	if (ret == 0)
		ret = open_dataplane(agent, desired->seed, err);
	if (ret == 0 && fresh)
		ret = check_fresh(agent, err);
	if (ret) {
		desired_free(desired);
		return ret;
	}
	ret = cookies_load(agent->dp, agent->options.cookie_key_file, err);
	if (ret) {
		desired_free(desired);
		return ret;
	}
	warn_of_cookies(agent, desired);
	say_carried(agent, dataplane_bpf_carried(agent->dp));
	ret = manager_new(&agent->loop, agent->dp, agent->options.state_dir,
			  agent->options.commands_dir, agent->options.source_deny, agent->events,
			  desired, &agent->manager, err);
	if (ret == 0 && fresh)
		ret = save_new_state(&agent->options, manager_desired(agent->manager), err);
	if (ret == 0)
		ret = announce(agent, err);
	if (ret == 0)
		ret = autoscaler_new(&agent->loop, agent->manager, agent->events,
				     agent->options.state_dir, &agent->autoscaler, err);
	if (ret == 0)
		ret = follow_store(agent, err);
	if (ret == 0)
		ret = open_doors(agent, err);
	if (ret == 0)
		ret = attach(agent, err);
	return ret ? ret : give_up_privileges(agent, err);
}

/* --- run and stop --- */

static void on_drained(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Routers are told first, and what they send meanwhile is forwarded and watched as ever. Whoever is
 * in a hurry sends a second signal, or SIGINT. */
static bool drain_first(struct agent *agent, int number)
{
	uint64_t drain_ms = agent->options.drain_on_stop_ms;

	if (number != SIGTERM || !drain_ms || uv_is_active((uv_handle_t *)&agent->drain) ||
	    !manager_withdraw_to_stop(agent->manager))
		return false;
	sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		   (unsigned long long)(drain_ms + STOP_EXTRA_MS) * 1000);
	uv_timer_start(&agent->drain, on_drained, drain_ms, 0);
	return true;
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct agent *agent = signal->data;
	bool drains = drain_first(agent, number);
	char after[80] = "packets flow on; lbagent --unload ends them";
	char duration[DURATION_TEXT_MAX];

	if (drains)
		snprintf(after, sizeof(after), "VIPs are withdrawn; the end comes in %s",
			 format_duration(agent->options.drain_on_stop_ms, duration));
	events_tell(agent->events, &(struct event){.kind = EVENT_AGENT_STOPPING,
						   .after = after,
						   .reason = strsignal(number)});
	if (!drains)
		uv_stop(signal->loop);
}

static void reload_cookies(struct agent *agent)
{
	struct error err;

	if (cookies_load(agent->dp, agent->options.cookie_key_file, &err))
		log_error("the former keys of SYN cookies hold on", "error", err.message, "hint",
			  err.hint);
}

static void on_reload(uv_signal_t *signal, int number)
{
	struct agent *agent = signal->data;

	(void)number;
	doors_reload(&agent->doors);
	reload_cookies(agent);
	manager_reload_soon(agent->manager);
}

static int watch_signal(struct agent *agent, uv_signal_t *handle, uv_signal_cb act, int number)
{
	int ret = uv_signal_init(&agent->loop, handle);

	handle->data = agent;
	return ret ? ret : uv_signal_start(handle, act, number);
}

/* The loop, and the signals that it hears. Of libuv, negative; there is no way back. */
static int begin(struct agent *agent)
{
	int ret = uv_loop_init(&agent->loop);

	if (ret == 0)
		ret = watch_signal(agent, &agent->sigterm, on_signal, SIGTERM);
	if (ret == 0)
		ret = watch_signal(agent, &agent->sigint, on_signal, SIGINT);
	return ret ? ret : watch_signal(agent, &agent->sighup, on_reload, SIGHUP);
}

static void stop(struct agent *agent)
{
	doors_close(&agent->doors);
	port_watch_free(agent->port_watch);
	autoscaler_stop(agent->autoscaler);
	fleet_store_free(agent->store);
	if (agent->manager)
		manager_stop(agent->manager);
	uv_close((uv_handle_t *)&agent->sigterm, NULL);
	uv_close((uv_handle_t *)&agent->sigint, NULL);
	uv_close((uv_handle_t *)&agent->sighup, NULL);
	uv_close((uv_handle_t *)&agent->drain, NULL);
	uv_run(&agent->loop, UV_RUN_DEFAULT); /* closes handles, and with the servers the streams */
	event_streams_free(agent->api.streams);
	capture_free(agent->api.capture);
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	doors_free(&agent->doors);
	autoscaler_free(agent->autoscaler);
	manager_free(agent->manager);
	events_free(agent->events);
	ports_free(agent->ports);
	dataplane_bpf_close(agent->dp);
	uv_loop_close(&agent->loop);
	if (agent->state_fd >= 0)
		close(agent->state_fd);
	options_clear(&agent->options);
}

static void tell_attached(const struct agent *agent, const struct dataplane_interface *interface)
{
	char how[64];

	snprintf(how, sizeof(how), "mode %s, by %s", interface->mode, interface->attached_by);
	events_tell(agent->events, &(struct event){.kind = EVENT_INTERFACE_ATTACHED,
						   .interface = interface->name,
						   .after = how});
}

static void say_ready(const struct agent *agent)
{
	const struct carry *carry = dataplane_bpf_carried(agent->dp);
	const char *flows = carry->whole ? "adopted" : "none yet";
	const struct dataplane_interface *interfaces;
	char listen[ENDPOINT_TEXT_MAX] = "none", told[48];
	size_t i, count;

	interfaces = dataplane_bpf_interfaces(agent->dp, &count);
	for (i = 0; i < count; i++)
		tell_attached(agent, &interfaces[i]);
	if (agent->options.nat_ports_scarce)
		log_warn("NAT ports overlap with the host's own", "reason",
			 "ip_local_port_range leaves fewer than 4096 free", "hint",
			 "narrow ip_local_port_range, or give --nat-ports LOW-HIGH");
	if (agent->options.listen.port)
		format_endpoint(&agent->options.listen, listen);
	if (carry->former && !carry->whole)
		flows = carry->parts[CARRY_FLOWS].way == CARRY_SHARED ? "carried over" : "none yet";
	snprintf(told, sizeof(told), "flows: %s", flows);
	log_info("ready", "version", SLUICE_VERSION, "socket", agent->options.socket, "listen",
		 listen, "flows", flows);
	events_tell(agent->events, &(struct event){.kind = EVENT_AGENT_STARTED,
						   .after = "version " SLUICE_VERSION,
						   .reason = told});
	sd_notify(0, "READY=1");
}

static int run(struct agent *agent)
{
	struct error err = {0};
	int ret;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2), not our end */
	log_set_level(agent->options.log_level);
	ret = begin(agent);
	if (ret) {
		log_error("cannot start", "error", uv_strerror(ret));
		return EXIT_FAILURE;
	}
	uv_timer_init(&agent->loop, &agent->drain);
	ret = start(agent, &err);
	if (ret) {
		log_error("cannot start", "error", err.message, "hint", err.hint);
	} else {
		say_ready(agent);
		uv_run(&agent->loop, UV_RUN_DEFAULT);
		sd_notify(0, "STOPPING=1");
	}
	stop(agent);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Routes first, if no agent is there who would put them back: then --unload is refused, too. */
static int unload_routes(const struct options *options, struct error *err)
{
	struct error busy;
	int ret, fd = -1;

	if (!announce_note_read(options->state_dir) || store_lock(options->state_dir, &fd, &busy))
		return 0;
	ret = announcer_clear(options->state_dir, err);
	close(fd);
	return ret;
}

static int unload(const struct options *options)
{
	struct error err = {0};

	if (unload_routes(options, &err) == 0 && dataplane_bpf_unload(options->bpffs, &err) == 0)
		return EXIT_SUCCESS;
	log_error("cannot unload", "error", err.message, "hint", err.hint);
	return EXIT_FAILURE;
}

/* Would the configuration file do? Flags and words have been checked in reading it. */
static int check_services(const struct options *options, size_t *ret_services, size_t *ret_backends,
			  struct error *err)
{
	bool *resting = calloc((size_t)options->sizes.backends + 1, sizeof(*resting));
	struct desired *desired = NULL;
	size_t i;
	int ret;

	if (!resting)
		return error_set(err, ENOMEM, "out of memory");
	ret = document_read_services(options->services, &desired, err);
	if (ret == 0)
		ret = ids_assign(desired, NULL, &options->sizes, resting, err); /* is there room? */
	for (i = 0; ret == 0 && i < desired->service_count; i++)
		*ret_backends += desired->services[i].backend_count;
	if (ret == 0)
		*ret_services = desired->service_count;
	desired_free(desired);
	free(resting);
	return ret;
}

static int check(struct options *options)
{
	size_t services = 0, backends = 0;
	struct error err = {0};
	int ret = check_services(options, &services, &backends, &err);

	if (ret) {
		fprintf(stderr, "lbagent: configuration %s: %s\n", options->config, err.message);
		if (err.hint[0])
			fprintf(stderr, "  try: %s\n", err.hint);
	} else {
		printf("%s: ok: %zu service%s, %zu backend%s\n", options->config, services,
		       services == 1 ? "" : "s", backends, backends == 1 ? "" : "s");
	}
	options_clear(options);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct agent agent = {.state_fd = -1};
	struct error err = {0};
	int ret;

	ret = options_read(&agent.options, argc, argv, &err);
	if (ret) {
		fprintf(stderr, "lbagent: %s\n", err.message);
		if (err.hint[0])
			fprintf(stderr, "  try: %s\n", err.hint);
		options_clear(&agent.options);
		return ret == -EINVAL ? 2 : EXIT_FAILURE;
	}
	if (agent.options.help) {
		options_usage();
		return EXIT_SUCCESS;
	}
	if (agent.options.version) {
		printf("lbagent %s\n", SLUICE_VERSION);
		return EXIT_SUCCESS;
	}
	if (agent.options.check)
		return check(&agent.options);
	if (agent.options.preflight) {
		ret = preflight(&agent.options);
		options_clear(&agent.options);
		return ret;
	}
	return agent.options.unload ? unload(&agent.options) : run(&agent);
}

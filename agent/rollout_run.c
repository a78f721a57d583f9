/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "etcd_error.h"
#include "fleet_store.h"
#include "parse.h"

#define LOOK_MS  200
#define CLAIM_MS 1000 /* for whoever asked to hear what came of it */

/* Something that etcd is asked on behalf of a client, who comes again to hear of it. */
struct errand {
	enum { ERRAND_NONE, ERRAND_SENT, ERRAND_DONE, ERRAND_FAILED } phase;
	char *text; /* by which it is known */
	int ret;    /* ERRAND_FAILED: with err */
	struct error err;
	uint64_t until_ms; /* loop time; ERRAND_DONE, ERRAND_FAILED: nobody comes later */
};

struct rollout_run {
	uv_loop_t *loop;
	struct etcd *etcd;
	struct fleet_roster *roster;
	const struct rollout_sight *sight;
	char config_key[ETCD_PREFIX_MAX + 32];
	char rollout_key[ETCD_PREFIX_MAX + 32];
	char last_key[ETCD_PREFIX_MAX + 32];
	char id[BALANCER_ID_MAX];
	uv_timer_t look;
	struct rollout *rollout; /* that is driven; NULL: none is */
	bool begun;              /* etcd has it */
	bool asking;             /* etcd is asked to move it on, or to end it */
	bool unwritten;          /* its step is another than etcd has been told */
	uint64_t mod_revision;   /* of its key, as far as is known */
	uint64_t lease;          /* that it is under */
	uint64_t step_ms;        /* loop time of the step's begin */
	uint64_t well_ms;        /* loop time since when all are well; 0: they are not */
	struct errand begin, abort;
};

/* --- errands --- */

static void errand_clear(struct errand *errand)
{
	free(errand->text);
	*errand = (struct errand){0};
}

/* Takes text over. */
static void errand_send(struct errand *errand, char *text)
{
	errand_clear(errand);
	errand->phase = ERRAND_SENT;
	errand->text = text;
}

static void errand_end(struct rollout_run *run, struct errand *errand, int ret,
		       const struct error *err)
{
	errand->phase = ret ? ERRAND_FAILED : ERRAND_DONE;
	errand->ret = ret;
	errand->until_ms = uv_now(run->loop) + CLAIM_MS;
	if (ret)
		errand->err = *err;
}

/* -ENOENT: there is none that is known by text. */
static int errand_claim(const struct rollout_run *run, struct errand *errand, const char *text,
			struct error *err)
{
	int ret = errand->ret;

	if (errand->phase >= ERRAND_DONE && uv_now(run->loop) >= errand->until_ms)
		errand_clear(errand);
	if (errand->phase == ERRAND_NONE || strcmp(errand->text, text) != 0)
		return -ENOENT;
	if (errand->phase == ERRAND_SENT)
		return error_set(err, EINPROGRESS, "etcd is being asked");
	if (ret)
		*err = errand->err;
	errand_clear(errand);
	return ret;
}

/* In the words of a change that is not one. */
static void fail_errand(struct rollout_run *run, struct errand *errand, int ret,
			const struct error *reason)
{
	struct error err;

	ret = etcd_error_commit(ret, reason, "lbctl rollout show tells", &err);
	errand_end(run, errand, ret, &err);
}

/* --- the end of one --- */

/* Commits the end. done: the one whose document becomes the configuration by it, or NULL. */
static int send_end(struct rollout_run *run, const struct rollout_end *end, uint64_t mod_revision,
		    const struct rollout *done, etcd_callback callback)
{
	char *last = rollout_end_write(end);
	char *document = done ? cJSON_PrintUnformatted(done->document) : NULL;
	const struct etcd_step steps[] = {
		{.key = run->rollout_key,
		 .what = ETCD_DELETE,
		 .compared = true,
		 .mod_revision = mod_revision},
		{.key = run->last_key, .what = ETCD_PUT, .value = last},
		{.key = run->config_key,
		 .what = ETCD_PUT,
		 .compared = true,
		 .mod_revision = done ? done->base : 0,
		 .value = document},
	};
	int ret = last && (document || !done)
			  ? etcd_commit(run->etcd, steps, done ? 3 : 2, callback, run)
			  : -ENOMEM;

	free(last);
	cJSON_free(document);
	return ret;
}

static void forget(struct rollout_run *run)
{
	rollout_free(run->rollout);
	run->rollout = NULL;
	run->begun = run->unwritten = false;
}

/* What etcd has not taken is looked at again. */
static void on_ended(void *context, int ret, const struct etcd_answer *answer,
		     const struct error *err)
{
	struct rollout_run *run = context;

	(void)err;
	run->asking = false;
	if (ret == 0 && answer->done)
		forget(run);
}

static void end(struct rollout_run *run, bool done, const char *reason)
{
	const struct rollout_end end = rollout_ends(run->rollout, done, reason);

	run->asking =
		send_end(run, &end, run->mod_revision, done ? run->rollout : NULL, on_ended) == 0;
}

/* One that nobody drives any more, for this balancer has begun anew, or had lost etcd. */
static void end_orphan(struct rollout_run *run)
{
	const struct rollout_end end =
		rollout_ends(run->sight->rollout, false,
			     "the balancer that drove it has begun anew, or had lost etcd");

	run->asking = send_end(run, &end, run->sight->mod_revision, NULL, on_ended) == 0;
}

/* --- steps --- */

/* The next one that has new members. As of rollout_choose(); 0: all balancers are members. */
static int next_step(struct rollout_run *run)
{
	const struct balancer *balancers;
	struct rollout *rollout = run->rollout;
	size_t count;
	int ret = 0;

	balancers = fleet_roster_balancers(run->roster, &count);
	while (ret == 0 && rollout->step + 1 < rollout->share_count) {
		rollout->step++;
		ret = rollout_choose(rollout, balancers, count);
	}
	if (ret < 0)
		rollout->step--; /* it is tried again */
	return ret;
}

static void on_step(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct rollout_run *run = context;

	(void)err;
	run->asking = false;
	if (ret || !answer->done)
		return;
	run->unwritten = false;
	run->mod_revision = answer->revision;
	run->step_ms = uv_now(run->loop);
	run->well_ms = 0;
}

static void write_step(struct rollout_run *run)
{
	char *text = rollout_write(run->rollout);
	const struct etcd_step step = {
		.key = run->rollout_key,
		.what = ETCD_PUT,
		.compared = true,
		.mod_revision = run->mod_revision,
		.value = text,
		.lease = run->lease,
	};

	run->asking = text && etcd_commit(run->etcd, &step, 1, on_step, run) == 0;
	free(text);
}

static void go_on(struct rollout_run *run)
{
	int ret = next_step(run);

	if (ret == 0)
		end(run, true, "");
	if (ret <= 0)
		return;
	run->unwritten = true;
	write_step(run);
}

static bool is_late(const struct rollout_run *run, uint64_t now)
{
	uint64_t patience = run->rollout->for_ms;

	patience = patience > ROLLOUT_PATIENCE_MS ? patience : ROLLOUT_PATIENCE_MS;
	return now - run->step_ms > patience + run->rollout->for_ms;
}

static void watch_gate(struct rollout_run *run)
{
	const struct balancer *balancers;
	uint64_t now = uv_now(run->loop);
	struct error why = {0};
	char reason[256];
	size_t count;

	if (!fleet_roster_current(run->roster)) { /* nobody knows how they fare */
		run->well_ms = 0;
		return;
	}
	balancers = fleet_roster_balancers(run->roster, &count);
	switch (rollout_judge(run->rollout, balancers, count, &why)) {
	case ROLLOUT_FAILED:
		end(run, false, why.message);
		return;
	case ROLLOUT_WAIT:
		run->well_ms = 0;
		break;
	case ROLLOUT_OPEN:
		run->well_ms = run->well_ms ?: now;
		break;
	}
	if (run->well_ms && now - run->well_ms >= run->rollout->for_ms) {
		go_on(run);
	} else if (!run->well_ms && is_late(run, now)) {
		snprintf(reason, sizeof(reason), "it takes too long: %.200s", why.message);
		end(run, false, reason);
	}
}

/* Is it still there, as etcd has been heard of last? The key may be newer than what is known, but
 * who else would write it. */
static bool is_ours(const struct rollout_run *run)
{
	const struct rollout *seen = run->sight->rollout;

	return run->sight->known < run->mod_revision ||
	       (seen && strcmp(seen->id, run->rollout->id) == 0);
}

static void drive(struct rollout_run *run)
{
	const struct rollout_sight *sight = run->sight;

	if (!is_ours(run) || fleet_roster_lease(run->roster) != run->lease) {
		forget(run); /* what is left of it ends as an orphan */
		return;
	}
	if (sight->known >= run->mod_revision)
		run->mod_revision = sight->mod_revision;
	if (sight->config != run->rollout->base)
		end(run, false, "somebody else has changed the configuration");
	else if (run->unwritten)
		write_step(run);
	else
		watch_gate(run);
}

void rollout_run_look(struct rollout_run *run)
{
	const struct rollout *seen = run->sight->rollout;

	if (run->asking)
		return;
	if (!run->sight->connected) {
		run->well_ms = 0;
		run->step_ms = uv_now(run->loop);
		return;
	}
	if (run->rollout && run->begun)
		drive(run);
	if (!run->rollout && seen && strcmp(seen->by, run->id) == 0)
		end_orphan(run);
	if (!run->rollout && !run->asking)
		uv_timer_stop(&run->look);
}

static void on_look(uv_timer_t *timer)
{
	rollout_run_look(timer->data);
}

/* --- the begin of one --- */

static void on_begun(void *context, int ret, const struct etcd_answer *answer,
		     const struct error *err)
{
	struct rollout_run *run = context;
	struct error lost;

	if (ret) {
		fail_errand(run, &run->begin, ret, err);
		forget(run);
		return;
	}
	if (!answer->done) {
		error_set(&lost, EAGAIN, "nothing has changed: %s",
			  answer->count ? "another roll-out was faster"
					: "the configuration has just been changed");
		error_hint(&lost, 0, "%s",
			   answer->count ? "lbctl rollout show tells of it" : "ask again");
		errand_end(run, &run->begin, answer->count ? -EEXIST : -EAGAIN, &lost);
		forget(run);
		return;
	}
	errand_end(run, &run->begin, 0, NULL);
	run->begun = true;
	run->mod_revision = answer->revision;
	run->step_ms = uv_now(run->loop);
	run->well_ms = 0;
	uv_timer_start(&run->look, on_look, LOOK_MS, LOOK_MS);
}

int rollout_run_may_begin(const struct rollout_run *run, struct error *err)
{
	const struct rollout *seen = run->sight->rollout;

	if (run->sight->mod_revision || run->rollout) {
		seen = seen ?: run->rollout;
		error_set(err, EEXIST, "roll-out %s is under way, driven by %s",
			  seen ? seen->id : "?", seen ? seen->by : "another version of lbagent");
		return error_hint(err, -EEXIST,
				  "wait for it (lbctl rollout show), or lbctl rollout abort");
	}
	if (!run->sight->config) {
		error_set(err, EAGAIN, "%s: there is no configuration to go back to",
			  run->config_key);
		return error_hint(err, -EAGAIN, "put it there: lbctl export | etcdctl put %.100s",
				  run->config_key);
	}
	if (fleet_roster_lease(run->roster) && fleet_roster_current(run->roster))
		return 0;
	error_set(err, EAGAIN, "this balancer is not in the fleet's roster yet%s%.200s",
		  fleet_roster_problem(run->roster)->message[0] ? ": " : "",
		  fleet_roster_problem(run->roster)->message);
	return error_hint(err, -EAGAIN, "%s",
			  fleet_roster_problem(run->roster)->hint[0]
				  ? fleet_roster_problem(run->roster)->hint
				  : "ask again in a second");
}

static int fill_in(struct rollout_run *run, struct rollout *rollout, struct error *err)
{
	const struct balancer *balancers;
	uint64_t number;
	size_t count;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return error_set(err, EIO, "no random numbers to be had: %s", strerror(errno));
	snprintf(rollout->id, sizeof(rollout->id), "%08" PRIx32, (uint32_t)number);
	snprintf(rollout->by, sizeof(rollout->by), "%s", run->id);
	rollout->base = run->sight->config;
	balancers = fleet_roster_balancers(run->roster, &count);
	if (rollout_choose(rollout, balancers, count) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

static int send_texts(struct rollout_run *run, const char *text, const char *last, uint64_t base,
		      struct error *err)
{
	const struct etcd_step steps[] = {
		{.key = run->rollout_key,
		 .what = ETCD_PUT,
		 .compared = true,
		 .value = text,
		 .lease = run->lease},
		{.key = run->config_key,
		 .what = ETCD_LEAVE,
		 .compared = true,
		 .mod_revision = base},
		{.key = run->last_key, .what = ETCD_PUT, .value = last},
	};

	if (strlen(text) > FLEET_DOCUMENT_MAX)
		return error_set(err, ENOSPC,
				 "roll-out: %zu bytes, and etcd takes %lu in one request",
				 strlen(text), FLEET_DOCUMENT_MAX);
	return etcd_commit(run->etcd, steps, 3, on_begun, run)
		       ? error_set(err, ENOMEM, "out of memory")
		       : 0;
}

static int send_begin(struct rollout_run *run, const struct rollout *rollout, const char *asked,
		      struct error *err)
{
	const struct rollout_end end = rollout_ends(rollout, false, ROLLOUT_GONE);
	char *text = rollout_write(rollout), *errand = strdup(asked);
	char *last = rollout_end_write(&end);
	int ret;

	run->lease = fleet_roster_lease(run->roster);
	ret = text && errand && last ? send_texts(run, text, last, rollout->base, err)
				     : error_set(err, ENOMEM, "out of memory");
	free(text);
	free(last);
	if (ret)
		free(errand);
	else
		errand_send(&run->begin, errand);
	return ret;
}

int rollout_run_begin(struct rollout_run *run, struct rollout *rollout, const char *asked,
		      struct error *err)
{
	int ret = fill_in(run, rollout, err);

	if (ret == 0)
		ret = send_begin(run, rollout, asked, err);
	if (ret) {
		rollout_free(rollout);
		return ret;
	}
	run->rollout = rollout;
	return error_set(err, EINPROGRESS, "etcd is being asked");
}

int rollout_run_claim(struct rollout_run *run, const char *asked, struct error *err)
{
	return errand_claim(run, &run->begin, asked, err);
}

/* --- on demand --- */

/* Not done: it has moved on, or has just ended; then it is asked anew. */
static void on_aborted(void *context, int ret, const struct etcd_answer *answer,
		       const struct error *err)
{
	struct rollout_run *run = context;

	if (ret)
		fail_errand(run, &run->abort, ret, err);
	else if (answer->done)
		errand_end(run, &run->abort, 0, NULL);
	else
		errand_clear(&run->abort);
}

static int send_abort(struct rollout_run *run, const char *who, struct error *err)
{
	/* One that this version cannot read can be ended all the same. */
	static const struct rollout unreadable = {.id = "?", .by = "?"};
	const struct rollout *seen = run->sight->rollout ?: &unreadable;
	char reason[BALANCER_REASON_MAX], *text = strdup(seen->id);
	struct rollout_end end;

	snprintf(reason, sizeof(reason), "ended by %.80s at %s", who, run->id);
	end = rollout_ends(seen, false, reason);
	if (!text || send_end(run, &end, run->sight->mod_revision, NULL, on_aborted)) {
		free(text);
		return error_set(err, ENOMEM, "out of memory");
	}
	errand_send(&run->abort, text);
	return error_set(err, EINPROGRESS, "etcd is being asked");
}

int rollout_run_abort(struct rollout_run *run, const char *who, char ret_id[ROLLOUT_ID_MAX],
		      struct error *err)
{
	char id[ROLLOUT_ID_MAX] = "";
	int ret;

	if (run->abort.phase != ERRAND_NONE) {
		snprintf(id, sizeof(id), "%s", run->abort.text);
		ret = errand_claim(run, &run->abort, id, err);
		if (ret == 0)
			snprintf(ret_id, ROLLOUT_ID_MAX, "%s", id);
		if (ret != -ENOENT)
			return ret;
	}
	if (run->sight->mod_revision)
		return send_abort(run, who, err);
	error_set(err, ENOENT, "no roll-out is under way");
	return error_hint(err, -ENOENT, "lbctl rollout show tells of the last one");
}

const struct rollout *rollout_run_driven(const struct rollout_run *run)
{
	return run->rollout;
}

void rollout_run_waits(const struct rollout_run *run, const struct rollout *rollout,
		       struct error *ret_why)
{
	const struct balancer *balancers;
	char span[DURATION_TEXT_MAX];
	size_t count;

	balancers = fleet_roster_balancers(run->roster, &count);
	if (rollout_judge(rollout, balancers, count, ret_why) == ROLLOUT_OPEN)
		error_set(ret_why, EAGAIN, "all are well, which must last for %s",
			  format_duration(rollout->for_ms, span));
}

/* --- the run --- */

struct rollout_run *rollout_run_new(uv_loop_t *loop, struct etcd *etcd, struct fleet_roster *roster,
				    const struct rollout_sight *sight, const char *prefix,
				    const char *id)
{
	struct rollout_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->loop = loop;
	run->etcd = etcd;
	run->roster = roster;
	run->sight = sight;
	snprintf(run->config_key, sizeof(run->config_key), "%s/config", prefix);
	snprintf(run->rollout_key, sizeof(run->rollout_key), "%s/config/rollout", prefix);
	snprintf(run->last_key, sizeof(run->last_key), "%s/config/rollout-last", prefix);
	snprintf(run->id, sizeof(run->id), "%s", id);
	uv_timer_init(loop, &run->look);
	run->look.data = run;
	return run;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void rollout_run_free(struct rollout_run *run)
{
	if (!run)
		return;
	etcd_cancel(run->etcd, on_ended, run);
	etcd_cancel(run->etcd, on_step, run);
	etcd_cancel(run->etcd, on_begun, run);
	etcd_cancel(run->etcd, on_aborted, run);
	forget(run);
	errand_clear(&run->begin);
	errand_clear(&run->abort);
	uv_close((uv_handle_t *)&run->look, on_closed);
}

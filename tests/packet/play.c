/* SPDX-License-Identifier: Apache-2.0 */
#include "play.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "world.h"

static const char *code_name(int code)
{
	static const char *const names[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX",
					    "XDP_REDIRECT"};

	return code >= 0 && code <= XDP_REDIRECT ? names[code] : "no XDP code";
}

/* Says where and what went wrong; returns false. */
__attribute__((format(printf, 3, 4))) static bool fail(const struct run *run, unsigned int line,
						       const char *format, ...)
{
	va_list args;

	printf("# %s:%u: %s: ", run->path, line, run->engine->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return false;
}

static bool fail_frames(const struct run *run, unsigned int line, const char *what,
			const struct frame *wanted, const struct frame *got)
{
	fail(run, line, "%s", what);
	printf("#   wanted:\n");
	frame_print(stdout, wanted, got);
	printf("#   got:\n");
	frame_print(stdout, got, wanted);
	return false;
}

/* The bytes of the packet that came in which an ICMP error quotes. */
static int append_quote(struct layers *layers, const struct layers *in, const struct frame *sent,
			struct error *err)
{
	size_t start = protocols[LAYER_ETH].size, i;

	for (i = 0; i < in->count; i++)
		if (in->layer[i].kind == LAYER_VLAN)
			start += protocols[LAYER_VLAN].size;
	if (start + layers->quote > sent->size)
		return error_set(err, EINVAL, "quote(%zu) is more than there is", layers->quote);
	return layers_append(layers, sent->bytes + start, layers->quote, err);
}

static int wanted_layers(const struct step_packet *packet, const struct layers *in,
			 const struct frame *sent, struct layers *ret_layers, struct error *err)
{
	int r = 0;

	*ret_layers = packet->out == OUT_NEW ? packet->change : *in;
	if (packet->out != OUT_NEW)
		r = layers_change(ret_layers, &packet->change, err);
	if (r == 0 && packet->out == OUT_WRAPPED)
		r = layers_wrap(ret_layers, &packet->front, err);
	if (r == 0 && ret_layers->quote)
		r = append_quote(ret_layers, in, sent, err);
	return r;
}

/* What the case says must come out; binds its variables to what did. */
static int wanted_frame(struct run *run, const struct step_packet *packet, const struct layers *in,
			const struct frame *sent, const struct frame *got, struct frame *ret_wanted,
			struct error *err)
{
	const struct constants *constants = &run->test->constants;
	struct layers *layers = malloc(sizeof(*layers));
	int r;

	if (!layers)
		return error_set(err, ENOMEM, "out of memory");
	r = wanted_layers(packet, in, sent, layers, err);
	if (r == 0)
		r = frame_bind(got, layers, constants->nat_port_low,
			       constants->nat_port_low + constants->nat_port_count - 1,
			       &run->variables, err);
	if (r == 0)
		r = layers_resolve(layers, &run->variables, err);
	if (r == 0)
		r = frame_build(layers, ret_wanted, err);
	free(layers);
	return r;
}

static bool check_out(struct run *run, const struct step *step, const struct layers *in,
		      const struct frame *sent, const struct frame *got)
{
	const struct step_packet *packet = &step->packet;
	struct frame wanted;
	struct error err;

	if (packet->out == OUT_NOTHING)
		return true;
	if (packet->out == OUT_SAME)
		return frame_equal(sent, got) ||
		       fail_frames(run, step->line, "the packet changed", sent, got);
	if (wanted_frame(run, packet, in, sent, got, &wanted, &err) < 0) {
		fail(run, step->line, "%s", err.message);
		return fail_frames(run, step->line, "the packets that came in and out", sent, got);
	}
	if (!frame_equal(&wanted, got))
		return fail_frames(run, step->line, "the wrong packet came out", &wanted, got);
	/* A right packet may not leave as a wrong one; a wrong one may stay so. */
	if (frame_verify(sent, &err) == 0 && frame_verify(got, &err) < 0)
		return fail_frames(run, step->line, err.message, &wanted, got);
	return true;
}

static bool check_code(const struct run *run, const struct step *step, enum lb_verdict verdict,
		       int code)
{
	const struct step_packet *packet = &step->packet;

	if (verdict != packet->verdict)
		return fail(run, step->line, "the verdict is %s, not %s", verdict_name(verdict),
			    verdict_name(packet->verdict));
	if (code != packet->code)
		return fail(run, step->line, "the program returned %s, not %s", code_name(code),
			    code_name(packet->code));
	return true;
}

static bool run_packet(struct run *run, const struct step *step, struct outcome *outcome,
		       const struct outcome *before)
{
	const struct step_packet *packet = &step->packet;
	struct world_packets before_it;
	enum lb_verdict verdict;
	struct frame sent;
	struct layers in = packet->in;
	struct error err;

	if (layers_resolve(&in, &run->variables, &err) < 0 || frame_build(&in, &sent, &err) < 0)
		return fail(run, step->line, "%s", err.message);
	world_packets(run->engine, &before_it);
	if (run->engine->run(&sent, packet->device, packet->redirect_to, outcome, &err) < 0)
		return fail(run, step->line, "%s", err.message);
	verdict = world_verdict_since(run->engine, &before_it, outcome->code);
	if (!check_code(run, step, verdict, outcome->code))
		return fail_frames(run, step->line, "the packets that came in and out", &sent,
				   &outcome->frame);
	if (!check_out(run, step, &in, &sent, &outcome->frame))
		return false;
	if (before && !frame_equal(&before->frame, &outcome->frame))
		return fail_frames(run, step->line, "the engines disagree", &before->frame,
				   &outcome->frame);
	return true;
}

static bool check_entries(const struct run *run, const struct step *step)
{
	char entries[CASE_ENTRIES_MAX];

	if (step->kind == STEP_FLOWS)
		world_flows(run->engine, run->test, entries);
	else
		world_nat(run->engine, run->test, entries);
	if (strcmp(entries, step->entries) == 0)
		return true;
	return fail(run, step->line, "the table holds '%s', not '%s'", entries, step->entries);
}

static bool check_counts(const struct run *run, const struct step *step)
{
	const struct step_count *count = &step->count;
	struct error err = {.message = "reading the counters failed"};
	uint64_t value;
	size_t i;

	for (i = 0; i < count->count; i++) {
		if (world_count(run->engine, run->test, count->what, count->counts[i].key, &value,
				&err) < 0)
			return fail(run, step->line, "%s", err.message);
		if (value != count->counts[i].value)
			return fail(run, step->line, "%s %s is %" PRIu64 ", not %" PRIu64,
				    count->what, count->counts[i].key, value,
				    count->counts[i].value);
	}
	return true;
}

static bool run_step(struct run *run, size_t index)
{
	const struct step *step = run->test->steps[index];
	int r = 0;

	switch (step->kind) {
	case STEP_PACKET:
		return run_packet(run, step, &run->outcomes[index],
				  run->expected ? &run->expected[index] : NULL);
	case STEP_FLOWS:
	case STEP_NAT:
		return check_entries(run, step);
	case STEP_COUNT:
		return check_counts(run, step);
	case STEP_SET:
		r = world_put_backend(run->engine, run->test, step->set.index, &step->set.backend);
		break;
	case STEP_TABLE:
		r = world_put_table(run->engine, run->test, &step->table);
		break;
	case STEP_MARKS:
		r = world_put_marks(run->engine, run->test, &step->table);
		break;
	case STEP_EARLIER:
	case STEP_EARLIEST:
		r = world_put_earlier(run->engine, run->test, &step->table,
				      step->kind == STEP_EARLIEST);
		break;
	case STEP_AGE:
		r = world_age(run->engine, run->test, step->age_ms);
		break;
	case STEP_FOLD:
		run->engine->switches()->flow_fold = step->flow_fold;
		break;
	}
	return r == 0 || fail(run, step->line, "changing the maps: %s", strerror(-r));
}

bool play_case(struct run *run)
{
	struct error err;
	bool good = true;
	double began;
	size_t i;

	run->seconds = 0;

	if (run->engine->reset(&run->test->constants, &err) < 0 ||
	    world_setup(run->engine, run->test, &err) < 0)
		return fail(run, run->test->line, "%s", err.message);
	began = clock_seconds(CLOCK_MONOTONIC);
	for (i = 0; good && i < run->test->step_count; i++)
		good = run_step(run, i);
	run->seconds = clock_seconds(CLOCK_MONOTONIC) - began;
	return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "lexer.h"
#include "setup.h"

struct case_reader {
	FILE *file;
	char *line; /* the logical line that is next; NULL: not read yet */
	size_t room;
	bool waiting;        /* line was read but not used */
	unsigned int number; /* of the last line read */
};

int case_reader_open(const char *path, struct case_reader **ret_reader)
{
	struct case_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	reader->file = fopen(path, "re");
	if (!reader->file) {
		r = -errno;
		free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void case_reader_close(struct case_reader *reader)
{
	if (!reader)
		return;
	fclose(reader->file);
	free(reader->line);
	free(reader);
}

/* Reads one line of the file; one that ends in '\' takes the following in. False: the end. */
static bool read_line(struct case_reader *reader)
{
	char *more = NULL, *joined;
	size_t room = 0;
	ssize_t length = getline(&reader->line, &reader->room, reader->file);

	if (length < 0)
		return false;
	reader->number++;
	reader->line[strcspn(reader->line, "\n")] = '\0';
	length = strlen(reader->line);
	while (length > 0 && reader->line[length - 1] == '\\') {
		reader->line[length - 1] = ' ';
		if (getline(&more, &room, reader->file) < 0)
			break;
		reader->number++;
		more[strcspn(more, "\n")] = '\0';
		if (asprintf(&joined, "%s%s", reader->line, more) < 0)
			break;
		free(reader->line);
		reader->line = joined;
		length = strlen(joined);
		reader->room = length + 1;
	}
	free(more);
	return true;
}

/* The next line that says something, without the blanks before it. NULL: the end. */
static const char *next_statement(struct case_reader *reader)
{
	const char *at;

	for (;;) {
		if (!reader->waiting && !read_line(reader))
			return NULL;
		reader->waiting = false;
		at = reader->line;
		lexer_skip_blanks(&at);
		if (*at && *at != '#')
			return at;
	}
}

void case_free(struct test_case *test)
{
	size_t i;

	if (!test)
		return;
	for (i = 0; i < test->step_count; i++)
		free(test->steps[i]);
	free(test->steps);
	free(test);
}

static struct step *add_step(struct test_case *test, enum step_kind kind, unsigned int line)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers it is */
	struct step **steps = realloc(test->steps, (test->step_count + 1) * sizeof(*steps));
	struct step *step;

	if (!steps)
		return NULL;
	test->steps = steps;
	step = calloc(1, sizeof(*step));
	if (!step)
		return NULL;
	step->kind = kind;
	step->line = line;
	steps[test->step_count++] = step;
	return step;
}

/* --- steps --- */

struct context {
	struct test_case *test;
	struct case_backend backends[CASE_BACKENDS_MAX]; /* as the steps so far left them */
	struct step_packet *packet;                      /* what verdict and out lines are for */
};

static int parse_device(const char *name, enum case_device *ret_device)
{
	if (strcmp(name, "left") == 0)
		*ret_device = DEVICE_LEFT;
	else if (strcmp(name, "right") == 0)
		*ret_device = DEVICE_RIGHT;
	else
		return -EINVAL;
	return 0;
}

/* in [left|right] LAYERS */
static int parse_in(const char *at, struct context *context, struct step *step, struct error *err)
{
	const char *rest = at;
	char name[LEXER_KEY_MAX];

	context->packet = &step->packet;
	step->packet.device = DEVICE_LEFT;
	if (lexer_name(&rest, name, sizeof(name), err) == 0 &&
	    parse_device(name, &step->packet.device) == 0)
		at = rest;
	return layers_parse(at, &step->packet.in, err);
}

static const struct {
	const char *label;
	int code;
	bool sends; /* by TX or by redirect: the case says how */
} verdicts[] = {
#define PASS                        XDP_PASS, false
#define SEND                        XDP_TX, true
#define REPLY                       XDP_TX, false
#define DROP                        XDP_DROP, false
#define X(name, label, class, text) [LB_##name] = {label, class},
	LB_VERDICTS(X)
#undef X
#undef PASS
#undef SEND
#undef REPLY
#undef DROP
};

const char *verdict_name(enum lb_verdict verdict)
{
	return verdict < LB_VERDICT_COUNT ? verdicts[verdict].label : "none";
}

/* tx, or redirect left|right: how a packet leaves */
static int parse_leave(const char *at, struct step_packet *packet, struct error *err)
{
	char word[LEXER_KEY_MAX];
	int r = lexer_name(&at, word, sizeof(word), err);

	if (r < 0 || strcmp(word, "tx") == 0)
		return r;
	if (strcmp(word, "lost") == 0) {
		packet->code = XDP_DROP;
		return 0;
	}
	packet->code = XDP_REDIRECT;
	if (strcmp(word, "redirect") == 0 && lexer_name(&at, word, sizeof(word), err) == 0 &&
	    parse_device(word, &packet->redirect_to) == 0)
		return 0;
	return error_set(err, EINVAL, "'%s': not tx, redirect left or redirect right", word);
}

/* verdict NAME [tx | redirect left|right] */
static int parse_verdict(const char *at, struct context *context, struct error *err)
{
	struct step_packet *packet = context->packet;
	char word[LEXER_KEY_MAX];
	int verdict, r;

	if (!packet)
		return error_set(err, EINVAL, "a verdict needs a packet: no 'in' line before it");
	r = lexer_name(&at, word, sizeof(word), err);
	if (r < 0)
		return r;
	for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		if (strcmp(verdicts[verdict].label, word) == 0)
			break;
	if (verdict == LB_VERDICT_COUNT)
		return error_set(err, EINVAL, "there is no verdict '%s'", word);
	packet->has_verdict = true;
	packet->verdict = verdict;
	packet->code = verdicts[verdict].code;
	packet->out = packet->code == XDP_PASS ? OUT_SAME : OUT_NOTHING;
	return verdicts[verdict].sends ? parse_leave(at, packet, err) : 0;
}

/* LAYERS | LAYERS: all that stands before the IP header, and what changes from there on */
static int parse_wrapped(const char *at, const char *bar, struct step_packet *packet,
			 struct error *err)
{
	char *front = strndup(at, (size_t)(bar - at));
	int r;

	if (!front)
		return error_set(err, ENOMEM, "out of memory");
	packet->out = OUT_WRAPPED;
	r = layers_parse(front, &packet->front, err);
	free(front);
	return r < 0 ? r : layers_parse(bar + 1, &packet->change, err);
}

/* out same, out LAYERS, out LAYERS | LAYERS, out new LAYERS */
static int parse_out(const char *at, struct context *context, struct error *err)
{
	struct step_packet *packet = context->packet;

	if (!packet || !packet->has_verdict)
		return error_set(err, EINVAL, "'out' stands behind its packet's verdict");
	if (strcmp(at, "same") == 0) {
		packet->out = OUT_SAME;
		return 0;
	}
	if (strchr(at, '|'))
		return parse_wrapped(at, strchr(at, '|'), packet, err);
	packet->out = strncmp(at, "new ", 4) == 0 ? OUT_NEW : OUT_CHANGED;
	return layers_parse(packet->out == OUT_NEW ? at + 4 : at, &packet->change, err);
}

/* set BACKEND key=value... */
static int parse_set(const char *at, struct context *context, struct step *step, struct error *err)
{
	struct case_backend *backend;
	char name[CASE_WORD_MAX];
	size_t index = 0;
	int r;

	r = lexer_name(&at, name, sizeof(name), err);
	if (r == 0)
		r = find_backend(context->test, name, &index, err);
	if (r < 0)
		return r;
	backend = &context->backends[index];
	r = parse_backend_pairs(at, backend, err);
	step->set.index = index;
	step->set.backend = *backend;
	return r;
}

/* table SERVICE [BACKEND|none...]; likewise marks, earlier and earliest */
static int parse_table(const char *at, struct context *context, struct step *step,
		       struct error *err)
{
	struct step_table *table = &step->table;
	char name[CASE_WORD_MAX];
	int r;

	r = lexer_name(&at, name, sizeof(name), err);
	if (r == 0)
		r = find_service(context->test, name, &table->service, err);
	while (r == 0 && !lexer_at_end(&at) && table->count < CASE_BACKENDS_MAX) {
		r = lexer_name(&at, name, sizeof(name), err);
		if (r == 0 && strcmp(name, "none") == 0)
			table->owners[table->count] = CASE_NOBODY;
		else if (r == 0)
			r = find_backend(context->test, name, &table->owners[table->count], err);
		table->count++;
	}
	return r;
}

/* fold now=N former=N */
static int parse_fold(const char *at, uint32_t *fold, struct error *err)
{
	struct pair pair;
	uint64_t times;
	int r = 0;

	while (r == 0 && !lexer_at_end(&at)) {
		r = lexer_pair(&at, &pair, err);
		if (r == 0)
			r = parse_number(pair.value, 0, LB_FLOW_FOLD_MAX, &times, err);
		if (r < 0)
			return r;
		if (strcmp(pair.key, "now") == 0)
			*fold |= (uint32_t)times;
		else if (strcmp(pair.key, "former") == 0)
			*fold |= (uint32_t)times << LB_FLOW_FOLD_FORMER_SHIFT;
		else
			return error_set(err, EINVAL, "%s: not of a fold", pair.key);
	}
	return r;
}

/* count BACKEND | VIP | evictions, then key=number... */
static int parse_count(const char *at, struct step_count *count, struct error *err)
{
	struct pair pair;
	int r;

	r = lexer_pair(&at, &pair, err);
	if (r < 0)
		return r;
	snprintf(count->what, sizeof(count->what), "%.*s", VIP_TEXT_MAX - 1, pair.value);
	while (r == 0 && !lexer_at_end(&at)) {
		if (count->count == CASE_COUNTS_MAX)
			return error_set(err, EINVAL, "more than %d counts", CASE_COUNTS_MAX);
		r = lexer_pair(&at, &pair, err);
		if (r == 0)
			r = read_number(pair.value, UINT64_MAX, &count->counts[count->count].value,
					err);
		memcpy(count->counts[count->count++].key, pair.key, sizeof(pair.key));
	}
	return r;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sort_words(char *text)
{
	char copy[CASE_ENTRIES_MAX], *words[CASE_ENTRIES_MAX / 2], *save, *word;
	size_t count = 0, i, length = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save))
		words[count++] = word;
	qsort(words, count, sizeof(*words), compare_words);
	text[0] = '\0';
	for (i = 0; i < count; i++)
		length += snprintf(text + length, CASE_ENTRIES_MAX - length, "%s%s", i ? " " : "",
				   words[i]);
}

/* flows|nat none | BACKEND:STATE... */
static int parse_entries(const char *at, char entries[CASE_ENTRIES_MAX], struct error *err)
{
	if (strlen(at) >= CASE_ENTRIES_MAX)
		return error_set(err, EINVAL, "the list is too long");
	snprintf(entries, CASE_ENTRIES_MAX, "%s", strcmp(at, "none") == 0 ? "" : at);
	sort_words(entries);
	return 0;
}

static int parse_step(enum step_kind kind, const char *at, struct context *context,
		      struct step *step, struct error *err)
{
	switch (kind) {
	case STEP_PACKET:
		return parse_in(at, context, step, err);
	case STEP_SET:
		return parse_set(at, context, step, err);
	case STEP_TABLE:
	case STEP_MARKS:
	case STEP_EARLIER:
	case STEP_EARLIEST:
		return parse_table(at, context, step, err);
	case STEP_AGE:
		return parse_duration(at, 1, UINT32_MAX, &step->age_ms, err);
	case STEP_FOLD:
		return parse_fold(at, &step->flow_fold, err);
	case STEP_FLOWS:
	case STEP_NAT:
		return parse_entries(at, step->entries, err);
	case STEP_COUNT:
		return parse_count(at, &step->count, err);
	}
	return -EINVAL;
}

static const struct {
	const char *word;
	enum step_kind kind;
} step_words[] = {
	{"in", STEP_PACKET},       {"set", STEP_SET},           {"table", STEP_TABLE},
	{"marks", STEP_MARKS},     {"age", STEP_AGE},           {"fold", STEP_FOLD},
	{"flows", STEP_FLOWS},     {"nat", STEP_NAT},           {"count", STEP_COUNT},
	{"earlier", STEP_EARLIER}, {"earliest", STEP_EARLIEST},
};

static int parse_statement(const char *word, const char *at, unsigned int line,
			   struct context *context, struct error *err)
{
	struct step *step;
	size_t i;

	if (strcmp(word, "verdict") == 0)
		return parse_verdict(at, context, err);
	if (strcmp(word, "out") == 0)
		return parse_out(at, context, err);
	for (i = 0; i < sizeof(step_words) / sizeof(step_words[0]); i++) {
		if (strcmp(step_words[i].word, word) != 0)
			continue;
		step = add_step(context->test, step_words[i].kind, line);
		if (!step)
			return error_set(err, ENOMEM, "out of memory");
		return parse_step(step_words[i].kind, at, context, step, err);
	}
	if (context->test->step_count > 0)
		return error_set(err, EINVAL, "'%s' is no step, and setup stands before the steps",
				 word);
	return parse_setup(word, at, context->test, err);
}

static int check_packet(const struct step_packet *packet, struct error *err)
{
	bool sent = packet->code == XDP_TX || packet->code == XDP_REDIRECT;

	if (!packet->has_verdict)
		return error_set(err, EINVAL, "the packet has no verdict");
	if (sent && packet->out == OUT_NOTHING)
		return error_set(err, EINVAL, "a packet that leaves needs an 'out' line");
	if (packet->code == XDP_DROP && packet->out != OUT_NOTHING)
		return error_set(err, EINVAL, "nothing comes out of a drop");
	return 0;
}

static int read_body(struct case_reader *reader, struct test_case *test, struct error *err)
{
	struct context context = {.test = test};
	char word[LEXER_KEY_MAX];
	const char *at;
	size_t i;
	int r = 0;

	while (r == 0 && (at = next_statement(reader))) {
		r = lexer_name(&at, word, sizeof(word), err);
		if (r < 0)
			return r;
		if (strcmp(word, "case") == 0) {
			reader->waiting = true;
			break;
		}
		lexer_skip_blanks(&at);
		if (test->step_count == 0)
			memcpy(context.backends, test->backends, sizeof(context.backends));
		r = parse_statement(word, at, reader->number, &context, err);
	}
	for (i = 0; r == 0 && i < test->step_count; i++)
		if (test->steps[i]->kind == STEP_PACKET)
			r = check_packet(&test->steps[i]->packet, err);
	return r;
}

int case_read(struct case_reader *reader, struct test_case **ret_case, unsigned int *ret_line,
	      struct error *err)
{
	const char *at = next_statement(reader);
	struct test_case *test;
	struct pair name = {0};
	char word[LEXER_KEY_MAX];
	int r;

	if (!at)
		return 0;
	*ret_line = reader->number;
	r = lexer_name(&at, word, sizeof(word), err);
	if (r == 0)
		r = lexer_pair(&at, &name, err);
	if (r < 0)
		return r;
	if (strcmp(word, "case") != 0 || !name.quoted)
		return error_set(err, EINVAL, "not the begin of a case: case \"NAME\"");
	test = calloc(1, sizeof(*test));
	if (!test)
		return error_set(err, ENOMEM, "out of memory");
	snprintf(test->name, sizeof(test->name), "%.*s", CASE_NAME_MAX - 1, name.value);
	test->line = reader->number;
	setup_defaults(test);
	r = read_body(reader, test, err);
	if (r < 0) {
		*ret_line = reader->number;
		case_free(test);
		return r;
	}
	*ret_case = test;
	return 1;
}

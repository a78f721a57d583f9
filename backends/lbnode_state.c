/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"

#define STATE_VERSION 1
#define FILE_MAX      (256 * 1024)

static const char *const state_keys[] = {"version", "steps", NULL};

/* --- reading --- */

/* The kind whose own key the step has; STEP_KINDS: none. */
static enum step_kind kind_of(const cJSON *json)
{
	enum step_kind kind = 0;

	while (kind < STEP_KINDS && !cJSON_HasObjectItem(json, step_fields(kind)[0].key))
		kind++;
	return kind;
}

static int check_keys(const cJSON *json, const struct step_field *fields, struct error *err)
{
	const char *keys[STEP_FIELDS_MAX + 1] = {NULL};

	for (size_t i = 0; fields[i].key; i++)
		keys[i] = fields[i].key;
	return json_check_keys(json, "step", keys, err);
}

static int read_field(const cJSON *json, const struct step_field *field, struct step *step,
		      struct error *err)
{
	void *at = (char *)step + field->offset;
	const char *text = NULL;
	int r;

	if (field->type == FIELD_NUMBER)
		return json_number(json, "step", field->key, 0, UINT32_MAX, at, err);
	r = json_string(json, "step", field->key, &text, err);
	if (r < 0)
		return r;
	if (field->type == FIELD_PREFIX)
		return text ? parse_prefix(text, at, err) : 0;
	if (!text || strlen(text) >= field->size)
		return error_set(err, EINVAL, "step: %s is missing or too long", field->key);
	snprintf(at, field->size, "%s", text);
	return 0;
}

static int read_step(const cJSON *json, struct step *step, struct error *err)
{
	const struct step_field *field;
	int r;

	step->kind = kind_of(json);
	if (step->kind == STEP_KINDS)
		return error_set(err, EINVAL, "step: of no kind that this lbnode knows");
	field = step_fields(step->kind);
	r = check_keys(json, field, err);
	for (; r == 0 && field->key; field++)
		r = read_field(json, field, step, err);
	return r;
}

static int read_state(const cJSON *json, struct node_state *state, struct error *err)
{
	const cJSON *steps = NULL, *item;
	uint64_t version = 0;
	int r = json_check_keys(json, "state", state_keys, err);

	if (r == 0)
		r = json_number(json, "state", "version", STATE_VERSION, STATE_VERSION, &version,
				err);
	if (r == 0)
		r = json_array(json, "state", "steps", &steps, err);
	if (r < 0)
		return r;
	cJSON_ArrayForEach (item, steps) {
		if (state->count == STEPS_MAX)
			return error_set(err, E2BIG, "more than %d steps", STEPS_MAX);
		r = read_step(item, &state->steps[state->count], err);
		if (r < 0)
			return r;
		state->count++;
	}
	return 0;
}

/* Returns the length or a negative errno. */
static ssize_t read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, buffer, size);
	if (length < 0)
		length = -errno;
	close(fd);
	return length;
}

static int parse_state(const char *text, size_t length, struct node_state *state, struct error *err)
{
	cJSON *json;
	int r = json_parse(text, length, &json, err);

	if (r < 0)
		return r;
	r = read_state(json, state, err);
	cJSON_Delete(json);
	return r;
}

int node_state_load(const char *path, struct node_state *ret_state, struct error *err)
{
	static char text[FILE_MAX];
	static struct node_state state;
	struct error inner;
	ssize_t length;
	int r;

	memset(&state, 0, sizeof(state));
	length = read_file(path, text, sizeof(text));
	if (length < 0 && length != -ENOENT)
		return error_set(err, (int)-length, "cannot read %s: %s", path,
				 strerror((int)-length));
	r = length < 0 ? 0 : parse_state(text, (size_t)length, &state, &inner);
	if (r < 0)
		return error_hint(err, error_set(err, -r, "%s: %s", path, inner.message),
				  "if nothing is to be undone, remove the file");
	*ret_state = state;
	return 0;
}

/* --- writing --- */

static void write_field(cJSON *json, const struct step_field *field, const struct step *step)
{
	const void *at = (const char *)step + field->offset;
	char text[PREFIX_TEXT_MAX];

	if (field->type == FIELD_NUMBER)
		cJSON_AddNumberToObject(json, field->key, (double)*(const uint64_t *)at);
	else if (field->type == FIELD_TEXT)
		cJSON_AddStringToObject(json, field->key, at);
	else if (((const struct prefix *)at)->length > 0)
		cJSON_AddStringToObject(json, field->key, format_prefix(at, text));
}

static cJSON *write_step(const struct step *step)
{
	cJSON *json = cJSON_CreateObject();

	for (const struct step_field *field = step_fields(step->kind); field->key; field++)
		write_field(json, field, step);
	return json;
}

/* The caller frees it; NULL when out of memory. */
static char *write_state(const struct node_state *state)
{
	cJSON *json = cJSON_CreateObject(), *steps;
	char *text;

	cJSON_AddNumberToObject(json, "version", STATE_VERSION);
	steps = cJSON_AddArrayToObject(json, "steps");
	for (size_t i = 0; i < state->count; i++)
		cJSON_AddItemToArray(steps, write_step(&state->steps[i]));
	text = cJSON_Print(json);
	cJSON_Delete(json);
	return text;
}

/* Makes path's folder; its parent must be there. */
static int make_folder(const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	return mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t length = strlen(text);
	ssize_t written;
	int r = 0;

	if (fd < 0)
		return -errno;
	written = write(fd, text, length);
	if (written < 0 || fsync(fd) < 0)
		r = -errno;
	else if ((size_t)written != length)
		r = -ENOSPC;
	close(fd);
	return r;
}

static int replace_file(const char *path, const char *text)
{
	char aside[PATH_MAX];
	int r;

	if (snprintf(aside, sizeof(aside), "%s.new", path) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	r = make_folder(path);
	if (r == 0)
		r = write_file(aside, text);
	if (r == 0 && rename(aside, path) < 0)
		r = -errno;
	return r;
}

int node_state_save(const char *path, const struct node_state *state, struct error *err)
{
	char *text;
	int r;

	if (state->count == 0) {
		r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	} else {
		text = write_state(state);
		r = text ? replace_file(path, text) : -ENOMEM;
		free(text);
	}
	if (r < 0)
		return error_set(err, -r, "cannot write %s: %s", path, strerror(-r));
	return 0;
}

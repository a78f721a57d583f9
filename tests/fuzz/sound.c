/* SPDX-License-Identifier: Apache-2.0 */
#include "sound.h"

#include <string.h>

#include "config.h"
#include "document.h"
#include "fuzz.h"

static char *print(cJSON *json)
{
	char *text = cJSON_Print(json);

	must(text);
	cJSON_Delete(json);
	return text;
}

typedef cJSON *(*writer)(const struct desired *desired);
typedef int (*reader)(const cJSON *json, struct desired **ret_desired, struct error *err);

static struct desired *read_back(const char *text, reader read)
{
	cJSON *json = cJSON_Parse(text);
	struct desired *desired = NULL;
	struct error err = {0};

	must(json);
	if (read(json, &desired, &err) < 0)
		fprintf(stderr, "# %s\n", err.message);
	must(desired);
	cJSON_Delete(json);
	return desired;
}

/* What is written reads back, and is then written the same. */
static void sound(const struct desired *desired, writer write, reader read)
{
	char *text = print(write(desired)), *again;
	struct desired *back = read_back(text, read);

	again = print(write(back));
	must(strcmp(text, again) == 0);
	desired_free(back);
	cJSON_free(again);
	cJSON_free(text);
}

void sound_document(const struct desired *desired)
{
	sound(desired, document_write, document_read);
}

void sound_state(const struct desired *desired)
{
	sound(desired, config_write_state, config_read_state);
}

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

static struct desired *read_back(const char *text,
				 int (*read)(const cJSON *json, struct desired **ret_desired,
					     struct error *err))
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

void sound_document(const struct desired *desired)
{
	char *text = print(document_write(desired)), *again;
	struct desired *read = read_back(text, document_read);

	again = print(document_write(read));
	must(strcmp(text, again) == 0);
	desired_free(read);
	cJSON_free(again);
	cJSON_free(text);
}

void sound_state(const struct desired *desired)
{
	char *text = print(config_write_state(desired)), *again;
	struct desired *read = read_back(text, config_read_state);

	again = print(config_write_state(read));
	must(strcmp(text, again) == 0);
	desired_free(read);
	cJSON_free(again);
	cJSON_free(text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any arguments of lbctl, a line each. No agent is there to be asked: each verb gets as far as its
 * request. What is written goes nowhere, in a network namespace and a directory of its own.
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fuzz.h"

#define ARGUMENTS_MAX 64

int lbctl_main(int argc, char *argv[]);
struct client *__real_client_new(const char *socket, const char *url, long timeout_ms);
struct client *__wrap_client_new(const char *socket, const char *url, long timeout_ms);

/* Nobody but an agent that is not there. */
struct client *__wrap_client_new(const char *socket, const char *url, long timeout_ms)
{
	(void)socket;
	(void)url;
	return __real_client_new("/nonexistent/lbagent.sock", NULL, timeout_ms);
}

static char directory[] = "/tmp/sluice-fuzz-XXXXXX";

static void end(void)
{
	rmdir(directory); /* which fails if a verb has left a file behind: look at it */
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(unshare(CLONE_NEWNET) == 0);
	must(mkdtemp(directory) && chdir(directory) == 0);
	atexit(end);
	must(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "r", stdin));
	return 0;
}

/* argv[] ends with NULL; the words point into text. */
static int split(char *text, char *argv[ARGUMENTS_MAX + 1])
{
	static char name[] = "lbctl";
	int argc = 0;
	char *word;

	argv[argc++] = name;
	while (argc < ARGUMENTS_MAX && (word = strsep(&text, "\n")))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	char *argv[ARGUMENTS_MAX + 1];
	FILE *terminal = stderr;
	int status;

	must(text);
	stderr = fopen("/dev/null", "w");
	must(stderr);
	status = lbctl_main(split(text, argv), argv);
	fclose(stderr);
	stderr = terminal;
	must(status >= 0 && status <= 2);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHILD_H
#define SLUICE_CHILD_H

/*
 * Programs that run beside the loop: without a shell, at /, with standard input empty and nothing
 * of ours but what is given here, in a session and process group of their own. What they have left
 * behind is killed at their end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define CHILD_VARIABLES_MAX 8

struct child;

enum child_stream { CHILD_OUTPUT, CHILD_ERRORS, CHILD_STREAMS };

struct child_order {
	char **words;                             /* the program and its arguments, ended by NULL */
	char *variables[CHILD_VARIABLES_MAX + 1]; /* "NAME=VALUE" beside PATH, ended by NULL */
	bool errors_apart; /* else standard error goes where standard output does */

	/* A part of what it prints; as much of it as it likes to print. */
	void (*said)(void *context, enum child_stream stream, const char *bytes, size_t length);
	/* Once, when it has been reaped and all that it left to be read has been given to said. The
	 * child is no more. signal: that killed it, or 0. */
	void (*ended)(void *context, int64_t status, int signal);
	void *context; /* must live until ended */
};

/* Nothing is called back from within. What order points to is needed no longer than this takes,
 * context apart. A negative errno: nothing runs, and nothing is called back. */
int child_start(uv_loop_t *loop, const struct child_order *order, struct child **ret_child);

/* Kills it, and what it has started; ended follows. */
void child_kill(struct child *child);

/* Of a failure, in words: "exit status 3: SAID", "killed by signal 9"; said may be "". */
void child_explain(int64_t status, int signal, const char *said, char *reason, size_t size);

#endif

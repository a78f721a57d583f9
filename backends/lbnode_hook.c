/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "parse.h"

struct hook {
	pid_t pid;
	int output;
	char text[HOOK_OUTPUT_MAX + 2]; /* one more tells that it is too long */
	size_t length;
};

/* In a process group of its own, so that it ends with all that it has started. */
static void become(char *const *words, int output)
{
	int nothing = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
		_exit(127);
	execv(words[0], words);
	_exit(127);
}

static int start(struct hook *hook, char *const *words, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "no pipe: %s", strerror(errno));
	hook->pid = fork();
	if (hook->pid == 0)
		become(words, ends[1]);
	close(ends[1]);
	hook->output = ends[0];
	if (hook->pid > 0) {
		setpgid(hook->pid, hook->pid); /* whoever of both is first */
		return 0;
	}
	close(ends[0]);
	return error_set(err, errno, "cannot be started: %s", strerror(errno));
}

/* Until it closes its output, says too much, or time is up. */
static int listen_to(struct hook *hook)
{
	uint64_t end = clock_ms(CLOCK_MONOTONIC) + HOOK_TIMEOUT_MS, now;
	struct pollfd poll_fd = {.fd = hook->output, .events = POLLIN};
	ssize_t length = 1;

	while (length > 0 && hook->length < sizeof(hook->text) - 1) {
		now = clock_ms(CLOCK_MONOTONIC);
		if (now >= end || poll(&poll_fd, 1, (int)(end - now)) == 0)
			return -ETIMEDOUT;
		length = read(hook->output, hook->text + hook->length,
			      sizeof(hook->text) - 1 - hook->length);
		hook->length += length > 0 ? (size_t)length : 0;
	}
	return 0;
}

/* Whatever of it is left. One that has closed its output and does not exit is not waited for. */
static int end(struct hook *hook, bool kills)
{
	uint64_t until = clock_ms(CLOCK_MONOTONIC) + HOOK_TIMEOUT_MS;
	int status = -1;

	close(hook->output);
	while (!kills && waitpid(hook->pid, &status, WNOHANG) == 0) {
		clock_pause(1);
		kills = clock_ms(CLOCK_MONOTONIC) >= until;
	}
	kill(-hook->pid, SIGKILL);
	if (kills)
		waitpid(hook->pid, &status, 0);
	return kills ? -1 : status;
}

static int read_value(struct hook *hook, double *ret_value, struct error *err)
{
	double value;

	if (hook->length > HOOK_OUTPUT_MAX)
		return error_set(err, EINVAL, "says more than %d bytes", HOOK_OUTPUT_MAX);
	hook->text[strcspn(hook->text, "\n")] = '\0';
	if (parse_decimal(hook->text, &value, err) < 0 || value < 0)
		return error_set(err, EINVAL, "does not say a number from 0 up");
	*ret_value = value;
	return 0;
}

int hook_ask(char *const *words, double *ret_value, struct error *err)
{
	struct hook hook = {.length = 0};
	int r = start(&hook, words, err), status;

	if (r < 0)
		return r;
	r = listen_to(&hook);
	status = end(&hook, r < 0);
	if (r < 0 || status < 0)
		return error_set(err, ETIMEDOUT, "takes longer than %d ms", HOOK_TIMEOUT_MS);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, EINVAL, "fails, with status %d",
				 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return read_value(&hook, ret_value, err);
}

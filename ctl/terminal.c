/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no cursor; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[?25h\033[?1049l";

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

/* The terminal is one, and so is this: signal handlers have no context. */
static struct termios former;
static volatile sig_atomic_t taken, redraw;

/* write(2) and tcsetattr(3) may be called by signal handlers. What they cannot do is nobody's. */
static void put(const char *text, size_t length)
{
	ssize_t count;

	while (length > 0) {
		count = write(STDOUT_FILENO, text, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return;
		text += count;
		length -= (size_t)count;
	}
}

static void take(void)
{
	struct termios raw = former;

	/* Keys at once and unseen; Ctrl-C and Ctrl-Z still mean what they do. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(enter, sizeof(enter) - 1);
	taken = 1;
	redraw = 1;
}

void terminal_close(void)
{
	if (!taken)
		return;
	taken = 0;
	put(leave, sizeof(leave) - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &former);
}

/* --- signals --- */

static void watch(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

/* The terminal back, and then what the signal does to anybody. */
static void on_deadly(int number)
{
	terminal_close();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_continue(int number)
{
	(void)number;
	if (!taken)
		take();
}

static void on_stop(int number)
{
	sigset_t set;

	terminal_close();
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops, and goes on by SIGCONT */
	watch(number, on_stop);
	on_continue(SIGCONT);
}

static void on_resize(int number)
{
	(void)number;
	redraw = 1;
}

int terminal_open(struct error *err)
{
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &former) < 0)
		return error_set(err, ENOTTY, "standard input and output are not a terminal");
	atexit(terminal_close);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		watch(deadly[i], on_deadly);
	watch(SIGTSTP, on_stop);
	watch(SIGWINCH, on_resize);
	take();
	return 0;
}

/* --- in and out --- */

struct terminal_size terminal_size(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return (struct terminal_size){.rows = 24, .columns = 80};
	return (struct terminal_size){.rows = size.ws_row, .columns = size.ws_col};
}

/* A key may come as several bytes, all at once. */
static int decode(const char *bytes, ssize_t count)
{
	static const struct {
		const char *bytes;
		int key;
	} sequences[] = {
		{"\033[A", KEY_UP},   {"\033OA", KEY_UP},       {"\033[B", KEY_DOWN},
		{"\033OB", KEY_DOWN}, {"\033[5~", KEY_PAGE_UP}, {"\033[6~", KEY_PAGE_DOWN},
	};

	if (count <= 0)
		return KEY_NONE;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		if ((size_t)count == strlen(sequences[i].bytes) &&
		    memcmp(bytes, sequences[i].bytes, (size_t)count) == 0)
			return sequences[i].key;
	}
	return bytes[0] == '\033' && count > 1 ? KEY_NONE : (unsigned char)bytes[0];
}

int terminal_key(unsigned int timeout_ms)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char bytes[16];

	if (redraw) {
		redraw = 0;
		return KEY_NONE;
	}
	if (poll(&input, 1, (int)timeout_ms) <= 0)
		return KEY_NONE;
	if (input.revents & (POLLHUP | POLLERR))
		return 'q'; /* nobody is there any more */
	return decode(bytes, read(STDIN_FILENO, bytes, sizeof(bytes)));
}

/* All in one write: a terminal that shows half of it would flicker. */
void terminal_show(const char *picture)
{
	char *bytes = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&bytes, &length);

	if (stream == NULL)
		return;
	fputs("\033[H", stream);
	while (*picture != '\0') {
		size_t line = strcspn(picture, "\n");

		fwrite(picture, 1, line, stream);
		fputs("\033[K", stream); /* what stood behind it */
		picture += line;
		if (*picture == '\n' && *++picture != '\0')
			fputs("\r\n", stream);
	}
	fputs("\033[J", stream);
	if (fclose(stream) == 0)
		put(bytes, length);
	free(bytes);
}

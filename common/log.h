/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

/*
 * Structured log lines on standard error, logfmt style, one line an event:
 *
 *   ts=2026-11-21T01:02:03.456Z level=info msg="backend up" service=web backend=198.18.1.11:80
 *
 * Under systemd (JOURNAL_STREAM set) ts is left out and the <N> priority prefix is put in front.
 * Threads may write lines at once; the level is set before there are any. Only the programs' outer
 * layers log; libraries return errors.
 */
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warn", "info" or "debug"; returns false and leaves ret_level alone otherwise. */
bool log_level_parse(const char *text, enum log_level *ret_level);
void log_set_level(enum log_level level);

/*
 * Writes one line. keys are pairs of strings, key then value, ended by NULL; values are quoted
 * where they need it. A NULL value is written as an empty one.
 */
__attribute__((sentinel)) void log_event(enum log_level level, const char *message, ...);

/* The same with the pairs in an array, ended by NULL; pairs whose value is empty are left out. */
void log_pairs(enum log_level level, const char *message, const char *const *pairs);

#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__, (const char *)NULL)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, __VA_ARGS__, (const char *)NULL)
#define log_info(...)  log_event(LOG_LEVEL_INFO, __VA_ARGS__, (const char *)NULL)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__, (const char *)NULL)

#endif

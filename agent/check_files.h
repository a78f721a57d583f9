/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHECK_FILES_H
#define SLUICE_CHECK_FILES_H

/*
 * The files that a check names, looked at when a change names them: later they may change or go,
 * and then the probes fail and say so.
 */
#include "check.h"

/*
 * Certificates and keys must be there, be readable and belong together; a command must be a program
 * that lies in the directory commands, for who may change a service must not thereby be able to run
 * anything as the agent's user. -EINVAL names the file and what is wrong with it.
 */
int check_files(const struct check_spec *spec, const char *service, const char *commands,
		struct error *err);

/* The last of these for one program: field is the key that names it. */
int check_program(const char *program, const char *field, const char *service, const char *commands,
		  struct error *err);

#endif

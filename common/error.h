/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

/*
 * Why something a person asked for was refused, in words for that person. Functions that can
 * refuse take a struct error * (never NULL), fill it and return a negative errno; on success
 * they leave it alone. Library code fills errors, only the outermost caller prints them.
 */
struct error {
	char message[320]; /* object, reason: "backend 198.18.1.300: not an IP address" */
	char field[64];    /* the key, flag or parameter at fault; may be empty */
	char hint[192];    /* the way out; may be empty */
};

/* Fills err's message and clears field and hint. Returns -code (code is a positive errno). */
__attribute__((format(printf, 3, 4))) int error_set(struct error *err, int code, const char *format,
						    ...);

/* Adds the way out. Returns code unchanged, for `return error_hint(err, -EINVAL, ...)`. */
__attribute__((format(printf, 3, 4))) int error_hint(struct error *err, int code,
						     const char *format, ...);

/* Names the field at fault. Returns code unchanged. */
int error_field(struct error *err, int code, const char *field);

/* Names a query's parameter at fault, in the message as well. Returns code unchanged; 0: nothing is
 * at fault, and err stays as it is. */
int error_parameter(struct error *err, int code, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	err->field[0] = '\0';
	err->hint[0] = '\0';
	return -code;
}

int error_hint(struct error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	return code;
}

int error_field(struct error *err, int code, const char *field)
{
	snprintf(err->field, sizeof(err->field), "%s", field);
	return code;
}

int error_parameter(struct error *err, int code, const char *name)
{
	struct error inner;

	if (code == 0)
		return 0;
	inner = *err;
	error_set(err, -code, "parameter %s: %s", name, inner.message);
	error_hint(err, code, "%s", inner.hint);
	return error_field(err, code, name);
}

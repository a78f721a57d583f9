/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PAGE_H
#define SLUICE_PAGE_H

/*
 * The web page, served from memory: "/" is agent/ui/index.html, "/ui/NAME" any other file of
 * agent/ui, and Chart.js. It is a client of the API like any other. The paths are a fixed list,
 * so there is no way out of it.
 */
#include <stdbool.h>

#include "http.h"

/*
 * False: the page has no such path, or not for this method. path as it was asked for, still
 * percent-encoded; if_none_match is the header's value, NULL: there is none. 304 if it names the
 * file as it is.
 */
bool page_answer(const char *method, const char *path, const char *if_none_match,
		 struct http_response *ret_response);

#endif

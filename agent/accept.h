/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ACCEPT_H
#define SLUICE_ACCEPT_H

/* What a client would like to have, by its header Accept (RFC 9110, 12.5.1). Pure. */

struct accept {
	unsigned int quality;     /* in thousandths; 0: not wanted */
	unsigned int specificity; /* how it was named: 0 not at all, or by "*" + "/" + "*", 1 by
				   * "type/" + "*", 2 by its name, 3 with its version */
};

/*
 * How much a client wants this media type in this version. Of the header's ranges that it is in,
 * the most specific one says so; other parameters than version do not matter, and a range that
 * cannot be read does not count. header NULL: whatever there is.
 */
struct accept accept_find(const char *header, const char *type, const char *version);

#endif

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# hold.sh ADDR: an HTTP client that keeps one connection. For each line on standard input it asks
# for / and prints the first line of the answer's body, or "broken" when the connection is.
exec 3<>"/dev/tcp/$1/80" || exit
trap '' PIPE
while read -r _; do
	answer=broken
	if printf 'GET / HTTP/1.1\r\nHost: held\r\n\r\n' >&3; then
		while read -r -t 3 -u 3 line && [ "$line" != $'\r' ]; do :; done
		read -r -t 3 -u 3 answer || answer=broken
	fi
	echo "$answer"
done 2>/dev/null

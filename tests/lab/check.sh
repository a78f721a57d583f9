# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Test cases for scripts: one line each, "ok NAME", "not ok NAME" or "skip NAME: why", as
# tests/run.sh counts them; behind a failed one, what helps to understand it, each line begun
# with "# ". End the script with checks_done.

CHECKS_FAILED=0

ok() {
	echo "ok $1"
}

# not_ok NAME [WHY]
not_ok() {
	echo "not ok $1"
	[ -z "${2:-}" ] || echo "# ${2//$'\n'/$'\n# '}"
	CHECKS_FAILED=$((CHECKS_FAILED + 1))
}

skip() {
	echo "skip $1: $2"
}

# check NAME CMD...: ok if CMD succeeds; its output is shown if not.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "$* failed ($?): $output"
	fi
}

# check_equal NAME WANTED GOT
check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted: $2
got:    $3"
	fi
}

# check_none NAME [LIST]: ok if the list, of what is wrong, is empty; else it is shown.
check_none() {
	local list=${2:-}
	list=${list#$'\n'}
	if [ -z "$list" ]; then
		ok "$1"
	else
		not_ok "$1" "$list"
	fi
}

# check_matches NAME PATTERN TEXT: an extended regular expression.
check_matches() {
	if grep -Eq -- "$2" <<<"$3"; then
		ok "$1"
	else
		not_ok "$1" "nothing matches '$2' in: $3"
	fi
}

# check_at_most NAME LIMIT GOT, whole numbers
check_at_most() {
	if [ -n "$3" ] && [ "$3" -le "$2" ]; then
		ok "$1 ($3)"
	else
		not_ok "$1" "wanted at most $2, got ${3:-nothing}"
	fi
}

# check_between NAME LEAST MOST GOT, whole numbers
check_between() {
	if [ -n "$4" ] && [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then
		ok "$1 ($4)"
	else
		not_ok "$1" "wanted $2 to $3, got ${4:-nothing}"
	fi
}

# promise NAME LIMIT GOT: check_at_most for what docs/promises.md promises; tests/run.sh collects
# the figures in build/promises.txt.
promise() {
	check_at_most "$@"
	echo "# promise $1: ${3:-nothing} (limit $2)"
}

# The way out when there is nothing left to test.
bail() {
	not_ok "$1" "$(tail -n 20 "$LAB_LOG" 2>/dev/null)"
	exit 1
}

checks_done() {
	[ "$CHECKS_FAILED" -eq 0 ]
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every test program and prints what failed; the last line is "N passed, N failed, N skipped".
#   tests/run.sh [NAME]...   only programs whose name contains a NAME
# A program counts case by case: cmocka's summary lines, or a script's lines "ok NAME",
# "not ok NAME", "skip NAME: why". One that ends badly without such a line counts as one failure,
# and so does one that says nothing. Logs stay in build/logs/, what was measured of each promise in
# build/promises.txt, and what was done to break the programs in build/trust.txt. On a slow machine,
# SLOWER=N gives each N times as long.
#
# So many run side by side as there are processors, or JOBS; of the scripts of e2e/, whose waits are
# made for a machine that is not busy, E2E_JOBS (2). One that cannot bear others beside it at all says
# so in its head, "# alone: WHY", and runs after them. What takes another kernel runs beside them all,
# on what they leave of the processors.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${O:-build}
logs=$build/logs
filters=("${@:-}")
jobs=${JOBS:-$(nproc)}
passed=0 failed=0 skipped=0
declare -A running=() # by pid: name, seconds that it may take, when it began
beside=               # the pid of one that takes no room

# Ctrl-C reaches only this script: each program has a process group of its own.
end() {
	trap - INT TERM
	{ kill -TERM "${!running[@]}" && wait; } 2>/dev/null
	exit 130
}
trap end INT TERM

# count LOG PATTERN: lines that match
count() {
	grep -Ec -- "$2" "$1"
}

# sum LOG PATTERN: the sum of the numbers that sed takes out by PATTERN
sum() {
	sed -nE "s/$2/\1/p" "$1" | awk '{n += $1} END {print n + 0}'
}

# tally LOG STATUS: adds a program's cases to the totals; fails if it had a failure.
tally() {
	local log=$1 status=$2 good bad skips
	if grep -q '^\[==========\]' "$log"; then
		good=$(sum "$log" '^\[  PASSED  \] ([0-9]+) test.*')
		bad=$(sum "$log" '^\[  FAILED  \] ([0-9]+) test\(s\), listed below:.*')
		skips=$(sum "$log" '^\[  SKIPPED \] ([0-9]+) test\(s\), listed below:.*')
	else
		good=$(count "$log" '^ok ')
		bad=$(count "$log" '^not ok ')
		skips=$(count "$log" '^skip ')
	fi
	if [ "$bad" -eq 0 ]; then
		if [ "$status" -ne 0 ]; then
			echo "not ok ended with status $status" >>"$log"
			bad=1
		elif [ $((good + skips)) -eq 0 ]; then
			echo "not ok ran no test" >>"$log"
			bad=1
		fi
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	skipped=$((skipped + skips))
	[ "$bad" -eq 0 ]
}

# failures LOG: a script's failed cases, with what helps to understand them, and the last lines
failures() {
	awk '/^not ok / {print; behind = 1; next} behind && /^# / {print; next} {behind = 0}' "$1" |
		head -n 100
	echo "last lines:"
	tail -n 30 "$1"
}

# wanted NAME: does it contain any of the filters?
wanted() {
	local filter
	for filter in "${filters[@]}"; do
		[[ $1 != *"$filter"* ]] || return 0
	done
	return 1
}

# log_of NAME
log_of() {
	echo "$logs/${1//\//-}.log"
}

# run SECONDS NAME CMD...: in the background, as soon as there is room for one more
run() {
	local limit=$(($1 * ${SLOWER:-1})) name=$2
	shift 2
	wanted "$name" || return 0
	drain $((jobs - 1))
	timeout -k 20 "$limit" "$@" >"$(log_of "$name")" 2>&1 </dev/null &
	running[$!]="$name $limit $SECONDS"
}

# clear_away PID: ends what a program has left running in its process group; fails if there was any.
clear_away() {
	local end=$((SECONDS + 4)) left
	while left=$(pgrep -a -g "$1"); do
		if ((SECONDS >= end)); then
			awk '{$1 = "not ok left running:"; print}' <<<"$left"
			kill -KILL -- "-$1" 2>/dev/null
			return 1
		fi
		sleep 0.2
	done
}

# run_beside SECONDS NAME CMD...: at once, and takes no room; at the lowest priority
run_beside() {
	wanted "$2" || return 0
	jobs=$((jobs + 99)) run "$1" "$2" nice -n 19 "${@:3}"
	beside=$!
}

# taken: how many run that take room
taken() {
	local pid n=0
	for pid in "${!running[@]}"; do
		[ "$pid" = "$beside" ] || n=$((n + 1))
	done
	echo $n
}

# drain N: waits until no more than N take room
drain() {
	local pid status
	while [ "$(taken)" -gt "$1" ]; do
		wait -n -p pid "${!running[@]}"
		status=$?
		# shellcheck disable=SC2086 # words
		clear_away "$pid" >>"$(log_of ${running[$pid]%% *})" || status=1
		# shellcheck disable=SC2086 # words
		report "$status" ${running[$pid]}
		unset "running[$pid]"
		[ "$pid" != "$beside" ] || beside=
	done
}

# report STATUS NAME SECONDS BEGIN
report() {
	local status=$1 name=$2 limit=$3 took=$((SECONDS - $4)) log
	log=$(log_of "$name")
	[ "$status" -ne 124 ] || echo "not ok ended by its time limit of $limit s" >>"$log"
	sed -n "s|^# promise |$name: |p" "$log" >>"$build/promises.txt"
	sed -n 's/^# trust //p' "$log" >>"$build/trust.txt"
	if tally "$log" "$status"; then
		printf 'PASS  %-28s %3d s\n' "$name" "$took"
		grep -E '^skip |^# lb_' "$log"
	else
		printf 'FAIL  %-28s %3d s   %s\n' "$name" "$took" "$log"
		failures "$log" | sed 's/^/      /'
		grep -E '^not ok |^\[  FAILED  \] ' "$log" | sed "s|^|$name: |" >>"$build/failed.txt"
	fi
}

# e2e -L|-l: the scripts that say in their heads that they run alone (-l), or do not (-L)
e2e() {
	local script scripts
	mapfile -t scripts < <(grep "$1" '^# alone: ' tests/e2e/*.sh)
	for script in "${scripts[@]}"; do
		run 600 "e2e/$(basename "$script" .sh)" bash "$script"
	done
	drain 0
}

mkdir -p "$logs"
: >"$build/promises.txt"
: >"$build/trust.txt"
: >"$build/failed.txt"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export CMOCKA_MESSAGE_OUTPUT=STDOUT

for program in "$build"/tests/unit/test_*; do
	[ -f "$program" ] && [ -x "$program" ] && run 180 "unit/$(basename "$program")" "$program"
done
for script in tests/unit/*.sh; do
	[ -f "$script" ] && run 180 "unit/$(basename "$script" .sh)" bash "$script"
done
run 120 coverage bash tests/packet/coverage.sh
run 300 packet/lb_packet_test "$build/tests/packet/lb_packet_test" tests/packet/cases/*.pkt
for fuzzer in tests/fuzz/fuzz_*.c; do
	fuzzer=$(basename "${fuzzer#*fuzz_}" .c)
	run $((90 + ${FUZZ_SECONDS:=30})) "fuzz/$fuzzer" bash tests/fuzz/fuzz.sh "$fuzzer" "$FUZZ_SECONDS"
done
drain 0
run_beside 1500 kernel/vm bash vm/test.sh --short
run 180 fuzz/differential bash tests/fuzz/differential.sh
jobs=${E2E_JOBS:-2}
e2e -L
beside= # whoever is alone waits for it, too
jobs=1
e2e -l

if [ -s "$build/promises.txt" ]; then
	echo "promises:"
	sort -o "$build/promises.txt" "$build/promises.txt"
	sed 's/^/  /' "$build/promises.txt"
fi
[ ! -s "$build/trust.txt" ] || bash tests/trust.sh "$passed" "$failed"
# Once more where nobody has to look for it.
if [ -s "$build/failed.txt" ]; then
	echo "failed:"
	sed 's/^/  /' "$build/failed.txt"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + failed)) -gt 0 ]

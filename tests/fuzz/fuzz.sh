#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one fuzzer for so many seconds, from the inputs in tests/fuzz/corpus/; ends with 1 if it
# finds one that crashes, leaks, hangs or breaks what must hold.
#   tests/fuzz/fuzz.sh NAME SECONDS
# What it finds stays in build/fuzz/: new inputs in NAME.found/, one that fails as NAME-crash-...,
# NAME-leak-... or NAME-timeout-..., what was said of it in NAME.log.
set -u
cd "$(dirname "$0")/../.." || exit 1

name=$1 seconds=$2
out=$(realpath "${O:-build}")/fuzz
found=$out/$name.found
log=$out/$name.log
inputs=("$found")
options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
	-artifact_prefix="$out/$name-")

# The words that the sources know, as libFuzzer reads them; fails if there are none.
dictionary() {
	case $name in
	http | config | state)
		grep -ohE '"[a-z][a-z0-9-]*"' agent/{config,desired,check,autoscale,options,api,http}*.c |
			sort -u | sed 's/"\(.*\)"/"\1"\n"\\"\1\\""/'
		;;
	lbctl)
		grep -ohE '"[a-z][a-z0-9|-]*"' ctl/{options,command}.c | tr '|' '\n' | tr -d '"' | sort -u |
			sed 's/.*/"&"\n"--&"/'
		;;
	*) return 1 ;;
	esac
}

mkdir -p "$found"
[ ! -d "tests/fuzz/corpus/$name" ] || inputs+=("$PWD/tests/fuzz/corpus/$name")
if dictionary >"$out/$name.dict"; then options+=(-dict="$out/$name.dict"); fi
if [ "$name" = packet ]; then
	mkdir -p "$out/packet.seeds"
	"$out/lb_differential" --seeds "$out/packet.seeds" tests/packet/cases/*.pkt || exit
	inputs+=("$out/packet.seeds")
fi

ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	"$out/$name" "${options[@]}" "${inputs[@]}" >"$log" 2>&1 </dev/null
status=$?
executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
[ "${executions:-0}" -gt 0 ] || status=1

report() {
	if [ "$status" -eq 0 ]; then
		echo "ok $name: $executions inputs ran, none failed"
	else
		echo "not ok $name: an input fails, see $log"
		grep -aE '^# |not so:|ERROR:|SUMMARY:|Test unit written' "$log" | head -n 40 | sed 's/^#* */# /'
	fi
	echo "# trust fuzz $name: ${executions:-0} executions, $(find "${inputs[@]}" -type f | wc -l) inputs"
}

# In one piece: another fuzzer may be running beside.
said=$(report)
echo "$said"
exit "$status"

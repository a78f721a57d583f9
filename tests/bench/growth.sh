#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a balancer costs as it grows: a real lbagent in the lab, with ever more services, backends and
# room for flows. Prints a table, and leaves it in build/ as JSON and as curves.
#
#   tests/bench/growth.sh [services|one-service|backends|flows ...]
#   TIMES=3      how often each request is made; the median is told, and in brackets least and most
#   STEPS="..."  other steps than a way's own
#
# services: ever more with one backend each. one-service: one with ever more backends. backends: ever
# more in services of 64. flows: an ever larger flow table, empty. Backends are addresses behind one
# router, not checked (bench-probes measures that), so that what is measured is keeping them; all limits
# are the largest, and so are the maps, but in flows.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lab/lab.sh"

SLOWER=${SLOWER:-3} # of lab_agent_start(): thousands of tables take seconds
ways=("$@")
((${#ways[@]})) || ways=(services one-service backends flows)
times=${TIMES:-3}
# shellcheck disable=SC2034 # lab.sh reads it
LAB_BACKENDS=1
max=(--max-services 4096 --max-backends 65535 --max-vips 65535)
last=65535 # the backend that is added and removed; no step's own

bail() {
	echo "growth: $*" >&2
	exit 1
}

steps_of() {
	case $1 in
	services) echo "${STEPS:-1 16 64 256 1024 4096}" ;;
	one-service) echo "${STEPS:-1 16 64 256 1024 4096 16384 65534}" ;;
	backends) echo "${STEPS:-64 256 1024 4096 16384 65472}" ;;
	flows) echo "${STEPS:-1 4 16 64}" ;;
	*) bail "$1: not a way to grow (services, one-service, backends, flows)" ;;
	esac
}

# shape WAY STEP: how many services, of how many backends each
shape() {
	case $1 in
	services) echo "$2 1" ;;
	one-service) echo "1 $2" ;;
	backends) echo "$(($2 / 64)) 64" ;;
	flows) echo "0 0" ;;
	esac
}

# address N: of the N-th backend
address() {
	echo "198.19.$(($1 / 256)).$(($1 % 256)):80"
}

configuration() {
	jq -n -c --argjson services "$1" --argjson each "$2" '{services: [range($services) as $s
		| {name: "s\($s)", vip: "tcp://198.18.0.10:\(1000 + $s)", check: "none", backends:
			[range($each) | ($s * $each + .) as $n
			| {address: "198.19.\($n / 256 | floor).\($n % 256):80"}]}]}'
}

# --- measuring ---

# timed CMD...: how long it took, in ms, or null if it failed; its output is in LAB_DIR/out.
timed() {
	local begin=${EPOCHREALTIME//[!0-9]/}
	if ! "$@" >"$LAB_DIR/out" 2>&1; then
		echo "growth: $*: $(head -c 300 "$LAB_DIR/out")" | tee -a "$LAB_DIR/failed" >&2
		echo null
		return
	fi
	awk -v us=$((${EPOCHREALTIME//[!0-9]/} - begin)) 'BEGIN {printf "%.1f\n", us / 1000}'
}

# series NAME CMD...: measures it as often as was asked for, into the step's figures. TURN in CMD
# stands for the number of the time, from 1.
series() {
	local name=$1 turn figures=()
	shift
	for ((turn = 1; turn <= times; turn++)); do
		figures+=("$(timed "${@//TURN/$turn}")")
	done
	note "$name" "[$(IFS=,; echo "${figures[*]}")]"
}

# note NAME JSON: a figure, or several, of this step.
note() {
	printf '{"%s": %s}\n' "$1" "$2" >>"$LAB_DIR/figures"
}

# anonymous: KiB of the agent's own memory; the maps it looks into are not its own.
anonymous() {
	awk '/^RssAnon/ {print $2}' "/proc/$(lab_pid lbagent)/status"
}

# mapped: KiB of the kernel's memory in all maps of the agent
mapped() {
	cat "/proc/$(lab_pid lbagent)"/fdinfo/* 2>/dev/null |
		awk '/^memlock/ {bytes = $2} /^map_id/ && !seen[$2]++ {n += bytes} END {printf "%d\n", n / 1024}'
}

# Of processor time, in ms.
busy() {
	awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); printf "%d\n", ($12 + $13) * 1000 / hz}' \
		"/proc/$(lab_pid lbagent)/stat"
}

# idle: what it takes of a core with nothing to do, in per cent
idle() {
	local before
	before=$(busy)
	sleep 3
	awk -v ms=$(($(busy) - before)) 'BEGIN {printf "%.1f\n", ms / 30}'
}

# calm: have tables and marks followed all that was told? On a busy machine a second says little.
calm() {
	local before
	before=$(busy)
	sleep 3
	[ $(($(busy) - before)) -lt 400 ]
}

start() {
	lab_agent_start "${limits[@]}"
}

# By the socket, for the TCP listener refuses whoever asks for so much without a pause.
scrape() {
	lab_api GET /metrics --fail --max-time 60
}

# measure WAY STEP: a line of JSON into LAB_DIR/lines
measure() {
	local way=$1 step=$2 services each limits=("${max[@]}")
	read -r services each < <(shape "$way" "$step")
	[ "$way" != flows ] || limits=(--flows $((step << 20)))
	: >"$LAB_DIR/figures"
	note start "[$(timed start)]"
	if ((services)); then
		configuration "$services" "$each" >"$LAB_DIR/configuration"
		note apply "[$(timed lbctl apply -f "$LAB_DIR/configuration")]"
		wait_until 60 calm || bail "$way $step: the agent does not come to rest"
		note agent_kib "$(anonymous)"
		series change lbctl set backend s0 "$(address 0)" --weight 1TURN
		note add "[$(timed lbctl add backend s0 "$(address $last)")]"
		note remove "[$(timed lbctl rm backend s0 "$(address $last)" --now)]"
		series show lbctl show
		series show-one lbctl show "s$((services - 1))"
		series scrape scrape
		note scrape_kib "$(($(wc -c <"$LAB_DIR/out") / 1024))"
	fi
	wait_until 60 calm || bail "$way $step: the agent does not come to rest"
	note idle "$(idle)"
	((services)) || note agent_kib "$(anonymous)"
	note maps_kib "$(mapped)"
	lab_agent_stop || exit
	note restart "[$(timed start)]"
	note restart_busy "$(busy)"
	if ! lab_agent_stop || ! lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS" >/dev/null; then
		bail "$way $step: the agent does not go"
	fi
	rm -r "$LAB_DIR/state"
	jq -s -c --arg way "$way" --argjson step "$step" --argjson services "$services" \
		--argjson backends $((services * each)) '
		def figures: map(numbers) | sort | if . == [] then null else
			{median: .[(length - 1) / 2 | floor], min: .[0], max: .[-1]} end;
		{way: $way, step: $step, services: $services, backends: $backends}
			+ (add | map_values(if type == "array" then figures else . end))' \
		"$LAB_DIR/figures" >>"$LAB_DIR/lines"
	tail -n 1 "$LAB_DIR/lines" | row "$way"
}

# --- the report ---

# What is told of a way, in this order.
columns() {
	case $1 in
	flows) echo '["step", "start", "restart", "idle", "agent_kib", "maps_kib"]' ;;
	*) echo '["services", "backends", "apply", "change", "add", "remove", "show", "show-one", "scrape",
		"scrape_kib", "idle", "agent_kib", "restart", "restart_busy"]' ;;
	esac
}

titles() {
	case $1 in
	flows) echo "Mi flows|start|restart|idle, %|agent, KiB|maps, KiB" ;;
	*) echo "services|backends|apply|change|add|remove|show|show one|scrape|its KiB|idle, %|agent, KiB|restart|its CPU" ;;
	esac
}

# row WAY: a line of its table, from one of JSON; of several times the median, and in brackets the
# least and the most.
row() {
	jq -r --argjson columns "$(columns "$1")" '
		def shown: if type != "object" then . // "-" | tostring
			elif .min == .max then "\(.median | round)"
			else "\(.median | round) (\(.min | round)-\(.max | round))" end;
		. as $line | "| " + ($columns | map($line[.] | shown) | join(" | ")) + " |"'
}

begin_table() {
	printf '\n%s\n\n| %s |\n' "$1; ms where it says nothing else:" "$(titles "$1" | sed 's/|/ | /g')"
	titles "$1" | sed 's/[^|]*/---:/g; s/.*/|&|/'
}

# The points that curves.awk draws.
points() {
	jq -r '
		def value: if type == "object" then .median else . end;
		{services: "services of one backend", "one-service": "backends of one service",
			backends: "backends in services of 64", flows: "Mi entries of the flow table"}[.way] as $x
		| . as $line
		| ({change: "one weight is changed", apply: "all is applied", show: "lbctl show", scrape: "a scrape",
			restart: "a restart"} | to_entries[])
		| select($line[.key] != null)
		| ["Milliseconds, by " + $x, $x, .value, $line.step, ($line[.key] | value)] | @tsv' \
		"$LAB_DIR/lines" | awk -v title="What a balancer costs as it grows" \
		-f "$LAB_TOP/tests/scenarios/svg.awk" -f "$LAB_TOP/tests/bench/simulate/curves.awk"
}

grow() {
	local way=$1 step
	begin_table "$way"
	for step in $(steps_of "$way"); do
		measure "$way" "$step"
	done
}

for way in "${ways[@]}"; do
	steps_of "$way" >/dev/null
done
lab_up || exit 1
lab_exec b1 ip route add local 198.19.0.0/16 dev lo
lab_exec lb ip route add 198.19.0.0/16 via 198.18.1.11
for way in "${ways[@]}"; do
	grow "$way"
done
jq -s --argjson times "$times" '{times: $times, results: .}' "$LAB_DIR/lines" >"$LAB_BUILD/growth.json"
points >"$LAB_BUILD/growth.svg"
printf '\n%s\n' "$LAB_BUILD/growth.json, $LAB_BUILD/growth.svg"
[ ! -e "$LAB_DIR/failed" ]

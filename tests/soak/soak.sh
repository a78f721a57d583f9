#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# soak.sh [--short]   for SOAK_SECONDS (an hour; 20 s, or 12 steps) backends come and go, drain, change
#                     weights, die and return, the agent is restarted and killed, its interface goes
#                     down and up, its lists are read again, while clients keep connections and open
#                     new ones; each second (on a busy machine: as often as it can be looked at) all
#                     must be as it was asked for, and no request may fail that nothing explains
#                     (failures.jq has the rule).
#
# What happens is chosen by SOAK_SEED, which is printed: the same seed makes the same choices. The short
# form has one of its own, in whose first steps most of it happens. The agent is not ended in the second
# half, in which its memory, descriptors and threads must not grow.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../scenarios/scenario.sh"
SOAK=$LAB_TOP/tests/soak
KEPT=$LAB_BUILD/soak${SCENARIO_SHORT:+-short} # what was seen, for who looks for the cause of a failure
# shellcheck source-path=SCRIPTDIR
. "$SOAK/plan.sh"
# shellcheck source-path=SCRIPTDIR
. "$SOAK/disturb.sh"
# shellcheck source-path=SCRIPTDIR
. "$SOAK/look.sh"

LAB_BACKENDS=$PLAN_HOSTS
seconds=${SOAK_SECONDS:-$(by_form 20 3600)}
steps=12 # at the least, if that takes longer
every=$(by_form 1 2) # so many looks from one step to the next
seed=${SOAK_SEED:-$(by_form 209 $((EPOCHSECONDS % 100000)))}
life=$(by_form 500ms 5s)
idle=5 # seconds: timeout-established
pace=50 connections=12
LOADS=(web.kept web.new web6.kept web6.new long.kept)
INVARIANTS=(asked desired sync share failures packets flows flat end)
# Nobody opens connections faster than the pace; what has ended is forgotten after the idle time, and a
# round through the table or two.
FLOWS_MOST=$((${#LOADS[@]} * (connections + pace * (idle + 5))))
LEFT_AT=0
declare -A HAPPENED=() # by kind of disturbance: how often

# --- the system and its load ---

open_lab() {
	local i service
	# An interface that goes down keeps its addresses, as a network manager would see to.
	lab_exec lb sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down'
	lab_nodes_up --vip 198.18.0.11 >/dev/null || return
	for ((i = 1; i <= PLAN_HOSTS; i++)); do
		lab_backend_start "$i" hello || return
	done
	agent_start || return
	for service in "${PLAN_SERVICES[@]}"; do
		open_service "$service" || return
	done
}

# open_service SERVICE: with all hosts but the last two
open_service() {
	local i hosts=''
	PLAN_DENIED[$1]=1000
	deny "$1"
	for ((i = 1; i <= PLAN_HOSTS - 2; i++)); do
		hosts+=" $i"
		PLAN_STATE[$1 $i]=up PLAN_WEIGHT[$1 $i]=1
	done
	lab_service "$1" "${PLAN_VIP[$1]}" "$hosts" --mode "${PLAN_MODE[$1]}" --check tcp --check-interval 200ms \
		--check-timeout 2s --fall 2 --rise 2 --timeout-established "${idle}s" --timeout-closing 2s \
		--timeout-embryonic 2s --source-deny "$LAB_DIR/deny.$1"
}

# crowd_start LABEL SERVICE FLAG...
crowd_start() {
	local label=$1 service=$2
	shift 2
	: >"$KEPT/$label.errors"
	lab_spawn client "$label" "$crowd" --errors "$KEPT/$label.errors" --timeout 5s --pace "$pace" \
		"$@" "${PLAN_VIP[$service]#tcp://}"
}

start_loads() {
	local load kept
	for load in "${LOADS[@]}"; do
		kept=(--pause 100ms --life "$life")
		case $load in
		long.*) kept=(--pause 100ms) ;;
		*.new) kept=(--pause 20ms --life 200ms) ;;
		esac
		crowd_start "$load" "${load%.*}" --connections $connections --seconds 86400 "${kept[@]}"
	done
	wait_until 10 all_serve
}

last_line() {
	tail -n 1 "$LAB_DIR/$1.log"
}

all_serve() {
	local load
	for load in "${LOADS[@]}"; do
		last_line "$load" | jq -e '.second > 0' || return
	done
}

end_loads() {
	local load
	for load in "${LOADS[@]}"; do
		lab_end "$load" TERM || return
		last_line "$load" | jq -e '.second == null' >/dev/null || return
	done
}

# sum_of FIELD: over all loads, in the end
sum_of() {
	local load
	for load in "${LOADS[@]}"; do last_line "$load"; done | jq -s "map(.$1) | add"
}

# --- the time of it ---

# follow_up LAST: what was to be done later, up to this step
follow_up() {
	local step words
	for step in $(printf '%s\n' "${!PLAN_LATER[@]}" | sort -n); do
		[ "$step" -le "$1" ] || break
		while read -r words; do
			say "$SECONDS s: $words"
			# shellcheck disable=SC2086 # words
			follow $words
		done <<<"${PLAN_LATER[$step]%$'\n'}"
		unset "PLAN_LATER[$step]"
	done
}

# In the second half the agent lives on: from LEFT_AT, in seconds.
leave_agent() {
	[ "$PLAN_RESTARTS" -eq 1 ] && [ "$SECONDS" -ge $((seconds / 2)) ] && [ "$PLAN_STEP" -ge $((steps / 2)) ] ||
		return 0
	PLAN_RESTARTS=0 LEFT_AT=$SECONDS
}

disturb_next() {
	leave_agent
	PLAN_STEP=$((PLAN_STEP + 1))
	follow_up "$PLAN_STEP"
	plan_next
	say "$SECONDS s: step $PLAN_STEP: $(plan_words)"
	plan_note
	disturb
	HAPPENED[$KIND]=$((${HAPPENED[$KIND]:-0} + 1))
}

# Sleeps until the next full second.
next_second() {
	local rest=$((1000000 - 10#${EPOCHREALTIME#*[.,]}))
	sleep "$((rest / 1000000)).$(printf %06d $((rest % 1000000)))"
}

# Every second is looked at; in some something happens first.
run_soak() {
	SECONDS=0
	while [ "$SECONDS" -lt "$seconds" ] || [ "$PLAN_STEP" -lt $steps ]; do
		look
		[ $((LOOKS % every)) -ne 0 ] || disturb_next
		next_second
	done
	follow_up $((PLAN_STEP + 10))
	wait_until 15 all_are_well || broken end "not all are up: $(lbctl show)"
	look
	end_loads || broken end "a load does not end"
	look_failures
}

# --- the end ---

is_quiet() {
	local before
	before=$(jq -c '[.services[].packets]' "$SEEN/services.json")
	sleep 0.3
	see && [ "$before" = "$(jq -c '[.services[].packets]' "$SEEN/services.json")" ]
}

# Nothing is under way at begin and end, so no packet may be missing.
count_exactly() {
	local service words
	wait_until 10 is_quiet
	cp "$SEEN/services.json" "$SEEN/before.json"
	for service in "${PLAN_SERVICES[@]}"; do
		crowd_start "$service.once" "$service" --connections 10 --once 100 --pace 2000
	done
	for service in "${PLAN_SERVICES[@]}"; do
		wait_until 20 lab_gone "$service.once"
		[ "$(last_line "$service.once" | jq .requests)" -eq 100 ] || broken packets "$service: not 100 requests"
	done
	wait_until 10 is_quiet
	while read -r words; do
		broken packets "$words"
	done < <(add_up 0)
}

no_flows() {
	see && jq -e '.used.flows == 0' "$SEEN/status.json"
}

# median TENTH COLUMN: of what look_process has noted in this tenth (0 to 9) of the time since LEFT_AT
median() {
	awk -v tenth="$1" -v column="$2" -v from="$LEFT_AT" '
		$1 >= from {value[n++] = $column}
		END {for (i = int(n * tenth / 10); i < n * (tenth + 1) / 10; i++) print value[i]}' "$KEPT/samples" |
		sort -n | awk '{value[NR] = $1} END {print NR ? value[int((NR + 1) / 2)] : 0}'
}

# flat COLUMN SLACK WORDS...: no more in the last tenth than in the first after a tenth to warm up. One
# "NAME<tab>FIRST<tab>LAST" a line in $KEPT/flat.
flat() {
	local first last
	first=$(median 1 "$1") last=$(median 9 "$1")
	printf '%s\t%d\t%d\n' "${*:3}" "$first" "$last" >>"$KEPT/flat"
	[ "$last" -le $((first + $2)) ] || broken flat "${*:3}: $first in the beginning, $last in the end"
}

# Checks come and go with backends, and each has a socket.
look_back() {
	flat 2 $((2048 + $(median 1 2) / 20)) KiB resident besides maps
	flat 3 $((${#PLAN_SERVICES[@]} * PLAN_HOSTS)) descriptors
	flat 4 0 threads
	wait_until $((idle + 10)) no_flows ||
		broken flows "$(jq .used.flows "$SEEN/status.json") entries in the flow table when all is over"
}

# pids_in INODE...: processes in these network namespaces
pids_in() {
	local process inode
	for process in /proc/[0-9]*; do
		inode=$(stat -L -c %i "$process/ns/net" 2>/dev/null) || continue
		[[ " $* " != *" $inode "* ]] || echo "${process#/proc/}"
	done
}

# Nothing may be left: of pins and programs by the agent, of the lab by itself.
close_lab() {
	local left inodes
	lab_agent_stop || broken end "the agent does not stop"
	cp "$LAB_LOG" "$KEPT/"
	lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS" || broken end "lbagent --unload fails"
	left=$(find "$LAB_DIR/bpf" -mindepth 1 ! -name '*.debug') # those are the kernel's
	[ -z "$left" ] || broken end "pins are left: $left"
	! ip -n "$LAB-lb" -d link show eth0 | grep -q prog/xdp || broken end "a program is left on eth0"
	inodes=$(stat -L -c %i /run/netns/"$LAB"-*)
	lab_down
	left=$(ls -d /run/netns/"$LAB"-* "$LAB_DIR" 2>/dev/null)
	[ -z "$left" ] || broken end "the lab leaves $left"
	# shellcheck disable=SC2086 # a list
	left=$(pids_in $inodes)
	[ -z "$left" ] || broken end "processes are left: $left"
}

# --- the report ---

# How often each kind of disturbance happened
kinds_json() {
	local kind
	for kind in "${!HAPPENED[@]}"; do
		echo "$kind ${HAPPENED[$kind]}"
	done | jq -Rn '[inputs | split(" ") | {(.[0]): (.[1] | tonumber)}] | add'
}

broken_json() {
	local invariant
	for invariant in "${INVARIANTS[@]}"; do
		jq -Rn --arg invariant "$invariant" '{($invariant): [inputs]}' "$KEPT/broken.$invariant"
	done | jq -s add
}

failures_json() {
	cat "$KEPT"/*.errors | jq -s 'group_by(.cause) | map({(.[0].cause): length}) | add // {}'
}

report() {
	jq -n --argjson seed "$seed" --argjson seconds "$SOAKED" --argjson looks "$LOOKS" \
		--argjson kinds "$(kinds_json)" --argjson requests "$requests" --argjson opened "$opened" \
		--argjson failures "$(failures_json)" --argjson broken "$(broken_json)" \
		--rawfile flat "$KEPT/flat" --argjson flows "$(cut -f 5 "$KEPT/samples" | sort -n | tail -n 1)" \
		--argjson flows_limit "$FLOWS_MOST" '
		{$seed, $seconds, $looks, disturbances: ($kinds | add), by_kind: $kinds, $requests, $opened,
			$failures, flows: {most: $flows, limit: $flows_limit},
			flat: ($flat | split("\n") | map(select(. != "") | split("\t") |
				{name: .[0], first: (.[1] | tonumber), last: (.[2] | tonumber)})),
			invariants_broken: ($broken | map(length) | add), $broken}' | report_json
	report_lines "$disturbances disturbances in $SOAKED s" \
		$'KiB resident besides maps\tdescriptors\tthreads\tflow entries\trequests that failed' \
		<"$KEPT/samples"
	report_words | report_text "$disturbances disturbances in $SOAKED s, under load"
}

report_words() {
	jq -r '"\(.requests) requests on \(.opened) connections, \(.looks) looks; seed \(.seed)", "",
		"disturbances: \(.by_kind | to_entries | sort_by(.key) | map("\(.key) \(.value)") | join(", "))",
		"requests failed: \(.failures | to_entries | map("\(.key) \(.value)") | join(", ") |
			if . == "" then "none" else . end), of which without an explanation: \(.broken.failures | length)",
		"flow entries: \(.flows.most) at most (limit \(.flows.limit))",
		(.flat[] | "\(.name): \(.first) in the beginning, \(.last) in the end"),
		"invariants broken: \(.invariants_broken)"' "$SCENARIO_REPORT.json"
}

# check_invariant INVARIANT WORDS...
check_invariant() {
	check_none "${*:2}" "$(head -n 20 "$KEPT/broken.$1")"
}

rm -rf "$KEPT" && mkdir -p "$KEPT" || exit 1
: >"$HURTS"
for invariant in "${INVARIANTS[@]}"; do : >"$KEPT/broken.$invariant"; done
plan_begin "$seed"
say "seed $seed: SOAK_SEED=$seed makes the same choices"
lab_up || exit 1
mkdir "$SEEN"
crowd=$(lab_tool lab/crowd "$LAB_TOP/common/clock.c" -pthread) || bail "crowd.c is built"
open_lab || bail "the lab opens"
scenario_page
start_loads || bail "all clients are served"
run_soak
SOAKED=$SECONDS
requests=$(sum_of requests) opened=$(sum_of opened)
disturbances=$(printf '%s\n' "${HAPPENED[@]}" | awk '{n += $1} END {print n}')
count_exactly
look_back
close_lab
report

check_between "something happened, and was looked at" 5 "$SOAKED" "$disturbances"
check_invariant asked "the agent does what it is asked to, and lives"
check_invariant desired "each second it has the backends, weights, states and lists it was asked for"
check_invariant sync "its data plane is in sync, and attached"
check_invariant share "each backend that is up has the part of the table that its weight is due, others none"
check_invariant failures "no request failed but where its backend was hurt, of $requests"
check_invariant packets "packets add up: what came for a service went to backends, or is counted as dropped"
check_invariant flows "the flow table has no more than can be live, and nothing when all is over"
check_invariant flat "memory, descriptors and threads of the agent do not grow"
check_invariant end "nothing is left: no pin, program, namespace or process"
echo "# trust soak: $SOAKED seconds, $disturbances disturbances, $requests requests," \
	"$(cat "$KEPT"/broken.* | wc -l) invariants broken"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# faults.sh [--short]   refuses memory, maps, BPF and netlink calls, writes, files and sockets to
#                       lbagent, one place of the program at a time (fault.c): what it was asked for is
#                       done, or refused with a clear sentence and nothing has changed; it lives on,
#                       and the same asked again is done.
#
# For each operation the places are found first, by running it once. --short takes a part of them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lab/check.sh"

case ${1:-} in
'') every=1 every_start=1 ;;
--short) every=15 every_start=40 ;; # one place in so many
*) echo "usage: faults.sh [--short]" >&2 && exit 2 ;;
esac

LAB_BACKENDS=2
lab_up || exit 1
preload=$(lab_tool faults/fault -shared -fPIC) || bail "fault.c is built"
tool=$(lab_tool faults/control) || bail "control.c is built"
injected=0 # faults in all
base=$LAB_DIR/base.json

control() {
	"$tool" "$LAB_DIR/faults" "$@"
}

# The agent with fault.c in it.
cat >"$LAB_DIR/agent" <<-SH
	#!/bin/sh
	exec env LD_PRELOAD=$preload FAULT_CONTROL=$LAB_DIR/faults "$LAB_BUILD/lbagent" "\$@"
SH
chmod +x "$LAB_DIR/agent"
# shellcheck disable=SC2034 # lab.sh reads it
LAB_AGENT=$LAB_DIR/agent

# sites N: the places called since clear, one in N of them
sites() {
	control sites | awk -v every="$1" '(NR - 1) % every == 0 {print $1}'
}

# words SITE: which place that is
words() {
	control sites | awk -v site="$1" '$1 == site {print $2, $3}' | while read -r kind place; do
		echo "$kind in $(addr2line -f -e "$LAB_BUILD/lbagent" "$place" | head -n 1)"
	done
}

# What the agent has, without what changes by itself.
state() {
	lbctl export 2>&1
}

saved() {
	jq -c '[.services[] | {name, vip, backends: [.backends[] | {address, weight, state}]}]' \
		"$LAB_DIR/state/state.json"
}

running() {
	lab_api GET /v1/services | jq -c \
		'[.services[] | {name, vip, backends: [.backends[] | {address, weight, state}]}]'
}

# Both are read one after the other: a drain may end in between.
is_saved() {
	[ "$(saved)" = "$(running)" ]
}

# back: as it was before the operation
back() {
	wait_until 10 lbctl apply --file "$base"
}

# A clear sentence, that somebody who knows nothing of the code can read.
is_clear() {
	[[ $1 =~ (^|$'\n')lbctl:\ .{12} && $1 != *"(null)"* ]]
}

# judge BEFORE AFTER STATUS OUTPUT CMD...: what is wrong, if anything is
judge() {
	local before=$1 after=$2 status=$3 output=$4 now
	shift 4
	if [ "$(lab_pid lbagent)" != "$pid" ] || ! lab_running lbagent; then
		echo "the agent is dead"
		return
	fi
	now=$(state)
	case $status in
	0) [ "$now" = "$after" ] || echo "it was done, but: $now" ;;
	1)
		[[ $output != "lbctl: it is done, but "* ]] || before=$after
		[[ $output != *"as the change may have been made"* || $now != "$after" ]] || before=$after
		is_clear "$output" || echo "refused without a clear sentence: $output"
		[ "$now" = "$before" ] || echo "it was refused ($output), but: $now"
		[ "$before" = "$after" ] || wait_until 5 "$@" || echo "it cannot be done again: $("$@" 2>&1)"
		;;
	7 | 52 | 56) # curl's: no connection, no answer, one cut off. The next one is answered.
		wait_until 5 "$@" || echo "it cannot be done again: $("$@" 2>&1)"
		;;
	*) echo "it ended with $status: $output" ;;
	esac
	wait_until 2 is_saved || echo "the file has $(saved), the agent $(running)"
}

# operation NAME CMD...: with each of its places refused
operation() {
	local name=$1 before after list site status output wrong='' count=0
	shift
	before=$(state)
	control clear
	"$@" >/dev/null || bail "$name: without a fault it works"
	list=$(sites "$every")
	after=$(state)
	for site in $list; do
		back || bail "$name: the state is as it was"
		control arm "$site"
		output=$("$@" 2>&1)
		status=$?
		[ "$(control failures)" -gt 0 ] || continue
		count=$((count + 1))
		output=$(judge "$before" "$after" "$status" "$output" "$@")
		[ -z "$output" ] || wrong+=$'\n'"$(words "$site"): $output"
		lab_running lbagent || bail "$name: the agent lives: $wrong"
	done
	injected=$((injected + count))
	check_none "$name: done, or refused and as it was, for each of $count faults" "$wrong"
	back || bail "$name: the state is as it was"
}

served() {
	lab_curl --fail "$LAB_URL4/"
}

network_change() {
	ip -n "$LAB-lb" neigh flush dev eth0 &&
		ip -n "$LAB-lb" address add 198.18.7.7/32 dev eth0 &&
		ip -n "$LAB-lb" address del 198.18.7.7/32 dev eth0 && wait_until 5 served
}

descriptors() {
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}

resident() {
	awk '/^VmRSS/ {print $2}' "/proc/$pid/status"
}

# --- operations of an agent that runs ---

control new
lab_backend_start 1 && lab_backend_start 2 && lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" --check-interval 200ms || bail "a service is there"
lbctl export >"$base"
jq '.services[0].backends[0].weight = 7
	| .services += [{name: "dns", vip: ["udp://198.18.0.11:53"], backends: [{address: "198.18.1.12:53"}]}]' \
	"$base" >"$LAB_DIR/other.json"
pid=$(lab_pid lbagent)
operation "apply a file" lbctl apply --file "$LAB_DIR/other.json"
operation "add a service" lbctl add service more --vip "tcp://198.18.0.12:80" --mode l2 \
	--backend 198.18.1.11 --backend 198.18.1.12
operation "add a service of each check" lbctl add service more --vip "udp://198.18.0.12:80" --check http \
	--check-path /health --backend 198.18.1.11 --backend 198.18.1.12
descriptors=$(descriptors) resident=$(resident) # with the sockets that checks keep
operation "add a backend" lbctl add backend web 198.18.1.13
operation "weigh a backend" lbctl set backend web 198.18.1.11 --weight 9
operation "drain a backend" lbctl drain backend web 198.18.1.11 --deadline 1s
operation "change a service" lbctl set service web --check-interval 300ms --scheduler least-conn
operation "remove a backend" lbctl rm backend web 198.18.1.11 --now
operation "remove a service" lbctl rm service web
operation "show, and plan" lbctl plan rm backend web 198.18.1.11
operation "explain" lbctl explain tcp 198.18.0.2:4242 "$LAB_VIP4:80"
operation "flows" lbctl flows
operation "doctor" lbctl doctor
operation "figures" lab_api GET /metrics -o /dev/null
operation "a change of the network" network_change
check "clients are served" served
# One for each fault would be many more.
check_at_most "no descriptor has leaked" $((descriptors + 4)) "$(descriptors)"
check_at_most "nor memory, in KiB" $((resident + 8192)) "$(resident)"

# --- its start ---

# It starts and serves, or does not and says why; the state is kept, and the next start succeeds.
start_with() {
	local site=$1 said
	control arm "$site"
	if said=$(lab_agent_start 2>&1); then
		[ "$(control failures)" -gt 0 ] || return 0
	else
		[ "$(control failures)" -gt 0 ] || { echo "no fault, no start: $said" && return; }
		grep -q 'level=error' <<<"$said" || echo "it does not start, and says: $said"
		lab_agent_start || { echo "nor does it afterwards" && return; }
	fi
	wait_until 10 lab_all_up web || echo "the backends are not up"
	served >/dev/null || echo "clients are not served"
}

starts() {
	local site wrong='' output count=0
	lab_agent_stop
	control clear
	lab_agent_start || bail "it starts"
	for site in $(sites "$every_start"); do
		lab_agent_kill
		output=$(start_with "$site")
		count=$((count + 1))
		[ -z "$output" ] || wrong+=$'\n'"$(words "$site"): $output"
	done
	injected=$((injected + count))
	check_none "a start with each of $count faults: it serves, or says why not and does the next time" \
		"$wrong"
}
starts
check_equal "the state is what it was" "$(cat "$base")" "$(lbctl export)"
echo "# trust faults: $injected injected"
checks_done

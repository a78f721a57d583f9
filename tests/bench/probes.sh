#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What health checks cost: a real lbagent with thousands of backends, its CPU time from /proc.
#
#   tests/bench/probes.sh [KIND...]
#   BACKENDS=4000 INTERVAL=1s SECONDS_A_WINDOW=10 WINDOWS=3 APART=1
#
# In a lab the whole network, and the backends' kernel too, runs at the cost of whoever sends a
# packet. So, unless APART=0, what happens to a packet behind the agent's own interface is left to a
# kernel thread (threaded NAPI), as it would be to other machines.
#
# The backends are in services of 250. All are addresses of one namespace, behind one router, so that
# what is measured is the probing and not the neighbours' ARP. Prints one line a kind: the share of one
# core, from the least to the most of the windows, and how often in a second a check was counted and
# the agent woken up, which on a machine with nothing else to do is much of the cost; the kind none is
# what the agent costs without probing. LAB_AGENT names another lbagent, to compare with.
. "$(dirname "$0")/../lab/lab.sh"

total=${BACKENDS:-4000} each=250 interval=${INTERVAL:-1s}
window=${SECONDS_A_WINDOW:-10} windows=${WINDOWS:-3} apart=${APART:-1}
# shellcheck disable=SC2034 # lab.sh reads it
LAB_BACKENDS=1
kinds=("$@")
((${#kinds[@]})) || kinds=(none tcp http udp icmp)

bail() {
	echo "bench: $*" >&2
	exit 1
}

# The addresses of the N-th backend: 198.18.128.0 and those behind it.
address() {
	echo "198.18.$((128 + $1 / 250)).$((1 + $1 % 250))"
}

# spec KIND PORT N FIRST COUNT: the N-th service, with backends from FIRST on.
spec() {
	local kind=$1 i comma=''
	printf '{"name":"s%d","vip":"tcp://198.18.0.10:%d","check":"%s","check-interval":"%s",' \
		"$3" $((1000 + $3)) "$kind" "$interval"
	printf '"check-payload":"ping","check-expect":"ping",'
	printf '"check-port":%d,"backends":[' "$2"
	for ((i = $4; i < $4 + $5; i++)); do
		printf '%s{"address":"%s:80"}' "$comma" "$(address "$i")"
		comma=,
	done
	printf ']}'
}

# How often the log says that a backend is up.
ups() {
	grep -c 'msg="backend up"' "$LAB_LOG"
}

are_up() {
	[ "$(ups)" -ge "$1" ]
}

# Clock ticks of user and system time.
ticks() {
	awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$(lab_pid lbagent)/stat"
}

wakeups() {
	awk '/^voluntary_ctxt_switches/ {print $2}' "/proc/$(lab_pid lbagent)/status"
}

checks() {
	lab_exec lb curl -s http://127.0.0.1:9480/metrics |
		awk '/^lb_health_checks_total/ {n += $2} END {printf "%d\n", n}'
}

port_of() {
	case $1 in
	udp) echo 7 ;;
	*) echo 80 ;;
	esac
}

measure() {
	local kind=$1 i before after shares=() first woken wanted down
	wanted=$(($(ups) + total))
	for ((i = 0; i * each < total; i++)); do
		spec "$kind" "$(port_of "$kind")" "$i" $((i * each)) "$each" >"$LAB_DIR/bench.json"
		lab_api POST /v1/services --data-binary "@$LAB_DIR/bench.json" -o "$LAB_DIR/answer" \
			-w '%{http_code}\n' | grep -q 201 || bail "$kind: $(head -c 300 "$LAB_DIR/answer")"
	done
	wait_until 60 are_up "$wanted" || bail "$kind: $(ups) up, not $wanted"
	down=$(grep -c 'msg="backend down"' "$LAB_LOG")
	sleep 2 # the first round, and what came with the change, are over
	first=$(checks) woken=$(wakeups)
	for ((i = 0; i < windows; i++)); do
		before=$(ticks)
		sleep "$window"
		after=$(ticks)
		shares+=("$(awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v s="$window" \
			'BEGIN {printf "%.1f", 100 * t / hz / s}')")
	done
	mapfile -t shares < <(printf '%s\n' "${shares[@]}" | sort -g)
	printf '%-6s %6s %% to %6s %% of a core, %6d checks and %5d wakeups a second, %d KiB resident\n' \
		"$kind" "${shares[0]}" "${shares[-1]}" $((($(checks) - first) / (window * windows))) \
		$((($(wakeups) - woken) / (window * windows))) \
		"$(awk '/^VmRSS/ {print $2}' "/proc/$(lab_pid lbagent)/status")"
	[ "$(grep -c 'msg="backend down"' "$LAB_LOG")" = "$down" ] || bail "$kind: some went down meanwhile"
	lab_agent_stop && lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS" &&
		rm -r "$LAB_DIR/state"
}

lab_up || exit 1
((!apart)) || ip netns exec "$LAB-switch" sh -c 'echo 1 >/sys/class/net/lb/threaded'
lab_exec b1 ip route add local 198.18.128.0/18 dev lo
lab_exec lb ip route add 198.18.128.0/18 via 198.18.1.11
lab_backend_start 1 nginx || exit 1
echo=$(lab_tool lab/udp_echo) || exit 1
lab_spawn b1 udp_echo "$echo" 7
echo "$total backends, each checked every $interval"
for kind in "${kinds[@]}"; do
	lab_agent_start || exit 1
	measure "$kind"
done

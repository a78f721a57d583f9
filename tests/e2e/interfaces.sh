#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The program is taken off an interface, another takes its place, the interface goes and returns:
# the agent notices, says so, and puts right what it may.
# alone: measures milliseconds until the agent has noticed
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
lab_up || exit 1
for i in 1 2; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "the service comes up"

pin=$LAB_PINS/links/eth0

program() {
	ip -n "$LAB-lb" -j -d link show eth0 | jq -r '.[0].xdp.prog.name // "none"'
}

program_is() {
	[ "$(program)" = "$1" ]
}

attached() {
	[ "$(lbctl --json status | jq -r '.interfaces[] | select(.name == "eth0").attached')" = "$1" ]
}

health() {
	lab_exec lb curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9480/healthz
}

# said PATTERN: how often the log does
said() {
	grep -cE "$1" "$LAB_LOG"
}

said_more() {
	[ "$(said "$1")" -gt "$2" ]
}

# since BEGIN
since() {
	echo $(($(lab_now_ms) - $1))
}

served() {
	lab_curl --fail "$LAB_URL4/"
}

nobody_up() {
	lbctl --json show web | jq -e 'all(.backends[]; .status != "up")'
}

# --- taken off ---

before=$(said 'interface lost')
begin=$(lab_now_ms)
bpftool link detach pinned "$pin" || bail "somebody detaches the link"
wait_until 5 said_more 'msg="interface lost" interface=eth0 reason="somebody took' "$before"
promise "XDP that somebody took off is noticed and said, in ms" 1000 "$(since "$begin")"
check "it is attached again" wait_until 5 program_is lb_ingress
check "the service is served" wait_until 5 served

before=$(said 'interface lost')
rm "$pin"
check "a pin that somebody removed is noticed" wait_until 5 said_more 'interface lost' "$before"
check "it is pinned again" wait_until 5 test -e "$pin"
check "the service is served after that" wait_until 5 served

# --- another program in its place ---

kill -STOP "$(lab_pid lbagent)"
bpftool link detach pinned "$pin"
lab_exec lb ip link set dev eth0 xdpdrv object "$LAB_DIR/pass.bpf.o" section xdp.frags ||
	bail "another program is attached"
other=$(program)
id=$(ip -n "$LAB-lb" -j -d link show eth0 | jq '.[0].xdp.prog.id')
kill -CONT "$(lab_pid lbagent)"
check "another program in its place is noticed" wait_until 5 attached false
check_matches "and named" "XDP program $id is in its place" "$(cat "$LAB_LOG")"
check_matches "status says why" 'NOT ATTACHED: interface eth0: XDP program [0-9]+' "$(lbctl status)"
check_equal "health says so" 503 "$(health)"
warned=$(said 'interface trouble')
sleep 1.5
check_equal "it is left alone" "$other" "$(program)"
check_equal "it is said once" "$warned" "$(said 'interface trouble')"
lab_exec lb ip link set dev eth0 xdp off
check "when it goes, ours returns" wait_until 5 program_is lb_ingress
check "status has it back" wait_until 5 attached true
check_equal "health too" 200 "$(health)"
check "the service is served again" wait_until 5 served

# --- the interface goes and returns ---

mac=$(ip -n "$LAB-lb" -j link show eth0 | jq -r '.[0].address')
ip -n "$LAB-lb" link del eth0
check "an interface that goes is noticed" wait_until 5 attached false
check_matches "and said" 'interface lost" interface=eth0 reason="the interface is gone"' \
	"$(cat "$LAB_LOG")"
check_equal "health: the interface is missing" 503 "$(health)"
ip link add eth0 netns "$LAB-lb" address "$mac" type veth peer name lb netns "$LAB-switch" ||
	bail "the interface is made anew"
begin=$(lab_now_ms)
wait_until 5 program_is lb_ingress
promise "an interface that returns is attached again, in ms" 500 "$(since "$begin")"
lab_exec lb ethtool -K eth0 tx off >/dev/null
lab_exec switch ethtool -K lb tx off >/dev/null
lab_exec switch ip link set dev lb xdpdrv object "$LAB_DIR/pass.bpf.o" section xdp.frags
ip -n "$LAB-switch" link set lb master br0 up
ip -n "$LAB-lb" address add 198.18.0.1/15 dev eth0
ip -n "$LAB-lb" link set eth0 up
lab_vips
check "the service is served by the new interface" wait_until 10 served
check_equal "health: it is back" 200 "$(health)"

# --- down and up ---

ip -n "$LAB-lb" link set eth0 down
check "the interface is down: nobody is up" wait_until 10 nobody_up
ip -n "$LAB-lb" link set eth0 up
check "up again: they are up" lab_wait_up web
check "and served" wait_until 5 served
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent is killed with -9 under load: no packet is lost, no connection reset, and a new agent
# takes over what runs.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
	lab_backend_start "$i" nsd || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" || bail "the service comes up"
lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2 3" --mode l2 || bail "the IPv6 service comes up"

lab_service dns "udp://$LAB_VIP4:53" "1 2 3" || bail "the UDP service comes up"
echo 'www.example.test A' >"$LAB_DIR/queries"

# The id of the program on the interface.
program() {
	ip -n "$LAB-lb" -j -d link show eth0 | jq '.[0].xdp.prog.id'
}

table() {
	lbctl --json show | jq -Sc '[.services[] | {name, backends: [.backends[] | {address, weight, state, share}]}]'
}

# The pin of the link: one that was made anew has another inode.
link() {
	stat -c %i "$LAB_DIR/bpf/sluice/links/eth0"
}

before=$(program)
link_before=$(link)
check_matches "a program is attached" '^[0-9]+$' "$before"
table_before=$(table)
lab_wrk -t1 -c20 -d7s "$LAB_URL4/" >"$LAB_DIR/kept4" &
loads=$!
lab_wrk -t1 -c20 -d7s -H "$LAB_FRESH" "$LAB_URL4/" -- 0 4 >"$LAB_DIR/fresh4" &
loads="$loads $!"
lab_wrk -t1 -c20 -d7s "$LAB_URL6/" -- 0 1 >"$LAB_DIR/kept6" &
loads="$loads $!"
# Datagrams are not sent again: a query lost is a packet lost.
lab_exec client dnsperf -s "$LAB_VIP4" -d "$LAB_DIR/queries" -l 7 -c 40 -Q 5000 \
	>"$LAB_DIR/dnsperf" 2>&1 &
loads="$loads $!"
sleep 1.5
check "the agent dies" lab_agent_kill
sleep 1.5
check "a new agent starts under load" lab_agent_start
check_equal "it adopts the link that the program runs by" "$link_before" "$(link)"
check_matches "a program is attached all the same" '^[0-9]+$' "$(program)"
check "the backends are up again" lab_wait_up web
# shellcheck disable=SC2086 # a list
wait $loads

promise "the agent killed: failed requests on kept connections, IPv4, nat" 0 \
	"$(lab_errors "$LAB_DIR/kept4")"
promise "the agent killed: failed requests on new connections, IPv4, nat" 0 \
	"$(lab_errors "$LAB_DIR/fresh4")"
promise "the agent killed: failed requests on kept connections, IPv6, direct return" 0 \
	"$(lab_errors "$LAB_DIR/kept6")"
queries=$(awk '/Queries sent/ {print $3}' "$LAB_DIR/dnsperf")
promise "the agent killed: lost of $queries queries by UDP" 0 "$(awk '/Queries lost/ {print $3}' "$LAB_DIR/dnsperf")"
check_equal "the load was real" yes \
	"$([ "$(lab_served "$LAB_DIR/fresh4")" -gt 1000 ] && echo yes)"
check "those of the other service too" lab_wait_up web6
check_equal "the tables are what they were" "$table_before" "$(table)"
checks_done

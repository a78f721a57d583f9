#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What was configured is there again: after a restart, after kill -9, and from the state file alone.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health \
	--check-interval 300ms --check-timeout 250ms --rise 1 --fall 4 || bail "the service comes up"
lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2" --check none || bail "the IPv6 service comes up"
lbctl set backend web 198.18.1.12 --weight 5 >/dev/null
lbctl set backend web 198.18.1.13 --state maint >/dev/null

# What the operator asked for, and the shares that follow from it.
desired() {
	lbctl --json show | jq -S '[.services[] | del(.packets, .bytes) | .backends |= map({address, weight, state, share})]'
}

settled() {
	[ "$(desired)" = "$wanted" ]
}

# The same flow can be asked for again at once: the client keeps no port in TIME_WAIT.
lab_exec client sysctl -qw net.ipv4.tcp_max_tw_buckets=0
owner() {
	lab_curl --local-port 40000 "$LAB_URL4/"
}

wanted=$(desired)
before=$(owner)

check "the agent stops" lab_agent_stop
check "traffic goes on without it" lab_curl --fail "$LAB_URL4/"
check "it starts again" lab_agent_start
check "all is as it was" wait_until 10 settled
lab_agent_kill
check "it starts after kill -9" lab_agent_start
check "all is as it was after kill -9" wait_until 10 settled
check_equal "the same flow goes to the same backend" "$before" "$(owner)"

lab_agent_stop
check "--unload takes program and pins away" lab_exec lb \
	"$LAB_BUILD/lbagent" --unload --interface eth0 --bpffs "$LAB_PINS"
check_equal "no program is left" "" "$(ip -n "$LAB-lb" -o link show eth0 | grep -o xdp)"
check_equal "no pin is left" "" "$(find "$LAB_PINS" -type f 2>/dev/null)"
check "it starts from the state file alone" lab_agent_start
check "all is as it was, from the state file" wait_until 10 settled
check "traffic flows again" wait_until 5 lab_curl --fail "$LAB_URL4/"
check_equal "and the same flow to the same backend" "$before" "$(owner)"
checks_done

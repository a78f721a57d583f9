#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Started by root, the agent keeps four capabilities, and with these it does all that it does.
# unit.sh asks the same of the unit, bond.sh and dispatcher.sh of what is attached to later.
LAB_BACKENDS=2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

# of_threads FIELD: what /proc says of each of the agent's threads, once where they agree
of_threads() {
	sed -n "s/^$1:[[:space:]]*//p" /proc/"$(lab_pid lbagent)"/task/*/status | sort -u
}

few() {
	check_equal "$1: bpf, perfmon, net_admin and net_raw are left" 000000c000003000 "$(of_threads CapEff)"
	check_equal "$1: it can take no others" "000000c000003000 0000000000000000 0000000000000000" \
		"$(of_threads CapPrm) $(of_threads CapInh) $(of_threads CapAmb)"
	check_equal "$1: programs that it starts can have none" "0000000000000000 1" \
		"$(of_threads CapBnd) $(of_threads NoNewPrivs)"
}

serves() {
	check_equal "$1: requests reach $2" "$2" "$(for _ in {1..20}; do lab_curl "$LAB_URL4"; done | sort -u |
		tr '\n' ' ' | sed 's/ $//')"
}

lab_up || exit 1
lab_backend_start 1
lab_backend_start 2
lab_agent_start || exit 1
few "started"
check_equal "lbctl status shows them" "capabilities: CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON CAP_BPF" \
	"$(lbctl status | grep '^capabilities')"
lab_service web "tcp://$LAB_VIP4:80" "1" >/dev/null || bail "a service is added"
serves "a service" b1
check "a backend is added" lbctl add backend web 198.18.1.12
lab_wait_up web || exit 1
serves "two backends" "b1 b2"
check "a backend is removed" lbctl rm backend web 198.18.1.11 --now
serves "one backend less" b2
counted() { [ "$(lab_total web new-flows)" -gt 0 ]; }
check "flows are counted" wait_until 5 counted
check "the state is saved" grep -q 198.18.1.12 "$LAB_DIR/state/state.json"

lab_agent_kill
serves "killed" b2
lab_agent_start || exit 1
few "started again"
check "it has adopted the flows" grep -q 'flows=adopted' "$LAB_LOG"
lab_wait_up web || exit 1
serves "started again" b2
check "and goes on to change" lbctl set service web --mode nat --rise 2

# As a container may start it: without what it gives up anyhow.
lab_agent_stop
before=$(lab_ready_lines)
lab_spawn lb lbagent setpriv --bounding-set -all,+bpf,+perfmon,+net_admin --inh-caps -all \
	"$LAB_BUILD/lbagent" --interface eth0 --state-dir "$LAB_DIR/state" --socket "$LAB_SOCKET" \
	--bpffs "$LAB_PINS"
check "bpf, perfmon and net_admin are enough" wait_until 20 lab_agent_up "$before"
check_equal "and all that it has then" 000000c000001000 "$(of_threads CapEff)"
check "that its children will have them is said" wait_until 5 \
	grep -q 'level=warn msg="programs that checks start will have capabilities"' "$LAB_LOG"
lab_wait_up web || exit 1
serves "with these" b2
# Indices of backends that are gone rest until the flow table was gone through.
check "a change with these" wait_until 10 lbctl add backend web 198.18.1.11
checks_done

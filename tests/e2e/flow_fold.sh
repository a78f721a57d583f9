#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The flow table unfolds as flows come, folds again when it knows how many there are, and neither
# loses a flow: each stays with its backend while others are added.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=60000 # more than 1.5 for each of 32768 buckets
idle=12
vip=198.18.0.11

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
lab_agent_start --flows 1048576 || exit 1
lab_service held "tcp://$vip:80" "1 2" --mode l2 --check none --timeout-established ${idle}s \
	--timeout-embryonic 5s --timeout-closing 2s || bail "the service comes up"

used() {
	lab_metric lb_flow_table_used_size
}

# Each flow sends something, and so stays alive.
moved() {
	lab_flowhold check "$vip" "$flows" | awk -v flows="$flows" '$1 == "flows" {print flows - $4 + $6}'
}

# is_used SIZE: sends for all flows, and is so much of the table used?
is_used() {
	lab_flowhold check "$vip" "$flows" >"$LAB_DIR/held"
	[ "$(used)" = "$1" ]
}

check_equal "without flows a part of the table is used" 262144 "$(used)"
check_matches "$flows flows are established" "^flows $flows answered $flows moved 0\$" \
	"$(lab_flowhold establish "$vip" "$flows")"
check_equal "the whole table is used" 1048576 "$(used)"
lbctl add backend held 198.18.1.13 >/dev/null || bail "a third backend"
promise "unfolded as flows come: lost or moved of $flows flows" 0 "$(moved)"
check "it is folded to what they have room in" wait_until $((6 * idle)) is_used 524288
lbctl add backend held 198.18.1.14 >/dev/null || bail "a fourth backend"
promise "folded again: lost or moved of $flows flows" 0 "$(moved)"
lab_agent_kill
lab_agent_start --flows 1048576 || bail "the next agent starts"
check_equal "the next agent leaves it so" 524288 "$(used)"
promise "the next agent: lost or moved of $flows flows" 0 "$(moved)"
check_equal "no established flow was pushed out" 0 \
	"$(lab_metric 'lb_flow_table_evictions_total{state="established"}')"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A flood of spoofed SYNs, more than the flow table has room for, against flows that are established:
# they keep their backends, and none is pushed out of the table.
#   SYN_FLOOD='ESTABLISHED SPOOFED ROOM'   how many, and entries of the table (make flood)
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

# Half a flow a bucket: so none has more than there is room for, here and next door.
read -r flows flood room <<<"${SYN_FLOOD:-16384 1048576 262144}"

lab_up || exit 1
lab_agent_start --flows "$room" || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --mode l2 --check none || bail "the service comes up"

evicted() {
	lab_metric "lb_flow_table_evictions_total{state=\"$1\"}"
}

out=$(lab_flowhold establish "$LAB_VIP4" "$flows")
check_matches "$flows flows are established" "^flows $flows answered $flows moved 0\$" "$out"
before=$(lab_total web new-flows) evicted=$(evicted established)
# With other owners of most slots, a flow that had lost its entry would go elsewhere.
lbctl set backend web 198.18.1.11 --weight 20 >/dev/null
check "the flood is sent" lab_flowhold flood "$LAB_VIP4" "$flood"
# Of so many flows the number is an estimate, from a sample.
check_between "and arrives, nearly all of it" $((flood * 9 / 10)) $((flood * 21 / 20)) \
	$(($(lab_total web new-flows) - before))
check_matches "it fills the table: embryonic flows push each other out" '^[1-9][0-9]{4,}$' \
	"$(evicted embryonic)"
promise "a SYN flood: established flows pushed out by $flood SYNs" 0 \
	$(($(evicted established) - evicted))
out=$(lab_flowhold check "$LAB_VIP4" "$flows")
check_matches "every flow is answered" "^flows $flows answered $flows " "$out"
promise "a SYN flood: established flows of $flows that moved" 0 \
	"$(awk '$1 == "flows" {print $6}' <<<"$out")"
checks_done

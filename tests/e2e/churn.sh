#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 64 Ki established flows stay where they are while backends come and go.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=65536

lab_up || exit 1
lab_agent_start || exit 1
# still NAME VIP: every flow is answered by the backend that had it before.
still() {
	local out
	out=$(lab_flowhold check "$2" "$flows")
	check_matches "$1: all of $flows flows are answered" "^flows $flows answered $flows " "$out"
	promise "$1: tracked flows that moved, of $flows" 0 "$(awk '$1 == "flows" {print $6}' <<<"$out")"
}

# churn FAMILY SERVICE VIP URI
churn() {
	local family=$1 service=$2 vip=$3 uri=$4 out
	lab_service "$service" "$uri" "1 2 3" --mode l2 --check none || bail "$family: comes up"
	out=$(lab_flowhold establish "$vip" "$flows")
	check_matches "$family: $flows flows are established" \
		"^flows $flows answered $flows moved 0\$" "$out"
	lbctl add backend "$service" "$(lab_address "$uri" 4)" >/dev/null || bail "$family: b4 joins"
	still "$family: a fourth backend joins" "$vip"
	lbctl rm backend "$service" "$(lab_address "$uri" 2)" >/dev/null || bail "$family: b2 leaves"
	still "$family: b2 leaves" "$vip"
	lbctl rm backend "$service" "$(lab_address "$uri" 4)" >/dev/null || bail "$family: b4 leaves"
	still "$family: the fourth leaves" "$vip"
	lbctl set backend "$service" "$(lab_address "$uri" 1)" --weight 10 >/dev/null ||
		bail "$family: b1 gets another weight"
	still "$family: b1 gets ten times the weight" "$vip"
	lbctl rm service "$service" >/dev/null
}

churn IPv4 web "$LAB_VIP4" "tcp://$LAB_VIP4:80"
churn IPv6 web6 "$LAB_VIP6" "tcp://[$LAB_VIP6]:80"
checks_done

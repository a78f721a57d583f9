#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 64 Ki established flows stay where they are while backends come and go.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=65536

lab_up || exit 1
lab_agent_start || exit 1
flowhold=$LAB_BUILD/tests/e2e/flowhold
mkdir -p "${flowhold%/*}"
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$LAB_TOP/common" -o "$flowhold" \
	"$LAB_TOP/tests/e2e/flowhold.c" \
	"$LAB_TOP/common/parse.c" "$LAB_TOP/common/error.c" || exit 1

# hold establish|check VIP
hold() {
	local i backends=()
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		backends+=(--backend "/run/netns/$LAB-b$i")
	done
	"$flowhold" "$1" --vip "$2" --mac "$mac" --client "/run/netns/$LAB-client" \
		"${backends[@]}" --flows "$flows" --owners "$LAB_DIR/owners"
}

mac=$(ip -n "$LAB-lb" -j link show eth0 | jq -r '.[0].address')

# still NAME VIP: every flow is answered by the backend that had it before.
still() {
	check_matches "$1: 0 of $flows moved" "^flows $flows answered $flows moved 0\$" \
		"$(hold check "$2")"
}

# churn FAMILY SERVICE VIP URI
churn() {
	local family=$1 service=$2 vip=$3 uri=$4 out
	lab_service "$service" "$uri" "1 2 3" --mode l2 --check none || bail "$family: comes up"
	out=$(hold establish "$vip")
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

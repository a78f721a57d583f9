#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lbnode makes a host answer for the VIPs without drawing their traffic, and takes it back.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_backend_start 1 hello || exit 1

# All that lbnode may touch.
facts() {
	lab_exec b1 ip -o address show dev lo
	lab_exec b1 sh -c 'grep . /proc/sys/net/ipv4/conf/*/arp_*'
}

# Who answers the client for an address: the MAC in its neighbour table.
neighbour() {
	ip -n "$LAB-client" neighbour flush dev eth0
	lab_curl --max-time 1 "http://$1/" >/dev/null 2>&1
	ip -n "$LAB-client" -j neighbour show dev eth0 | jq -r --arg ip "${1//[\[\]]/}" \
		'.[] | select(.dst == $ip) | .lladdr // empty'
}

# The answer to a request that is sent to b1's MAC, as the balancer would.
by_way_of_b1() {
	ip -n "$LAB-client" neighbour replace "${1//[\[\]]/}" lladdr "$mac" dev eth0
	lab_curl "http://$1/"
}

# refuse STATUS PATTERN ARG...
refuse() {
	local status=$1 pattern=$2 output got
	shift 2
	output=$(lab_node 1 "$@" 2>&1)
	got=$?
	if [ "$got" -eq "$status" ] && grep -Eq -- "$pattern" <<<"$output" && [ "$(facts)" = "$before" ]; then
		ok "refused: lbnode $*"
	else
		not_ok "refused: lbnode $*" "wanted status $status and '$pattern', got $got: $output"
	fi
}

mac=$(ip -n "$LAB-b1" -j link show eth0 | jq -r '.[0].address')
lb_mac=$(ip -n "$LAB-lb" -j link show eth0 | jq -r '.[0].address')
before=$(facts)

refuse 2 'up, down, show' fly
refuse 2 'vip' up --interface eth0
refuse 2 'interface' up --vip "$LAB_VIP4"
refuse 2 '198.18.0.300' up --interface eth0 --vip 198.18.0.300
refuse 2 'interface' up --interface ../eth0 --vip "$LAB_VIP4"
refuse 1 'nope' up --interface nope --vip "$LAB_VIP4"
check_equal "--print changes nothing" "$before" \
	"$(lab_node 1 up --interface eth0 --vip "$LAB_VIP4" --print >/dev/null && facts)"

check "up" lab_node 1 up --interface eth0 --vip "$LAB_VIP4" --vip "$LAB_VIP6"
check "up again" lab_node 1 up --interface eth0 --vip "$LAB_VIP4" --vip "$LAB_VIP6"
check_equal "IPv4: the balancer answers ARP, not the backend" "$lb_mac" "$(neighbour "$LAB_VIP4")"
check_equal "IPv6: likewise" "$lb_mac" "$(neighbour "[$LAB_VIP6]")"
ip -n "$LAB-lb" link set eth0 down
check_equal "IPv4: without the balancer nobody does" "" "$(neighbour "$LAB_VIP4")"
check_equal "IPv6: likewise nobody" "" "$(neighbour "[$LAB_VIP6]")"
check_equal "IPv4: the backend answers as the VIP" b1 "$(by_way_of_b1 "$LAB_VIP4")"
check_equal "IPv6: the backend answers as the VIP" b1 "$(by_way_of_b1 "[$LAB_VIP6]")"
check_matches "show says what stands" "^set: $LAB_VIP4/32 on lo" "$(lab_node 1 show)"

check "down" lab_node 1 down
check_equal "all is as it was before" "$before" "$(facts)"
check "down again" lab_node 1 down

# What somebody else has set since is theirs.
lab_exec b1 sh -c 'echo 2 >/proc/sys/net/ipv4/conf/eth0/arp_ignore'
before=$(facts)
lab_node 1 up --interface eth0 --vip "$LAB_VIP4" >/dev/null
lab_node 1 down >/dev/null
check_equal "a former value is put back" "$before" "$(facts)"
lab_node 1 up --interface eth0 --vip "$LAB_VIP4" >/dev/null
lab_exec b1 sh -c 'echo 8 >/proc/sys/net/ipv4/conf/eth0/arp_ignore'
check_matches "a value changed since is left alone" 'left alone.*eth0/arp_ignore' "$(lab_node 1 down)"
checks_done

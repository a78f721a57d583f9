#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bond: the agent attaches to its members, and goes on when one of them fails. Needs a kernel
# that has bonds.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

if ! unshare --net ip link add bond0 type bond >/dev/null 2>&1; then
	skip "a bond" "this kernel has no bonds"
	exit 0
fi

LAB_BACKENDS=2
lab_up || exit 1

# The balancer's eth0 becomes one member of bond0, eth1 the other one.
build() {
	ip -n "$LAB-lb" address flush dev eth0 scope global || return
	ip -n "$LAB-lb" link set eth0 down || return
	ip link add eth1 netns "$LAB-lb" type veth peer name lb1 netns "$LAB-switch" || return
	lab_exec lb ethtool -K eth1 tx off >/dev/null || return
	lab_exec switch ethtool -K lb1 tx off >/dev/null || return
	lab_exec switch ip link set dev lb1 xdpdrv object "$LAB_DIR/pass.bpf.o" section xdp.frags || return
	ip -n "$LAB-switch" link set lb1 master br0 up || return
	ip -n "$LAB-lb" link add bond0 type bond mode active-backup miimon 50 || return
	ip -n "$LAB-lb" link set eth0 master bond0 || return
	ip -n "$LAB-lb" link set eth1 master bond0 || return
	ip -n "$LAB-lb" link set bond0 up || return
	ip -n "$LAB-lb" link set eth0 up || return
	ip -n "$LAB-lb" link set eth1 up || return
	ip -n "$LAB-lb" address add 198.18.0.1/15 dev bond0 || return
	ip -n "$LAB-lb" address add "$LAB_VIP4/32" dev bond0 preferred_lft 0
}

active() {
	ip -n "$LAB-lb" -d -j link show bond0 | jq -r '.[0].linkinfo.info_data.active_slave'
}

active_is() {
	[ "$(active)" = "$1" ]
}

some_active() {
	[[ $(active) == eth[01] ]]
}

# try NAME
try() {
	local out=$LAB_DIR/out
	lab_wrk -t1 -c10 -d60s -H "$LAB_FRESH" "$LAB_URL4/" -- 300 >"$out"
	check_equal "$1: 300 requests, none failed" 0 "$(lab_errors "$out")"
	check_equal "$1: both backends served" 2 "$(grep -c '^served ' "$out")"
}

build || bail "the bond is built"
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
LAB_INTERFACE=bond0 lab_agent_start || exit 1
check "XDP is on both members" test "$(lbctl --json status | jq '.interfaces | length')" -eq 2
lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "the service comes up"
wait_until 10 some_active || bail "one member is active"
first=$(active)
try "by the first member"
ip -n "$LAB-switch" link set "$([ "$first" = eth0 ] && echo lb || echo lb1)" down
check "the other member takes over" wait_until 10 active_is \
	"$([ "$first" = eth0 ] && echo eth1 || echo eth0)"
lab_exec client ip neigh flush all
lab_wait_up web
try "after a member failed"
lbctl rm service web >/dev/null
lab_nodes_up >/dev/null || bail "lbnode prepares the backends"
check "backends of mode l2 are up, checked by the clients' way" \
	lab_service web "tcp://$LAB_VIP4:80" "1 2" --mode l2
check_equal "by the VIP" vip "$(lab_backend web 198.18.1.11:80 '."check-via"')"
check "by filters on the bond" lab_exec lb sh -c \
	'tc filter show dev bond0 egress | grep -q lb_probe_egress'
checks_done

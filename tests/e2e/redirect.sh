#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two interfaces: clients come in by one, backends are behind the other (XDP_REDIRECT both ways).
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
lab_up || exit 1

# The backends move to a network of their own, where the balancer's eth1 is.
build() {
	local i
	ip -n "$LAB-switch" link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0 &&
		ip -n "$LAB-switch" link set br1 up || return
	ip link add eth1 netns "$LAB-lb" type veth peer name lb1 netns "$LAB-switch" || return
	lab_exec lb ethtool -K eth1 tx off >/dev/null || return
	lab_exec switch ethtool -K lb1 tx off >/dev/null || return
	lab_exec switch ip link set dev lb1 xdpdrv object "$LAB_DIR/pass.bpf.o" section xdp.frags || return
	ip -n "$LAB-switch" link set lb1 master br1 up || return
	ip -n "$LAB-lb" address flush dev eth0 scope global || return
	ip -n "$LAB-lb" address add 198.18.0.1/24 dev eth0 || return
	ip -n "$LAB-lb" address add 2001:db8::1/112 dev eth0 nodad || return
	lab_vips || return
	ip -n "$LAB-lb" link set eth1 up || return
	ip -n "$LAB-lb" address add 198.18.1.1/24 dev eth1 || return
	ip -n "$LAB-lb" address add 2001:db8::1:1/112 dev eth1 nodad || return
	for i in 1 2; do
		ip -n "$LAB-switch" link set "b$i" master br1 || return
		ip -n "$LAB-b$i" address flush dev eth0 scope global || return
		ip -n "$LAB-b$i" address add "198.18.1.1$i/24" dev eth0 || return
		ip -n "$LAB-b$i" address add "2001:db8::1:1$i/112" dev eth0 nodad || return
	done
}

# try FAMILY VIP URL
try() {
	local name=$1 out=$LAB_DIR/out
	lab_service web "tcp://$2:80" "1 2" || bail "$name: the service comes up"
	lab_wrk -t1 -c10 -d20s -H "$LAB_FRESH" "$3/" -- 500 >"$out"
	check_equal "$name: 500 requests from one interface to the other, none failed" 0 \
		"$(lab_errors "$out")"
	check_equal "$name: both backends served" 2 "$(grep -c '^served ' "$out")"
	check "$name: XDP forwarded them" jq -e '.packets > 1500' <(lbctl --json show web)
	lbctl rm service web >/dev/null
}

build || bail "the second network is built"
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
LAB_INTERFACE=eth0,eth1 lab_agent_start || exit 1
try IPv4 "$LAB_VIP4" "$LAB_URL4"
try IPv6 "[$LAB_VIP6]" "$LAB_URL6"
checks_done

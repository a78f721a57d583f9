#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VLANs: clients in one, backends in another, the balancer on a trunk with XDP on its wire. Needs
# a kernel that has VLAN devices.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

if ! unshare --net sh -c 'ip link add w type veth peer name v &&
	ip link add link w name w.10 type vlan id 10' >/dev/null 2>&1; then
	skip "VLANs" "this kernel has no VLAN devices"
	exit 0
fi

LAB_BACKENDS=2
lab_up || exit 1

# tag NAME ID ADDR4 ADDR6: the namespace speaks on VLAN ID only. Tags stand in the frame: veth
# would hand them over beside it, where no XDP program sees them.
tag() {
	local name=$1 id=$2
	lab_exec "$name" ethtool -K eth0 txvlan off rxvlan off >/dev/null || return
	ip -n "$LAB-$name" link add link eth0 name "eth0.$id" type vlan id "$id" || return
	ip -n "$LAB-$name" address flush dev eth0 scope global || return
	[ -z "${3:-}" ] || ip -n "$LAB-$name" address add "$3" dev "eth0.$id" || return
	[ -z "${4:-}" ] || ip -n "$LAB-$name" address add "$4" dev "eth0.$id" nodad || return
	ip -n "$LAB-$name" link set "eth0.$id" up
}

build() {
	local i
	tag client 10 198.18.0.2/24 2001:db8::2/112 || return
	tag lb 10 198.18.0.1/24 2001:db8::1/112 || return
	tag lb 20 || return
	ip -n "$LAB-lb" address add 198.18.1.1/24 dev eth0.20 || return
	ip -n "$LAB-lb" address add 2001:db8::1:1/112 dev eth0.20 nodad || return
	ip -n "$LAB-lb" address add "$LAB_VIP4/32" dev eth0.10 preferred_lft 0 || return
	ip -n "$LAB-lb" address add "$LAB_VIP6/128" dev eth0.10 nodad preferred_lft 0 || return
	for i in 1 2; do
		tag "b$i" 20 "198.18.1.1$i/24" "2001:db8::1:1$i/112" || return
	done
	for i in client lb b1 b2; do
		lab_exec switch ethtool -K "$i" txvlan off rxvlan off >/dev/null || return
	done
}

# try NAME VIP URL BACKEND...
try() {
	local name=$1 vip=$2 url=$3 out=$LAB_DIR/out
	shift 3
	lbctl add service web --vip "tcp://$vip:80" >/dev/null || bail "$name: the service is added"
	lbctl add backend web "$@" >/dev/null || bail "$name: the backends are added"
	lab_wait_up web || bail "$name: the backends come up"
	lab_wrk -t1 -c10 -d60s -H "$LAB_FRESH" "$url/" -- 300 >"$out"
	check_equal "$name: 300 requests from VLAN to VLAN, none failed" 0 "$(lab_errors "$out")"
	check_equal "$name: both backends served" 2 "$(grep -c '^served ' "$out")"
	check "$name: XDP forwarded them" jq -e '.packets > 1000' <(lbctl --json show web)
	lbctl rm service web >/dev/null
}

build || bail "the VLANs are built"
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1
try "IPv4" "$LAB_VIP4" "$LAB_URL4" 198.18.1.11 198.18.1.12
try "IPv6" "[$LAB_VIP6]" "$LAB_URL6" "[2001:db8::1:11]" "[2001:db8::1:12]"

# Checks by the VIP leave by the VLAN device, and so do their replies come.
lab_nodes_up --mode ipip >/dev/null || bail "lbnode prepares the backends"
check "a tunnel's backends are up, checked through it" \
	lab_service tunnel "tcp://$LAB_VIP4:80" "1 2" --mode ipip
check_equal "by the VIP" vip "$(lab_backend tunnel 198.18.1.11:80 '."check-via"')"
check "by filters on the VLAN device" lab_exec lb sh -c \
	'tc filter show dev eth0.20 egress | grep -q lb_probe_egress'
checks_done

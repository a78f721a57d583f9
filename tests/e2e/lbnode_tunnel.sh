#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lbnode takes tunnels off: HTTP through every kind of tunnel, answered straight to the client,
# with lb_decap and, where there are any, with the kernel's devices; and takes itself back.
#
# The balancer's host here is a router that sends packets for two VIPs to a TUN device, where
# encap.c wraps them as the balancer would.
LAB_BACKENDS=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_backend_start 1 hello || exit 1

encap=$(lab_tool e2e/encap) || bail "encap is built"

pins=$LAB_DIR/bpf/b1 # lab_node's
vip4=198.18.64.10 vip6=2001:db8:64::10
backend4=198.18.1.11 backend6=2001:db8::1:11
vips=(--vip "$vip4" --vip "$vip6" --interface eth0)

# --- the network ---

route_vips() {
	{ [ -e /dev/net/tun ] || modprobe tun; } &&
		lab_exec lb sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding' &&
		ip -n "$LAB-lb" tuntap add mode tun tun0 && ip -n "$LAB-lb" link set tun0 up &&
		ip -n "$LAB-lb" route add 198.18.64.0/24 dev tun0 &&
		ip -n "$LAB-lb" route add 2001:db8:64::/48 dev tun0 &&
		ip -n "$LAB-client" route add 198.18.64.0/24 via 198.18.0.1 &&
		ip -n "$LAB-client" route add 2001:db8:64::/48 via 2001:db8::1
}
route_vips || bail "the router is set up"

# tunnel MODE ADDR [PORT]: packets for the VIPs now go there.
tunnel() {
	lab_end encap TERM
	: >"$LAB_DIR/encap.log"
	lab_spawn lb encap "$encap" tun0 "$@"
	wait_until 5 grep -q ready "$LAB_DIR/encap.log"
}

node() {
	lab_node 1 "$@"
}

# All that lbnode may touch; not what the kernel keeps once a module is loaded.
facts() {
	lab_exec b1 sh -c '
		ip -o address show dev lo
		grep . /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/arp_[ai]* \
			/proc/sys/net/ipv[46]/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra |
			grep -E "/(all|eth0)/"
		ip rule; ip -6 rule; ip route show table all; ip -6 route show table all
		ip -o link show up | sed "s/ mtu .*//"
		bpftool net show dev eth0' 2>&1 | grep -v 'table 27746'
	ls "$pins" 2>&1
}

# What has changed since $before. The kernel's lists are read one after the other, and one that
# changes meanwhile is told in part: what is the same a second later has not changed.
changes=
unchanged() {
	changes=$(diff <(echo "$before") <(facts))
	[ -z "$changes" ]
}

# as_before NAME: facts are what they were
as_before() {
	check_none "$1" "$(wait_until 1 unchanged || echo "$changes")"
}

# counted OUTCOME: packets that lb_decap has counted so
counted() {
	node show | awk -v label="$1" '$1 == label {print $2}'
}

answer() {
	lab_curl --max-time "${2:-5}" "http://$1/"
}

upload() {
	lab_curl -X PUT --data-binary "@$LAB_DIR/upload" "http://$1/health?status=200"
}
head -c 300000 /dev/zero >"$LAB_DIR/upload"

# try NAME MODE: requests to both VIPs below both outer families
try() {
	local outer vip
	for outer in "$backend4" "$backend6"; do
		tunnel "$2" "$outer" || bail "$1: encap runs"
		for vip in "$vip4" "[$vip6]"; do
			check_equal "$1: $vip by $outer answers" b1 "$(answer "$vip")"
			check_equal "$1: $vip by $outer takes full packets" ok "$(upload "$vip")"
		done
	done
}

# mss VIP FILTER: the MSS that the VIP's SYN-ACK announces
mss() {
	: >"$LAB_DIR/syn.log"
	lab_spawn client syn timeout 10 tcpdump -i eth0 -n -l -c 1 "$2"
	wait_until 5 grep -q 'listening on' "$LAB_DIR/syn.log"
	answer "$1" >/dev/null
	wait_until 5 grep -q 'mss' "$LAB_DIR/syn.log"
	sed -nE 's/.*mss ([0-9]+).*/\1/p' "$LAB_DIR/syn.log"
	lab_end syn TERM
}

# try_mss NAME MSS4 MSS6
try_mss() {
	check_equal "$1: the IPv4 VIP announces an MSS with room for the headers" "$2" \
		"$(mss "$vip4" "src host $vip4 and tcp[13] = 18")"
	check_equal "$1: the IPv6 VIP likewise" "$3" \
		"$(mss "[$vip6]" "src host $vip6 and ip6[53] = 18")"
}

# refuse STATUS PATTERN ARG...: lbnode refuses and changes nothing
refuse() {
	local status=$1 pattern=$2 output got
	shift 2
	output=$(node "$@" 2>&1)
	got=$?
	if [ "$got" -eq "$status" ] && grep -Eq -- "$pattern" <<<"$output" && wait_until 1 unchanged; then
		ok "refused: lbnode $*"
	else
		not_ok "refused: lbnode $*" "wanted status $status and '$pattern', got $got: $output
$changes"
	fi
}

# --- what is refused ---

before=$(facts)
refuse 2 '--mode.*l2, ipip, gue.*nat needs nothing' up "${vips[@]}" --mode nat
refuse 2 '--gue-port.*mode gue' up "${vips[@]}" --mode ipip --gue-port 6080
refuse 2 '--gue-port.*1 to 65535' up "${vips[@]}" --mode gue --gue-port 0
refuse 2 '--kernel.*l2' up "${vips[@]}" --kernel
refuse 2 '--from.*lb_decap' up "${vips[@]}" --mode ipip --kernel --from 198.18.0.0/24
refuse 2 '--from.*198.18.0.1/24' up "${vips[@]}" --mode ipip --from 198.18.0.1/24
refuse 2 '--second-chance.*--mode gue' up "${vips[@]}" --mode ipip --second-chance
refuse 2 '--second-chance.*--from' up "${vips[@]}" --mode gue --second-chance
refuse 2 '--second-chance.*--kernel' up "${vips[@]}" --mode gue --kernel --second-chance
refuse 2 '--xdp-mode.*no XDP' up "${vips[@]}" --xdp-mode native
refuse 2 '--xdp-mode.*auto' up "${vips[@]}" --mode ipip --xdp-mode fast
refuse 2 '--vip.*0.0.0.0/0' up --interface eth0 --mode ipip --vip 0.0.0.0/0
refuse 2 '--vip.*behind the prefix' up --interface eth0 --mode ipip --vip 198.18.64.1/24
refuse 2 '--bpffs.*only up' show --bpffs "$pins"
refuse 1 'not in a bpffs.*mount -t bpf' up "${vips[@]}" --mode ipip --bpffs "$LAB_DIR/none"
node up "${vips[@]}" --mode ipip --print >/dev/null || not_ok "--print"
as_before "--print changes nothing"

lab_exec b1 ip link set dev eth0 xdpgeneric object "$LAB_DIR/pass.bpf.o" section xdp.frags
before=$(facts)
refuse 1 'XDP program [0-9]+ is attached.*--kernel' up "${vips[@]}" --mode ipip
lab_exec b1 ip link set dev eth0 xdpgeneric off

# --- lb_decap ---

before=$(facts)
for way in native generic; do
	check "$way: up" node up "${vips[@]}" --mode ipip --mode gue --xdp-mode "$way"
	for mode in ipip gue direct; do
		try "$way $mode" "$mode"
	done
	check_matches "$way: show says that all stands" '^set: lb_decap on eth0' "$(node show)"
	check_equal "$way: and nothing is lost" "" "$(node show | grep '^lost')"
	check_between "$way: show counts what was taken off" 1000 100000 "$(counted decapsulated)"
	check "$way: down" node down
	as_before "$way: all is as it was before"
done

# --- second chances: the kernel may forward, and routers are heard as before ---

lab_exec b1 sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra'
before=$(facts)
check "a second chance: up" node up "${vips[@]}" --mode gue --from 198.18.0.0/16 --from 2001:db8::/64 \
	--second-chance
# shellcheck disable=SC2016 # expanded by the inner shell
check_equal "the kernel may forward" "1 1 2" "$(lab_exec b1 sh -c 'cd /proc/sys/net
	echo $(cat ipv4/conf/eth0/forwarding ipv6/conf/all/forwarding ipv6/conf/eth0/accept_ra)')"
check_matches "show says so" '^set: lb_decap on eth0 .* sends on what no socket knows' "$(node show)"
try "a second chance" gue
tunnel gue "$backend4"
try_mss "a second chance" 1372 1352
check "a second chance: down" node down
as_before "a second chance: all is as it was before"

node up "${vips[@]}" --mode ipip >/dev/null
tunnel ipip "$backend4"
try_mss ipip 1420 1400
check_equal "up again changes nothing" "" "$(node up "${vips[@]}" --mode ipip | grep -v '^already so')"
stands=$(facts)
check_matches "other settings are refused" 'already, with other settings; lbnode down first' \
	"$(node up "${vips[@]}" --mode ipip --mode gue 2>&1)"
check_equal "and change nothing" "$stands" "$(facts)"
check_equal "nor lose anything" "" "$(node show | grep '^lost')"

ip -n "$LAB-b1" route add 198.18.200.0/24 via 198.18.0.1
check_matches "show tells when the routes have changed since" "^lost: .*ipv4 routes" "$(node show)"
check_matches "up follows them" "^set: .*ipv4 routes" "$(node up "${vips[@]}" --mode ipip)"
check_matches "the new route has its copy" "advmss 1420" \
	"$(ip -n "$LAB-b1" route show table 27746 198.18.200.0/24)"
ip -n "$LAB-b1" route del 198.18.200.0/24 via 198.18.0.1
rm "$pins/link"
check_matches "show tells that the program is gone" "^lost: lb_decap on eth0" "$(node show)"
check_equal "without it nobody answers" "" "$(answer "$vip4" 1 2>/dev/null)"
check_matches "up attaches it again" "^set: lb_decap on eth0" "$(node up "${vips[@]}" --mode ipip)"
check_equal "and it works" b1 "$(answer "$vip4")"
node down >/dev/null
as_before "down leaves nothing"

# Prefixes, a port of our own, and only one sender.
node up --interface eth0 --vip 198.18.64.0/24 --vip 2001:db8:64::/48 --mode gue --gue-port 6081 \
	--from 198.18.0.1 >/dev/null
tunnel gue "$backend4" 6081
check_equal "an IPv4 prefix as VIP answers" b1 "$(answer 198.18.64.77)"
check_equal "an IPv6 prefix as VIP answers" b1 "$(answer "[2001:db8:64:7::77]")"
try_mss gue 1408 1388
tunnel gue "$backend6" 6081
check_equal "another sender gets no answer" "" "$(answer "$vip4" 1 2>/dev/null)"
check_between "its packets are counted" 1 100 "$(counted source_refused)"
tunnel gue "$backend4" 6080
check_equal "another port gets no answer" "" "$(answer "$vip4" 1 2>/dev/null)"
node down >/dev/null
as_before "all is as it was before"

# The same by the shell.
lab_exec b1 ip link set eth0 mtu 1400
node up "${vips[@]}" --mode ipip --print >"$LAB_DIR/up.sh"
check "--print is plain shell" lab_exec b1 sh -eu "$LAB_DIR/up.sh"
lab_exec b1 ip link set eth0 mtu 1500
tunnel ipip "$backend6"
check_equal "what it does works" b1 "$(answer "[$vip6]")"
try_mss "--print, an MTU of 1400" 1320 1300
check_equal "up finds it" "" "$(node up "${vips[@]}" --mode l2 | grep -v '^already so')"
lab_exec b1 sh -c "ip link set dev eth0 xdp off && rm -r '$pins'"
for step in rule:4 rule:6; do
	lab_exec b1 ip "-${step#*:}" rule del priority 27746
	lab_exec b1 ip "-${step#*:}" route flush table 27746
done
lab_exec b1 sh -c 'echo 0 | tee /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/arp_announce \
	/proc/sys/net/ipv4/conf/eth0/arp_ignore /proc/sys/net/ipv4/conf/eth0/arp_announce' >/dev/null
lab_exec b1 ip address del "$vip4/32" dev lo
lab_exec b1 ip address del "$vip6/128" dev lo
as_before "that is all that it does"
node up "${vips[@]}" --mode gue >/dev/null
node down --print >"$LAB_DIR/down.sh"
check "down --print is plain shell" lab_exec b1 sh -eu "$LAB_DIR/down.sh"
as_before "and takes back all"
node down >/dev/null

# --- the kernel's devices ---

# A kernel may have none of them; what it says then is tested, too.
if lab_exec b1 ip link add probe type ipip external 2>/dev/null && modprobe fou 2>/dev/null; then
	ip -n "$LAB-b1" link del probe
	lab_exec b1 sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter'
	before=$(facts)
	check "kernel: up" node up "${vips[@]}" --mode ipip --mode gue --kernel
	for mode in ipip gue direct; do
		try "kernel $mode" "$mode"
	done
	try_mss kernel 1408 1388
	check_equal "kernel: show says that all stands" "" "$(node show | grep -v '^set')"
	check_equal "kernel: up again changes nothing" "" \
		"$(node up "${vips[@]}" --mode ipip --mode gue --kernel | grep -v '^already so')"
	check "kernel: down" node down
	as_before "kernel: all is as it was before"
	node up "${vips[@]}" --mode gue --kernel --print >"$LAB_DIR/up.sh"
	check "kernel: --print is plain shell" lab_exec b1 sh -eu "$LAB_DIR/up.sh"
	tunnel gue "$backend4"
	check_equal "kernel: what it does works" b1 "$(answer "$vip4")"
else
	refuse 1 'no tunnel devices of the type ipip; leave --kernel away' \
		up "${vips[@]}" --mode ipip --kernel
	skip "kernel: tunnel devices" "this kernel has no ipip, or no fou"
fi
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Backends that take tunnels off by the kernel's own devices. Needs a kernel that has them.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

if ! unshare --net ip link add ipip1 type ipip local 198.18.0.1 >/dev/null 2>&1; then
	skip "the kernel's tunnel devices" "this kernel has no ipip"
	exit 0
fi

LAB_BACKENDS=2
lab_up || exit 1
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1

# try NAME MODE VIP URL "LBCTL-FLAG..." BACKEND...
try() {
	local name=$1 mode=$2 vip=$3 url=$4 flags=$5 out=$LAB_DIR/out i
	shift 5
	for i in 1 2; do
		lab_node "$i" up --kernel --mode "$mode" --interface eth0 --vip "$LAB_VIP4" \
			--vip "$LAB_VIP6" >"$out" 2>&1 || bail "$name: lbnode up: $(cat "$out")"
	done
	# shellcheck disable=SC2086 # flags
	lbctl add service web --vip "tcp://$vip:80" --mode "$mode" $flags >/dev/null ||
		bail "$name: the service is added"
	lbctl add backend web "$@" >/dev/null || bail "$name: the backends are added"
	lab_wait_up web || bail "$name: the backends come up"
	lab_wrk -t1 -c10 -d60s -H "$LAB_FRESH" "$url/" -- 300 >"$out"
	check_equal "$name: 300 requests, none failed" 0 "$(lab_errors "$out")"
	check_equal "$name: both backends served" 2 "$(grep -c '^served ' "$out")"
	lbctl rm service web >/dev/null
	for i in 1 2; do
		check "$name: lbnode down in b$i" lab_node "$i" down
	done
}

try "ipip, IPv4 in IPv4" ipip "$LAB_VIP4" "$LAB_URL4" "" 198.18.1.11 198.18.1.12
try "ipip, IPv6 in IPv6" ipip "[$LAB_VIP6]" "$LAB_URL6" "" "[2001:db8::1:11]" "[2001:db8::1:12]"
try "ipip, IPv4 in IPv6" ipip "$LAB_VIP4" "$LAB_URL4" "" "[2001:db8::1:11]" "[2001:db8::1:12]"
try "ipip, IPv6 in IPv4" ipip "[$LAB_VIP6]" "$LAB_URL6" "" 198.18.1.11 198.18.1.12
modprobe fou || bail "this kernel has fou"
try "gue, IPv4 in IPv4" gue "$LAB_VIP4" "$LAB_URL4" "" 198.18.1.11 198.18.1.12
try "gue variant 1, IPv4 in IPv4" gue "$LAB_VIP4" "$LAB_URL4" "--gue-variant 1" 198.18.1.11 198.18.1.12
checks_done

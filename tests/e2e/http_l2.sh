#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# HTTP in mode l2: backends answer the client themselves, past the balancer.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1

capture_ready() {
	grep -q 'listening on' "$LAB_DIR/capture.log"
}

# captured FILTER: how many packets of the balancer's link it matches
captured() {
	tcpdump -r "$LAB_DIR/link.pcap" -n "$@" 2>/dev/null | wc -l
}

# seen VIP: has the capture a client's packet to it?
seen() {
	[ "$(captured dst host "$1")" -gt 0 ]
}

# try FAMILY SERVICE VIP URL
try() {
	local family=$1 service=$2 vip=$3 url=$4 out=$LAB_DIR/wrk.$1
	lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$url/" -- 2000 >"$out"
	check_equal "$family: 2000 requests, a connection each, none failed" 0 "$(lab_errors "$out")"
	check_equal "$family: every backend served" 3 "$(grep -c '^served ' "$out")"

	lab_spawn switch capture tcpdump -i lb -n -U --immediate-mode \
		-w "$LAB_DIR/link.pcap" tcp
	wait_until 10 capture_ready
	lab_wrk -t1 -c5 -d10s -H "$LAB_FRESH" "$url/" -- 50 >"$out"
	check "$family: the clients' packets pass the balancer" wait_until 10 seen "$vip"
	lab_end capture INT
	check_equal "$family: no answer passes the balancer" 0 "$(captured src host "$vip")"
	check_equal "$family: backends get the clients' own addresses" 0 \
		"$(captured dst host "$vip" and not src host 198.18.0.2 and not src host 2001:db8::2)"
	check "$family: packets of the backends add up to the service's" jq -e \
		'([.backends[].packets] | add) == .packets' <(lbctl --json show "$service")
	: >"$LAB_DIR/capture.log"
}

# Checks by the VIP's way would be among the captured packets.
flags=(--mode l2 --check-via address)
if lab_service web "tcp://$LAB_VIP4:80" "1 2 3" "${flags[@]}"; then
	try IPv4 web "$LAB_VIP4" "$LAB_URL4"
else
	bail "IPv4: the service comes up"
fi
if lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2 3" "${flags[@]}"; then
	try IPv6 web6 "$LAB_VIP6" "$LAB_URL6"
else
	bail "IPv6: the service comes up"
fi
checks_done

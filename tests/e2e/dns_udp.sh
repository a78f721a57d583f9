#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# UDP: DNS by a real server and a real client, in both modes and families; nothing may be lost.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" nsd || exit 1
done
lab_agent_start || exit 1
printf 'www.example.test A\nwww.example.test AAAA\nwho.example.test TXT\n' >"$LAB_DIR/queries"

# try NAME SERVICE VIP MODE
try() {
	local name=$1 service=$2 vip=$3 mode=$4 address=${3#udp://} out=$LAB_DIR/$2.out
	address=${address%:53}
	lab_service "$service" "$vip" "1 2 3" --mode "$mode" || bail "$name: the service comes up"
	lab_exec client dnsperf -s "${address//[\[\]]/}" -d "$LAB_DIR/queries" -l 3 -c 40 -Q 20000 \
		>"$out" 2>&1
	check_matches "$name: no query is lost" 'Queries lost: +0 ' "$(cat "$out")"
	check_matches "$name: every answer is NOERROR" 'Response codes: +NOERROR [0-9]+ \(100.00%\)' \
		"$(cat "$out")"
	check "$name: every backend got flows" jq -e 'all(.backends[]; ."new-flows" > 0)' \
		<(lbctl --json show "$service")
	lbctl rm service "$service" >/dev/null
}

try "IPv4, nat" dns4nat "udp://$LAB_VIP4:53" nat
try "IPv6, nat" dns6nat "udp://[$LAB_VIP6]:53" nat
try "IPv4, l2" dns4l2 "udp://$LAB_VIP4:53" l2
try "IPv6, l2" dns6l2 "udp://[$LAB_VIP6]:53" l2
checks_done

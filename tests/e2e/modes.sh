#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every mode, in every mix of families that it knows, with real servers and clients: HTTP by TCP,
# DNS by UDP, transfers of full-size packets where encapsulation takes its share of the path's MTU,
# ping and traceroute.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
lab_up || exit 1
printf 'www.example.test A\nwho.example.test TXT\n' >"$LAB_DIR/queries"
head -c 3000000 /dev/urandom >"$LAB_DIR/large"
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1

# prepare MODE: the backends' side
prepare() {
	[ "$1" = nat ] || lab_nodes_up --mode "${1%[01]}" >/dev/null
}

unprepare() {
	[ "$1" = nat ] || lab_nodes_down >/dev/null
}

# service NAME VIP MODE OUTER: two backends, with addresses of family OUTER
service() {
	local name=$1 vip=$2 mode=$3 outer=$4 i address flags=(--mode "${3%[01]}")
	case $mode in
	gue?) flags+=(--gue-variant "${mode#gue}") ;;
	esac
	lbctl add service "$name" --vip "$vip" "${flags[@]}" >/dev/null || return
	for i in 1 2; do
		address=198.18.1.1$i
		[ "$outer" = 4 ] || address=[2001:db8::1:1$i]
		lbctl add backend "$name" "$address" >/dev/null || return
	done
	lab_wait_up "$name"
}

# forget_mtu FAMILY: what the client has learnt about paths
forget_mtu() {
	lab_exec client ip "-$1" route flush cache
}

replies() {
	lab_exec lb curl -sS http://127.0.0.1:9480/metrics |
		awk -v kind="$1" 'index($0, "lb_replies_total{kind=\"" kind "\"}") == 1 {print $2}'
}

# ask_large HOST: a DNS query of some 2 KB, for an answer of some 3 KB
ask_large() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	[ "$(lab_exec client bash -c '
		exec 3<>"/dev/udp/$1/53" && dd bs=4096 count=1 status=none <"$2" >&3 &&
			timeout 0.5 dd bs=8192 count=1 status=none <&3' _ "$1" "$LAB_DIR/query" | wc -c)" \
		-gt 2900 ]
}

# large.example.test TXT, and an EDNS option of 2000 bytes (RFC 6891) that nobody knows
large_query() {
	printf '\x12\x34\0\0\0\1\0\0\0\0\0\1\5large\7example\4test\0\0\x10\0\1'
	printf '\0\0\x29\x10\0\0\0\0\0\x07\xd4\xfd\xe9\x07\xd0'
	head -c 2000 /dev/zero
}

# try MODE INNER OUTER
try() {
	local mode=$1 inner=$2 outer=$3 name="$1, IPv$2 in IPv$3" vip=$LAB_VIP4 url=$LAB_URL4 host
	local out=$LAB_DIR/out before
	[ "$inner" = 4 ] || { vip=[$LAB_VIP6] url=$LAB_URL6; }
	case $mode in nat | l2) name="$mode, IPv$inner" ;; esac
	host=${vip//[\[\]]/}

	service web "tcp://$vip:80" "$mode" "$outer" || bail "$name: the service comes up"
	lab_wrk -t1 -c10 -d20s -H "$LAB_FRESH" "$url/" -- 300 >"$out"
	check_equal "$name: 300 requests, a connection each, none failed" 0 "$(lab_errors "$out")"
	check_equal "$name: both backends served" 2 "$(grep -c '^served ' "$out")"

	forget_mtu "$inner"
	check_equal "$name: a download of 3 MB is whole" "$(sha1sum <"$LAB_DIR/large")" \
		"$(lab_curl --max-time 20 "$url/large" | sha1sum)"
	before=$(replies too_big_told)
	check_equal "$name: an upload of 3 MB is taken" 200 "$(lab_curl --max-time 20 \
		-o /dev/null -w '%{http_code}' --data-binary "@$LAB_DIR/large" -H 'Expect:' "$url/")"
	case $mode in
	nat | l2) ;;
	gue0)
		check "$name: the client learnt what fits by packet-too-big" \
			[ "$(replies too_big_told)" -gt "$before" ]
		;;
	*)
		check_equal "$name: the backends' MSS left room, no packet was too big" \
			"$before" "$(replies too_big_told)"
		;;
	esac

	before=$(replies echo)
	check "$name: the VIP answers ping" lab_exec client ping -n -c 3 -i 0.05 -W 2 "$host"
	check_equal "$name: the data plane answered it" $((before + 3)) "$(replies echo)"
	lab_exec client traceroute "-$inner" -T -p 80 -n -q 1 -w 2 -m 4 "$host" >"$out" 2>&1
	check_equal "$name: traceroute ends at the VIP, the balancer a hop before it unless l2" \
		"$([ "$mode" = l2 ] && echo 1 || echo 2)" "$(grep -c "^ *[0-9].* $host " "$out")"
	lbctl rm service web >/dev/null

	service dns "udp://$vip:53" "$mode" "$outer" || bail "$name: the DNS service comes up"
	lab_exec client dnsperf -s "$host" -d "$LAB_DIR/queries" -l 1 -c 20 -Q 2000 >"$out" 2>&1
	check_matches "$name: no DNS query is lost" 'Queries lost: +0 ' "$(cat "$out")"
	check_matches "$name: every answer is NOERROR" 'NOERROR [0-9]+ \(100.00%\)' "$(cat "$out")"
	# The client may have to learn first how long its fragments may be.
	check "$name: a UDP query in fragments gets its answer in fragments" \
		wait_until 5 ask_large "$host"
	lbctl rm service dns >/dev/null
}

# Clients then send full-size segments, as lbnode would not have them.
forget_mss() {
	local i
	for i in 1 2; do
		ip -n "$LAB-b$i" -4 rule delete from "$LAB_VIP4" || return
		ip -n "$LAB-b$i" -6 rule delete from "$LAB_VIP6" || return
	done
}

large_query >"$LAB_DIR/query"
for mode in nat l2 ipip gue0 gue1; do
	prepare "$mode" || bail "$mode: lbnode prepares the backends"
	[ "$mode" != gue0 ] || forget_mss || bail "$mode: lbnode had rules for the VIPs"
	for i in 1 2; do
		lab_backend_start "$i" nsd || exit 1
	done
	for inner in 4 6; do
		try "$mode" "$inner" "$inner"
		case $mode in nat | l2) continue ;; esac
		try "$mode" "$inner" $((10 - inner))
	done
	for i in 1 2; do
		lab_end "b$i.nsd" KILL
	done
	unprepare "$mode" || bail "$mode: lbnode takes back what it did"
done
checks_done

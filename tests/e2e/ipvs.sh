#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# IPVS beside us: the same host, backends and tunnels, a VIP each. What clients of one get, those of
# the other get, and neither is in the other's way. How many requests either answers is told, in
# rounds that take turns; on veth, XDP pays for turning packets round that a NIC has not made yet. Needs
# a kernel that has both.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

if ! unshare --net ip link add ipip1 type ipip local 198.18.0.1 >/dev/null 2>&1 ||
	! modprobe ip_vs_mh 2>/dev/null; then
	skip "IPVS beside us" "this kernel has no ipip, or no IPVS"
	exit 0
fi

LAB_BACKENDS=3
ipvs_vip=198.18.0.20
declare -A url=([sluice]=$LAB_URL4 [ipvs]=http://$ipvs_vip)

ipvs() {
	lab_exec lb ipvsadm "$@"
}

# add_backend N: to both; IPVS by the scheduler that is like ours, through the same tunnel
add_backend() {
	lbctl add backend web "198.18.1.1$1" >/dev/null &&
		ipvs -a -t "$ipvs_vip:80" -r "198.18.1.1$1:80" -i
}

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" nginx || exit 1
	lab_node "$i" up --kernel --mode ipip --interface eth0 --vip "$LAB_VIP4" \
		--vip "$ipvs_vip" >/dev/null || bail "lbnode prepares b$i"
done
ip -n "$LAB-lb" address add "$ipvs_vip/32" dev eth0 || bail "IPVS has an address"
lab_exec lb sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
lab_agent_start || exit 1
lbctl add service web --vip "tcp://$LAB_VIP4:80" --mode ipip >/dev/null || bail "a service of ours"
ipvs -A -t "$ipvs_vip:80" -s mh -b mh-fallback,mh-port || bail "a service of IPVS"
for i in 1 2; do
	add_backend "$i" || bail "both have backends"
done
lab_wait_up web || bail "ours are up"

for who in sluice ipvs; do
	lab_wrk -t1 -c10 -d60s -H "$LAB_FRESH" "${url[$who]}/" -- 300 >"$LAB_DIR/out"
	check_equal "$who: 300 requests, none failed" 0 "$(lab_errors "$LAB_DIR/out")"
	check_equal "$who: both backends served" 2 "$(grep -c '^served ' "$LAB_DIR/out")"
done

# A third comes, and the first is drained, while clients of both keep their connections.
for who in sluice ipvs; do
	lab_spawn client "$who" wrk -s "$LAB_TOP/tests/lab/bodies.lua" --timeout 10s -t1 -c10 -d8s \
		"${url[$who]}/" -- 0 20
done
sleep 2
check "a third backend is added to both" add_backend 3
lbctl drain backend web 198.18.1.11 >/dev/null && ipvs -e -t "$ipvs_vip:80" -r 198.18.1.11:80 -i -w 0
check "the first is drained in both" [ $? -eq 0 ]
for who in sluice ipvs; do
	wait_until 30 lab_gone "$who" || bail "$who: its load ends"
	check_equal "$who: no kept connection failed" 0 "$(lab_errors "$LAB_DIR/$who.log")"
done

for round in 1 2 3; do
	for who in sluice ipvs; do
		lab_wrk -t1 -c10 -d3s "${url[$who]}/" >"$LAB_DIR/out"
		check_equal "$who: round $round, none failed" 0 "$(lab_errors "$LAB_DIR/out")"
		echo "# $who: round $round: $(lab_served "$LAB_DIR/out") requests in 3 s"
	done
done
checks_done

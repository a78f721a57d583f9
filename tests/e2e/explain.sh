#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Explanations agree with what the live program then does with the same packets: thousands of random
# ones, in every mode, by every scheduler, with backends that come and go. explain.c compares.
# alone: measures how long an answer takes
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=3
lab_up || exit 1
tool=$(lab_tool e2e/explain -lbpf -lcurl -lcjson) || bail "explain.c is built"

# A second interface, with backends behind it that need not be there: their neighbours are.
second_interface() {
	local i
	ip link add eth1 netns "$LAB-lb" type veth peer name lb1 netns "$LAB-switch" || return
	ip -n "$LAB-switch" link set lb1 up || return
	ip -n "$LAB-lb" link set eth1 up || return
	ip -n "$LAB-lb" address add 198.19.255.1/24 dev eth1 || return
	for i in 1 2; do
		ip -n "$LAB-lb" neighbour add "198.19.255.1$i" lladdr "02:00:00:00:ff:1$i" \
			dev eth1 nud permanent || return
	done
	lab_exec lb sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# service NAME VIP FLAG...: one that needs no servers
service() {
	local name=$1 vip=$2
	shift 2
	lbctl add service "$name" --vip "$vip" --check none "$@" >/dev/null ||
		bail "service $name is added"
}

# backends SERVICE ADDRESS...
backends() {
	lbctl add backend "$@" >/dev/null || bail "backends of $1 are added"
}

near4=(198.18.1.11 198.18.1.12 198.18.1.13)
near6=(2001:db8::1:11 2001:db8::1:12 2001:db8::1:13)
far=(198.19.255.11 198.19.255.12)

services() {
	service nat4 tcp://198.18.0.10:80
	service nat6 "tcp://[2001:db8::10]:80"
	service natu udp://198.18.0.10:53 --when-down pass
	service l2 tcp://198.18.0.11:80 --mode l2 --scheduler least-conn
	service l2u "udp://[2001:db8::11]:53" --mode l2 --tracking none
	service ipip tcp://198.18.0.12:80 --mode ipip --scheduler source --too-big drop
	service ipip6 "sctp://[2001:db8::12]:*" --mode ipip
	service gue "udp://198.18.0.12:*" --mode gue --scheduler dport
	service gue1 "tcp://[2001:db8::13]:443" --mode gue --gue-variant 1 --tunnel-source fixed
	service whole tcp://198.19.128.0/24:80 --mode ipip --tracking none
	service nobody tcp://198.18.0.13:80
	for name in nat4 natu l2 ipip6 gue; do
		backends "$name" "${near4[@]}"
	done
	for name in nat6 l2u ipip gue1; do
		backends "$name" "${near6[@]}"
	done
	for name in gue whole nat4; do
		backends "$name" "${far[@]}"
	done
}

targets=('tcp 198.18.0.10:80' 'tcp [2001:db8::10]:80' 'udp 198.18.0.10:53' 'tcp 198.18.0.11:80'
	'udp [2001:db8::11]:53' 'tcp 198.18.0.12:80' 'sctp [2001:db8::12]:3868'
	'udp 198.18.0.12:4000' 'udp 198.18.0.12:4001' 'tcp [2001:db8::13]:443'
	'tcp 198.19.128.7:80' 'tcp 198.18.0.13:80' 'icmp 198.18.0.10' 'icmp 2001:db8::10'
	'tcp 198.18.0.10:81' 'udp [2001:db8::13]:443' 'sctp 198.18.0.10:80' 'tcp 198.18.0.99:80'
	'tcp 198.18.0.1:1234' 'icmp 198.18.0.99')

# try NAME MODE COUNT WORD...: each WORD has occurred, as a verdict or another kind of packet
try() {
	local name=$1 mode=$2 count=$3 out status word
	shift 3
	seed=$((${seed:-0} + 1))
	out=$(lab_exec lb "$tool" "$mode" "$LAB_SOCKET" "$LAB_PINS" eth0 "$count" "$seed" \
		"$LAB_DIR/flows" "${targets[@]}" 2>&1)
	status=$?
	echo "# $name: ${out//$'\n'/$'\n# '}"
	check_equal "$name: $count packets explained as the program then did" 0 "$status"
	packets=$((${packets:-0} + count))
	agreed=$((${agreed:-0} + $(grep -oE '[0-9]+ of [0-9]+ agree' <<<"$out" | cut -d ' ' -f 1)))
	for word; do
		check_matches "$name: some were of kind $word" " $word [1-9]" "$out"
	done
	slowest=$(printf '%s\n' "${slowest:-0}" "$(grep -oE '[0-9]+ us \(median' <<<"$out" |
		grep -oE '^[0-9]+')" | sort -n | tail -n 1)
}

# The agent does not see it and leaves it so: the program asks the kernel from now on.
forget_hops() {
	local map=$LAB_PINS/maps/backends id value
	for id in 1 2 3 4; do
		read -ra value < <(bpftool -j map lookup pinned "$map" key hex "0$id" 00 00 00 |
			jq -r '.value | map(ltrimstr("0x")) | join(" ")')
		value[6]=01 # up, but not resolved; see struct lb_hop
		bpftool map update pinned "$map" key hex "0$id" 00 00 00 value hex "${value[@]}" ||
			return
	done
}

second_interface || bail "the second interface is there"
LAB_INTERFACE=eth0,eth1 lab_agent_start --flows 65536 --max-services 32 --icmp-rate 1000000 || exit 1
services
for name in nat4 nat6 natu l2 l2u ipip ipip6 gue gue1 whole; do
	lab_wait_up "$name" || bail "$name is up"
done

try "every mode" still 3000 forward return echo pass too_big_told too_big no_backend tcp_flags land \
	known\ flows redirected

lbctl set backend nat4 198.18.1.11 --weight 7 >/dev/null
lbctl set backend l2 198.18.1.12 --weight 3 >/dev/null
lbctl set backend gue 198.18.1.13 --weight 0 >/dev/null
lbctl set backend nat6 "[2001:db8::1:12]:80" --weight 5 >/dev/null
try "after changes of weights" agree 1500 forward known\ flows

lbctl drain backend nat4 198.18.1.11 >/dev/null
lbctl drain backend gue1 "[2001:db8::1:11]:443" >/dev/null
lbctl set backend ipip "[2001:db8::1:11]:80" --state maint >/dev/null
lbctl rm backend l2 198.18.1.12 --now >/dev/null
for address in "${near4[@]}"; do
	lbctl set backend natu "$address" --state maint >/dev/null
done
lbctl rm service whole >/dev/null
try "after drains, removals and with everybody gone" agree 1500 pass_down no_backend known\ flows

forget_hops || bail "next hops are taken out of the records"
try "with next hops that the kernel is asked for" agree 1000 kernel\ asked
promise "explain: of $packets packets, those that the program then dealt with otherwise" 0 \
	$((packets - agreed))
promise "explain: the median answer took so many microseconds" $((10000 * ${SLOWER:-1})) "$slowest"
checks_done

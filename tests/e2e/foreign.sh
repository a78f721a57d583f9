#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is not for a VIP reaches the balancer's host as it was sent, bit by bit: every frame that the
# client sends is compared with what the host's stack gets behind the XDP program.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_backend_start 1 hello || exit 1
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" 1 || bail "the service comes up"
lab_service web6 "tcp://[$LAB_VIP6]:80" 1 || bail "the IPv6 service comes up"
lab_spawn lb host "$LAB_BUILD/hello" --name host --listen 8080
wait_until 10 lab_listening lb 8080 || bail "a server on the host itself"

mac=$(ip -n "$LAB-lb" -j link show eth0 | jq -r '.[0].address')

# watch NAME DIRECTION: a capture of what goes to the balancer.
watch() {
	lab_spawn "$1" "$1.tcpdump" tcpdump -i eth0 -Q "$2" --immediate-mode -U -s 0 -B 65536 \
		-w "$LAB_DIR/$1.pcap" "ether dst $mac or ether broadcast or ether multicast"
	wait_until 10 grep -q 'listening on' "$LAB_DIR/$1.tcpdump.log"
}

# frames NAME: a line a frame, its bytes, sorted: two captures have each its own clock.
frames() {
	tcpdump -r "$LAB_DIR/$1.pcap" -t -xx 2>/dev/null |
		awk '/^\t0x/ {sub(/^[^:]*: */, ""); gsub(/ /, ""); line = line $0; next}
			line != "" {print line; line = ""}
			END {if (line != "") print line}' | sort
}

complete() {
	[ "$(frames lb | wc -l)" -ge "$(frames client | wc -l)" ]
}

check "the sender is watched" watch client out
check "the host is watched" watch lb in

# Each of these may fail, and answers with an error of its own: that too is traffic.
for address in 198.18.0.1 2001:db8::1; do
	lab_exec client ping -q -n -c 3 -i 0.05 -W 2 $address
	lab_exec client ping -q -n -c 2 -i 0.05 -W 2 -s 1400 $address
	lab_exec client ping -q -n -c 2 -i 0.05 -W 2 -s 4000 $address
	lab_exec client bash -c "echo datagram >/dev/udp/$address/53"
	lab_exec client bash -c "echo refused >/dev/tcp/$address/9"
done >/dev/null 2>&1
lab_exec client ping -q -n -R -c 2 -i 0.05 -W 2 198.18.0.1 >/dev/null 2>&1
lab_exec client ping -q -n -T tsonly -c 2 -i 0.05 -W 2 198.18.0.1 >/dev/null 2>&1
check "the host's own server answers" lab_curl --fail http://198.18.0.1:8080/
check "over IPv6 too" lab_curl --fail 'http://[2001:db8::1]:8080/'
check "and at the VIP's address, on a port that is no service's" \
	lab_curl --fail "http://$LAB_VIP4:8080/"
lab_exec client bash -c "head -c 300000 /dev/zero | tr '\0' x >\"$LAB_DIR/body\""
lab_curl -o /dev/null --data-binary @"$LAB_DIR/body" http://198.18.0.1:8080/

check "the host has as many frames as were sent" wait_until 10 complete
lab_end client.tcpdump INT
lab_end lb.tcpdump INT
sent=$(frames client | wc -l)
check_between "the traffic was real" 100 1000000 "$sent"
promise "not for a VIP: frames of $sent that reach the host changed, or not at all" 0 \
	"$(comm -23 <(frames client) <(frames lb) | wc -l)"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real traffic between two namespaces is captured and played through the data plane, natively and
# in the kernel; so are captures in other formats, cut short, and what is no capture.
. "$(dirname "$0")/../lab/check.sh"
cd "$(dirname "$0")/../.." || exit 1

build=${O:-build}
replay=$build/tests/replay/lb_replay
client=sluice-replay-client-$$
server=sluice-replay-server-$$
scratch=$(mktemp -d)
capture=$scratch/lab.pcap
children=()

cleanup() {
	local child
	for child in "${children[@]}"; do
		kill "$child" && wait "$child"
	done 2>/dev/null
	ip netns del "$client" 2>/dev/null
	ip netns del "$server" 2>/dev/null
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# inside NAMESPACE CMD...
inside() {
	local name=$1
	shift
	nsenter --net="/run/netns/$name" "$@"
}

# until_true CMD...: within 10 s
until_true() {
	local end=$((SECONDS + 10))
	while ((SECONDS < end)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	return 1
}

# host NAMESPACE ADDRESS...: the namespace's end of the cable
host() {
	local name=$1 address
	shift
	inside "$name" ip link set lo up || return
	inside "$name" sysctl -q -w net.ipv6.conf.eth0.accept_dad=0 || return
	for address in "$@"; do
		inside "$name" ip address add "$address" dev eth0 || return
	done
	inside "$name" ethtool -K eth0 tx off >/dev/null
}

network() {
	ip netns add "$client" && ip netns add "$server" || return
	ip link add eth0 netns "$client" type veth peer name eth0 netns "$server" || return
	host "$client" 198.18.0.2/24 2001:db8::2/64 &&
		host "$server" 198.18.0.10/24 198.18.0.99/24 2001:db8::10/64 || return
	inside "$client" ip link set eth0 up && inside "$server" ip link set eth0 up
}

seen() {
	tcpdump -r "$capture" "$@" 2>/dev/null | grep -q .
}

# Echo, whole and in fragments, TCP with an answer and without, UDP, and the errors about that.
traffic() {
	local address
	for address in 198.18.0.10 198.18.0.99 2001:db8::10; do
		inside "$client" ping -q -n -c 2 -i 0.2 -W 2 "$address" || return
		inside "$client" ping -q -n -c 1 -s 3000 -W 2 "$address" || return
	done
	inside "$client" curl -s -m 5 http://198.18.0.10/ http://198.18.0.99/ 'http://[2001:db8::10]/' || return
	inside "$client" curl -s -m 5 http://198.18.0.10:81/ # refused
	inside "$client" bash -c 'printf query >/dev/udp/198.18.0.10/53'
	inside "$client" bash -c 'printf query >/dev/udp/2001:db8::10/53'
	inside "$client" bash -c 'printf end >/dev/udp/198.18.0.99/9999'
	until_true seen udp dst port 9999
}

check "two namespaces" network || exit 1
# Without `inside`, whose process in the background would be a shell's and not the program's.
nsenter --net="/run/netns/$server" "$build/hello" --name server --listen 80 >"$scratch/hello.log" 2>&1 &
children+=($!)
nsenter --net="/run/netns/$server" tcpdump -i eth0 -U -w "$capture" >"$scratch/tcpdump.log" 2>&1 &
children+=($!)
check "a capture begins" until_true grep -q 'listening on' "$scratch/tcpdump.log"
check "a server answers" until_true inside "$server" curl -s -m 2 http://198.18.0.10/
check "traffic" traffic
kill "${children[1]}" && wait "${children[1]}" 2>/dev/null
unset 'children[1]'

# of WORD: so many packets had this verdict
of() {
	awk -v word="$1" '$1 == word {print $2}' <<<"$result"
}

result=$("$replay" "$scratch" 2>&1)
check_equal "played: it ends well" 0 $?
check_matches "played: no packet failed" ', 0 failed$' "$result"
for word in echo pass forward; do
	check_matches "played: packets with the verdict $word" '^[1-9]' "$(of "$word")"
done

result=$("$replay" --vip tcp://198.18.0.77:80 "$capture" 2>&1)
check_equal "played: every packet is passed if no VIP is among its addressees" \
	"$(tcpdump -r "$capture" 2>/dev/null | wc -l)" "$(of pass)"

head -c -5 "$capture" >"$scratch/cut.cap"
result=$("$replay" "$scratch/cut.cap" 2>&1)
check_equal "a capture cut short: it ends well" 0 $?
check_matches "a capture cut short: said so" 'read as far as it goes' "$result"

# pcapng: a section, an interface of Ethernet, an ARP request of 42 bytes.
{
	printf '\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0'
	printf '\x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\x04\0\x14\0\0\0'
	printf '\x06\0\0\0\x4c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x2a\0\0\0\x2a\0\0\0'
	printf '\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x08\x06\0\x01\x08\0\x06\x04\0\x01'
	printf '\x02\0\0\0\0\x02\xc6\x12\0\x02\0\0\0\0\0\0\xc6\x12\0\x0a\0\0\x4c\0\0\0'
} >"$scratch/arp.pcapng"
result=$("$replay" "$scratch/arp.pcapng" 2>&1)
check_equal "pcapng" 1 "$(of pass)"

echo "no capture" >"$scratch/text.pcap"
result=$("$replay" "$scratch" 2>&1)
check_equal "what is no capture: it ends badly" 1 $?
check_matches "what is no capture: said so" 'text\.pcap' "$result"

checks_done

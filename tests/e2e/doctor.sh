#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lbctl doctor finds what is wrong with a real machine, and what it says to type mends it.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_backend_start 1 hello || exit 1
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" 1 --check-interval 100ms --check-timeout 100ms ||
	bail "the service comes up"

# problems: those found now, a line each: check, object.
problems() {
	lbctl --json doctor 2>/dev/null |
		jq -r '.findings[] | select(.level == "problem") | "\(.check) \(.object)"'
}

finds() {
	problems | grep -qFx "$1"
}

lacks() {
	! finds "$1"
}

advice() {
	lbctl --json doctor 2>/dev/null |
		jq -r --arg check "$1" '[.findings[] | select(.check == $check and .advice != "")][0].advice'
}

# ail NAME PROBLEM CMD...: CMD makes the problem. Then heal NAME PROBLEM CMD... ends it.
ail() {
	local name=$1 problem=$2
	shift 2
	check "$name: made" "$@"
	check "$name: found" wait_until 5 finds "$problem"
}

heal() {
	local name=$1 problem=$2
	shift 2
	check "$name: mended" "$@"
	check "$name: found no more" wait_until 5 lacks "$problem"
}

check_equal "a healthy lab has no problem" "" "$(problems)"
check "then the exit status is 0" lbctl doctor
check_matches "it says what is well" "^ok +interface eth0: .*natively" "$(lbctl doctor)"

ail "checksums left to the hardware" "offload eth0" lab_exec lb ethtool -K eth0 tx on
check_equal "then the exit status is 1" 1 "$(lbctl doctor >/dev/null 2>&1; echo $?)"
check_matches "it says what to type" "ethtool -K eth0 tx off" "$(advice offload)"
heal "checksums left to the hardware" "offload eth0" lab_exec lb ethtool -K eth0 tx off

ail "a VIP that is nobody's" "vip tcp://$LAB_VIP4:80" \
	ip -n "$LAB-lb" address del "$LAB_VIP4/32" dev eth0
command=$(advice vip)
check_equal "it says what to type" "ip address add $LAB_VIP4/32 dev eth0" "$command"
# shellcheck disable=SC2086 # the words of a command
heal "a VIP that is nobody's" "vip tcp://$LAB_VIP4:80" lab_exec lb $command preferred_lft 0

# On lo, arp_ignore makes the machine silent for it.
lab_exec lb sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_ignore'
ip -n "$LAB-lb" address add 198.18.0.20/32 dev lo
lbctl add service quiet --vip tcp://198.18.0.20:80 --check none >/dev/null
ail "a VIP that ARP does not answer for" "vip tcp://198.18.0.20:80" true
heal "a VIP that ARP does not answer for" "vip tcp://198.18.0.20:80" \
	lab_exec lb sh -c 'echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore'

check "a service without backends is found" finds "service quiet"
ail "a host that is not there" "backend quiet 198.18.9.9:80" lbctl add backend quiet 198.18.9.9
check_matches "it says what to look at" "ip neigh show to 198.18.9.9" "$(advice backend)"
heal "a host that is not there" "backend quiet 198.18.9.9:80" lbctl rm backend quiet 198.18.9.9 --now
check "the service can go" lbctl rm service quiet

ail "a server that is not there" "backend web 198.18.1.11:80" lab_backend_kill 1
check "so the service has nobody" finds "service web"
heal "a server that is not there" "backend web 198.18.1.11:80" lab_backend_start 1 hello

lbctl add service tunnel --vip "tcp://$LAB_VIP4:81" --mode ipip --check none >/dev/null
lbctl add backend tunnel 198.18.1.11 >/dev/null
ail "packets that no sender is told of" "mtu tunnel" lbctl set service tunnel --too-big drop
check_matches "it says how much is needed" "mtu 1520" "$(advice mtu)"
heal "packets that no sender is told of" "mtu tunnel" lbctl rm service tunnel

# A route by an interface that packets cannot leave by.
ip -n "$LAB-lb" link add aside type veth peer name aside-peer
ip -n "$LAB-lb" address add 198.19.0.1/24 dev aside
ip -n "$LAB-lb" link set aside up
ip -n "$LAB-lb" link set aside-peer up
ip -n "$LAB-lb" neigh add 198.19.0.9 lladdr 02:00:00:00:00:09 dev aside nud permanent
lbctl add service aside --vip "tcp://$LAB_VIP4:82" --check none >/dev/null
ail "a way by an interface without the program" "way aside 198.19.0.9:82" \
	lbctl add backend aside 198.19.0.9
check_matches "it says which flag is missing" "interface aside" "$(advice way)"
heal "a way by an interface without the program" "way aside 198.19.0.9:82" lbctl rm service aside
ip -n "$LAB-lb" link del aside

lab_agent_stop
lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS"
lab_agent_start --xdp-mode generic || bail "the agent starts in mode generic"
lab_exec lb ethtool -K eth0 gro off
lab_wait_up web
check_equal "generic XDP is no problem" "" "$(problems)"
check_matches "but a warning" "^warning +interface eth0: .*slower" "$(lbctl doctor)"
ail "GRO before generic XDP" "offload eth0" lab_exec lb ethtool -K eth0 gro on
heal "GRO before generic XDP" "offload eth0" lab_exec lb ethtool -K eth0 gro off
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The unit as systemd runs it: a systemd of its own, in namespaces and on an overlay of this host's
# files, starts the shipped lbagent.service with all its restrictions. All that the agent does must
# go on there, and systemd-analyze must think well of it.
#
#   tests/e2e/unit.sh            outside: see tests/lab/machine.sh
#   tests/e2e/unit.sh inside     what that systemd runs
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/check.sh"
. "$top/tests/lab/machine.sh"
build=$(cd "$top" && cd "${O:-build}" && pwd)
exposure_most=25 # tenths

# The shipped unit, and the agent where it looks for it.
machine_prepare() {
	mkdir -p "$1/etc/sluice" "$1/etc/default" "$1/usr/local/sbin" && machine_log "$1" lbagent &&
		cp "$top/systemd/lbagent.service" "$1/etc/lab-units" && cp "$build/lbagent" "$1/usr/local/sbin/"
}

# --- inside ---

log=/run/lab/lbagent.log
lbctl=$build/lbctl
token=0123456789abcdef0123456789abcdef

agent_pid() {
	systemctl show -p MainPID --value lbagent
}

# of_threads FIELD: what /proc says of each of the agent's threads, once where they agree
of_threads() {
	sed -n "s/^$1:[[:space:]]*//p" /proc/"$(agent_pid)"/task/*/status | sort -u
}

network() {
	ip link set lo up
	ip link add eth0 type veth peer name peer0 && ip link set eth0 up && ip link set peer0 up &&
		ip address add 198.18.0.1/15 dev eth0 && ip address add 198.18.1.11/32 dev lo
}

starts() {
	printf '%s\n' "LBAGENT_OPTS=\"--interface eth0 --token-file /etc/sluice/tokens\"" >/etc/default/sluice
	(umask 077 && echo "deploy $token" >/etc/sluice/tokens)
	mkdir -p /run/lab/probe
	if systemctl start lbagent; then
		ok "the unit starts"
	else
		not_ok "the unit starts" "$(systemctl status --no-pager lbagent; tail -n 5 "$log")"
		return 1
	fi
	check "lbctl reaches it" "$lbctl" status
	check_equal "its state is root's and nobody else's" "0 750" "$(stat -c '%u %a' /var/lib/sluice)"
	check_equal "its socket is for owner and group" "0 660" "$(stat -c '%u %a' /run/sluice/lbagent.sock)"
}

has_little() {
	check_equal "it keeps four capabilities" 000000c000003000 "$(of_threads CapEff)"
	check_equal "and no way to get others" 000000c000003000 "$(of_threads CapPrm)"
	check_equal "programs that it starts inherit none" "0000000000000000 0000000000000000" \
		"$(of_threads CapInh) $(of_threads CapAmb)"
	check_equal "it takes no new privileges" 1 "$(of_threads NoNewPrivs)"
	check_equal "its system calls are filtered" 2 "$(of_threads Seccomp)"
	check_equal "status shows what it has" "CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON CAP_BPF" \
		"$("$lbctl" --json status | jq -r '.capabilities | join(" ")')"
	if grep -q 'will have capabilities' "$log"; then
		not_ok "it finds that its children have none" "$(grep capabilities "$log")"
	else
		ok "it finds that its children have none"
	fi
}

works() {
	check "a service is added" "$lbctl" add service web --vip tcp://198.18.0.10:80 --check none \
		--backend 198.18.1.11
	check "changes by token" "$lbctl" --url http://127.0.0.1:9480 --token-file /etc/sluice/tokens \
		set service web --rise 3
	echo "deploy $token$token" >/etc/sluice/tokens
	check "systemctl reload" systemctl reload lbagent
	check "reads the tokens again" until_ok 5 grep -q 'token file read again' "$log"
}

# Checks of kinds that need rights of their own.
probes() {
	check_by icmp 81
	mkdir -p /etc/sluice/checks
	printf '#!/bin/sh\ngrep -E "^Cap(Prm|Eff|Amb)|^NoNew" /proc/self/status >/var/lib/sluice/child\n' \
		>/etc/sluice/checks/child
	chmod 755 /etc/sluice/checks/child
	check_by exec 82 --check-command /etc/sluice/checks/child
	check_equal "a program that checks has no capability" \
		"0000000000000000 0000000000000000 0000000000000000 1" \
		"$(awk '{printf "%s%s", sep, $2; sep = " "}' /var/lib/sluice/child)"
}

# check_by KIND PORT [FLAG...]
check_by() {
	local kind=$1 port=$2
	shift 2
	check "a service checked by $kind" "$lbctl" add service "$kind" \
		--vip "tcp://198.18.0.11:$port" --mode nat --backend 198.18.0.1 --check "$kind" "$@"
	check "checks by $kind pass" until_ok 10 passes "$kind"
}

passes() {
	curl -s http://127.0.0.1:9480/metrics |
		grep -q "lb_health_checks_total{service=\"$1\",.*result=\"pass\"} [1-9]"
}

restarts() {
	local pid
	pid=$(agent_pid)
	kill -KILL "$pid"
	check "killed, it is started again" until_ok 10 grep -q "flows=adopted" "$log"
	check "with what it was told" "$lbctl" show web
	check_equal "and what it may" 000000c000003000 "$(of_threads CapEff)"
	check "systemctl restart" systemctl restart lbagent
	check "systemctl stop" systemctl stop lbagent
	check "the pins stay" test -e /sys/fs/bpf/sluice
	check "lbagent --unload" /usr/local/sbin/lbagent --unload
	check_equal "nothing is attached then" "" "$(ip -o link show eth0 | grep -o 'prog/xdp.*')"
	check "it starts again from nothing" systemctl start lbagent
}

score() {
	local exposure
	exposure=$(systemd-analyze security --offline=true --no-pager "$top/systemd/lbagent.service" |
		sed -n 's/.*Overall exposure level.*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
	check_at_most "systemd-analyze security, exposure in tenths" "$exposure_most" "$exposure"
	check "operate.md says the same" grep -qF \
		"\`systemd-analyze security lbagent\` says ${exposure:0:1}.${exposure:1}" "$top/docs/operate.md"
	check "systemd-analyze verify" systemd-analyze verify --man=no /etc/lab-units/lbagent.service
}

inside() {
	network || { not_ok "the network is made" && exit 1; }
	score
	if starts; then
		has_little
		works
		probes
		restarts
	fi
	machine_done
}

case ${1:-} in
begin) machine_begin "$2" ;;
inside) inside ;;
*) machine_run "the unit" ;;
esac

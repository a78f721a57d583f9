#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The unit as systemd runs it: a systemd of its own, in namespaces and on an overlay of this host's
# files, starts the shipped lbagent.service with all its restrictions. All that the agent does must
# go on there, and systemd-analyze must think well of it.
#
#   tests/e2e/unit.sh            outside: builds the place and starts systemd in it
#   tests/e2e/unit.sh inside     what that systemd runs
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lab/check.sh"
build=$(cd "$top" && cd "${O:-build}" && pwd)
exposure_most=25 # tenths

# --- outside ---

# place DIR: the file system in which systemd starts, made in mount and net namespaces of its own
place() {
	local dir=$1 root=$1/root
	mkdir "$dir/upper" "$dir/work" "$root" &&
		mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$root" &&
		mount -t proc proc "$root/proc" && mount --bind "$root/proc/sys" "$root/proc/sys" &&
		mount -o remount,ro,bind "$root/proc/sys" && mount -t sysfs sysfs "$root/sys" &&
		mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" && mount --rbind /dev "$root/dev" &&
		mount --bind /dev/null "$root/dev/console" && mount -t bpf -o mode=700 bpf "$root/sys/fs/bpf" &&
		mount -t tmpfs tmpfs "$root/run" && mount -t tmpfs tmpfs "$root/tmp" &&
		mkdir -p "$root/run/lab" "$root/run/old" "$root$top" && mount --bind "$dir/lab" "$root/run/lab" &&
		mount --bind "$top" "$root$top" && units "$root"
}

# units ROOT: the shipped unit, and around it no more than it takes; none of this host's.
units() {
	local units=$1/etc/lab-units unit
	mkdir -p "$units/lbagent.service.d" "$1/etc/sluice" "$1/etc/default" "$1/usr/local/sbin" &&
		cp "$top/systemd/lbagent.service" "$units" &&
		cp "$build/lbagent" "$1/usr/local/sbin/" || return
	for unit in basic sysinit shutdown umount final network-online; do
		echo "[Unit]" >"$units/$unit.target"
	done
	printf '%s\n' '[Service]' 'StandardOutput=append:/run/lab/lbagent.log' \
		'StandardError=append:/run/lab/lbagent.log' >"$units/lbagent.service.d/lab.conf"
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'Wants=lab.service' >"$units/lab.target"
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' 'Type=oneshot' \
		'StandardOutput=append:/run/lab/out' 'StandardError=append:/run/lab/out' \
		"Environment=O=$build" "ExecStart=/bin/bash $top/tests/e2e/unit.sh inside" \
		'ExecStopPost=/bin/systemctl poweroff --force --force' >"$units/lab.service"
}

# begin DIR: becomes systemd, in the namespaces that this runs in
begin() {
	place "$1" || exit 1
	cd "$1/root" && pivot_root . run/old || exit 1
	exec chroot . /usr/bin/env -i container=lab SYSTEMD_UNIT_PATH=/etc/lab-units \
		PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -c \
		'umount -l /run/old; exec /lib/systemd/systemd --system --unit=lab.target --show-status=no'
}

outside() {
	local hierarchy cgroup dir
	hierarchy=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[ "$(id -u)" -eq 0 ] || { skip "the unit" "needs root" && exit 0; }
	[ -x /lib/systemd/systemd ] || { skip "the unit" "systemd is not installed" && exit 0; }
	[ -n "$hierarchy" ] || { skip "the unit" "there is no cgroup2 hierarchy" && exit 0; }
	dir=$(mktemp -d /run/sluice-unit.XXXXXX) && mkdir "$dir/lab" || exit 1
	mount -t tmpfs tmpfs "$dir" && mkdir "$dir/lab" || exit 1
	cgroup=$hierarchy/${dir##*/}
	mkdir "$cgroup" || exit 1
	# shellcheck disable=SC2064 # now
	trap "leave '$dir' '$hierarchy' '$cgroup'" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	echo $$ >"$cgroup/cgroup.procs"
	timeout -s KILL 100 unshare --pid --fork --kill-child --mount --propagation private --cgroup \
		--uts --ipc --net bash "$top/tests/e2e/unit.sh" begin "$dir" >"$dir/lab/systemd.log" 2>&1
	if grep -q '^that is all$' "$dir/lab/out" 2>/dev/null; then
		grep -v '^that is all$' "$dir/lab/out"
		! grep -q '^not ok' "$dir/lab/out"
		return
	fi
	not_ok "systemd runs the unit to the end" "$(tail -n 20 "$dir"/lab/*)"
	return 1
}

# leave DIR HIERARCHY CGROUP
leave() {
	echo $$ >"$2/cgroup.procs"
	[ ! -e "$3/cgroup.kill" ] || echo 1 >"$3/cgroup.kill"
	while grep -q 'populated 1' "$3/cgroup.events"; do sleep 0.05; done
	find "$3" -depth -type d -exec rmdir {} \;
	umount "$1" && rmdir "$1/lab" "$1"
}

# --- inside ---

log=/run/lab/lbagent.log
lbctl=$build/lbctl
token=0123456789abcdef0123456789abcdef

# until_ok SECONDS CMD...: until CMD succeeds
until_ok() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

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
	echo 'that is all'
}

case ${1:-} in
begin) begin "$2" ;;
inside) inside ;;
*) outside ;;
esac

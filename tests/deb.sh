#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: built from this tree, liked by lintian, and installed, run, upgraded, removed
# and purged on a machine of their own, below systemd.
#
#   tests/deb.sh            outside: builds; then see tests/lab/machine.sh
#   tests/deb.sh inside     what that machine runs
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lab/check.sh"
. "$top/tests/lab/machine.sh"
build=$(cd "$top" && cd "${O:-build}" && pwd)

# --- outside ---

builds() {
	check "the packages are built" bash "$top/debian/build.sh" "$build"
	check "lintian finds nothing" \
		lintian --allow-root --fail-on warning,error "$build"/deb/*.changes
}

# Another lab's installation may be forbidding servers to start just now.
machine_prepare() {
	rm -f "$1/usr/sbin/policy-rc.d"
	machine_log "$1" lbagent && machine_log "$1" lbnode
}

# --- inside ---

world() {
	nsenter --net=/run/netns/world "$@"
}

# The balancer's eth0, and behind it a client, 198.18.0.2, and a backend, 198.18.0.11.
network() {
	ip link set lo up && ip netns add world && ip link add eth0 type veth peer name eth0 netns world &&
		ip address add 198.18.0.1/24 dev eth0 && ip address add 198.18.0.10/32 dev eth0 &&
		ip link set eth0 up && ethtool -K eth0 tx off >/dev/null &&
		world ip address add 198.18.0.2/24 dev eth0 && world ip address add 198.18.0.11/24 dev eth0 &&
		world ip link set lo up && world ip link set eth0 up &&
		world ethtool -K eth0 tx off gro on >/dev/null || return # gro: to take what XDP sends
	nsenter --net=/run/netns/world "$build/hello" --name b1 --listen 198.18.0.11:80 \
		>/run/lab/hello.log 2>&1 &
	until_ok 10 answers 198.18.0.11
}

answers() {
	[ "$(world curl -s --max-time 2 "http://$1/")" != "" ]
}

# What is where packages put something; dpkg's own notes, caches, and what systemd and the kernel put
# there themselves are not.
everything() {
	find /etc /lib/systemd /usr /var /run/sluice /sys/fs/bpf/sluice /sys/fs/bpf/sluice-node -xdev \
		2>/dev/null | grep -vE '^/(var/(log|cache|tmp|lib/dpkg|backups)|etc/lab-units)(/|$)' | sort
}

xdp() {
	ip -o link show eth0 | grep -o 'prog/xdp.*'
}

installs() {
	check "the packages are installed" dpkg --install "$build"/deb/sluice_*.deb \
		"$build"/deb/sluice-node_*.deb
	check_equal "the agent will start at boot" enabled "$(systemctl is-enabled lbagent)"
	check_equal "and has not been started without an interface" inactive "$(systemctl is-active lbagent)"
	check_equal "nor lbnode" inactive "$(systemctl is-active lbnode)"
	check_equal "nothing is attached" "" "$(xdp)"
	check_equal "what an upgrade asks about" "/etc/default/sluice /etc/sluice/lbagent.json" \
		"$(dpkg-query --show --showformat '${Conffiles}' sluice | awk '{print $1}' | sort | xargs)"
	check "its configuration will do" lbagent --check /etc/sluice/lbagent.json
	check "man pages are found" man --where lbctl lbagent lbnode
	check "bash completes lbctl" bash -c \
		'. /usr/share/bash-completion/completions/lbctl && complete -p lbctl'
	check "Prometheus takes the rules" promtool check rules \
		/usr/share/doc/sluice/examples/prometheus/rules/*
}

runs() {
	sed -i 's/^#\(LBAGENT_OPTS=.*\) eth1 /\1 eth0 /; s/^#\(LBAGENT_OPTS=.*\)eth1/\1eth0/' /etc/default/sluice
	check "named an interface, it starts" systemctl start lbagent
	check "with the packaged configuration" pgrep -f '^/usr/sbin/lbagent .*--config /etc/sluice/lbagent.json'
	check "a service is added" lbctl add service web --vip tcp://198.18.0.10:80 --check http \
		--check-path /health --check-interval 200ms --backend 198.18.0.11
	check "a request is answered" until_ok 10 answers 198.18.0.10
	check "through the program" until_ok 5 counted
	check_equal "the pins are root's alone" "0 700" "$(stat -c '%u %a' /sys/fs/bpf/sluice)"
	check_equal "other users may neither look nor change" "1" \
		"$(setpriv --reuid nobody --regid nogroup --clear-groups lbctl show >/dev/null 2>&1; echo $?)"
}

counted() {
	curl -s http://127.0.0.1:9480/metrics | grep -q '^lb_service_packets_total{.*} [1-9]'
}

upgrades() {
	local before
	before=$(systemctl show -p MainPID --value lbagent)
	check "upgraded" dpkg --install "$build"/deb/sluice_*.deb
	check_matches "the configuration is the operator's" '^LBAGENT_OPTS=.*eth0' "$(cat /etc/default/sluice)"
	check "the agent is a new one" test "$before" != "$(systemctl show -p MainPID --value lbagent)"
	check "which took over the flows" grep -q flows=adopted /run/lab/lbagent.log
	check "and a request is answered" answers 198.18.0.10
}

prepares() {
	echo 'LBNODE_OPTS="--mode ipip --vip 198.18.0.20 --interface eth1"' >/etc/default/sluice-node
	ip link add eth1 type veth peer name peer1 && ip link set eth1 up && ip link set peer1 up
	check "the unit of lbnode starts" systemctl start lbnode
	check_matches "the VIP is the host's" '198\.18\.0\.20/32' "$(ip -o -4 address show dev lo)"
	check "the agent's stop leaves it" systemctl stop lbagent
	check "reloaded, it finds all as it was" systemctl reload lbnode
	check "it stops" systemctl stop lbnode
	check_equal "and the VIP is not the host's" "" "$(ip -o -4 address show dev lo | grep 198.18)"
	check "it starts again" systemctl start lbnode
	check_equal "without flags nothing is reported" inactive "$(systemctl is-active lbnode-report)"
	echo 'LBNODE_REPORT_OPTS="--listen 127.0.0.1:9481 --port 80"' >>/etc/default/sluice-node
	check "the unit of the report starts" systemctl start lbnode-report
	check "and it reports" until_ok 10 curl -sSf http://127.0.0.1:9481/load
	check "and the agent" systemctl start lbagent
}

leaves() {
	check "the packages are removed" dpkg --remove sluice sluice-node
	check_equal "no agent runs" "" "$(pgrep -x lbagent)"
	check_equal "nothing is attached any more" "" "$(xdp)$(ip -o link show eth1 | grep -o 'prog/xdp.*')"
	check_equal "nor pinned" "" "$(find /sys/fs/bpf -mindepth 1 -name 'sluice*')"
	check_equal "no VIP is left" "" "$(ip -o -4 address show dev lo | grep 198.18)"
	check "the state is kept" test -s /var/lib/sluice/state.json
	check "and the configuration" test -s /etc/default/sluice -a -s /etc/sluice/lbagent.json
	check "the packages are purged" dpkg --purge sluice sluice-node
	check_equal "nothing is left" "" "$(everything | comm -13 /run/lab/before -)"
	check_equal "nor missing" "" "$(everything | comm -23 /run/lab/before -)"
}

inside() {
	network || { not_ok "the network is made" "$(cat /run/lab/hello.log)" && exit 1; }
	everything >/run/lab/before
	installs
	runs
	upgrades
	prepares
	leaves
	machine_done
}

case ${1:-} in
begin) machine_begin "$2" ;;
inside) inside ;;
*)
	builds
	machine_run "the packages"
	checks_done
	;;
esac

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo on four machines: a client, a balancer and two backends, in QEMU, at a switch of their
# own. It has no way to this host's network: the switch is a QEMU without a machine, and cables are
# Unix sockets.
#   vm/demo.sh [PACKAGE [REQUESTS]]      the kernel that all four boot, and how much to ask
# What the machines said stays in build/logs/vm-demo-NAME.log.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/lab/check.sh

kernel=${1:-linux-image-amd64}
requests=${2:-10000}
slower=${SLOWER:-1} # on a slow machine, SLOWER=N gives everything N times as long
limit=$((1200 * slower)) # seconds a machine
logs=${O:-build}/logs
names=(client balancer b1 b2)
declare -A machines=()
switch=

leave() {
	# shellcheck disable=SC2086 # there may be none yet
	kill "${machines[@]}" $switch 2>/dev/null
	wait
	rm -rf "$dir"
}
dir=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# cable NAME: the switch's end of it
cable() {
	echo "$dir/$1.sock"
}

# The switch is QEMU's hub: what comes in by one port goes out by the others.
switch_on() {
	local name ports=()
	for name in "${names[@]}"; do
		ports+=(-netdev "stream,id=$name,server=on,addr.type=unix,addr.path=$(cable "$name")"
			-netdev "hubport,id=port-$name,hubid=0,netdev=$name")
	done
	qemu-system-x86_64 -M none -nodefaults -nographic -monitor none "${ports[@]}" \
		>"$logs/vm-demo-switch.log" 2>&1 </dev/null &
	switch=$!
	wait_for_cables
}

wait_for_cables() {
	local end=$((SECONDS + 30)) name
	for name in "${names[@]}"; do
		until [ -S "$(cable "$name")" ]; do
			[ $SECONDS -lt $end ] && kill -0 "$switch" 2>/dev/null || return 1
			sleep 0.1
		done
	done
}

# machine NAME NUMBER ROLE [ARG]...: boots it; it then stays until it is ended
machine() {
	local name=$1 number=$2
	shift 2
	# shellcheck disable=SC2016 # the guest's variables
	vm/boot.sh -t "$limit" -m 768 -p 1 -n "$name,52:54:00:12:00:0$number,$(cable "$name")" "$kernel" \
		env SLOWER="$slower" bash -c 'bash vm/roles/"$@" && exec sleep infinity' _ "$@" >"$logs/vm-demo-$name.log" 2>&1 &
	machines[$name]=$!
}

# client: its machine: the role, then the demo
client() {
	# shellcheck disable=SC2016 # the guest's variables
	vm/boot.sh -t "$limit" -m 1024 -p 1 -n "client,52:54:00:12:00:02,$(cable client)" "$kernel" \
		env SLOWER="$slower" bash -c 'bash vm/roles/client.sh eth0 && exec bash vm/roles/demo.sh "$1"' _ "$requests" 2>&1
}

# show: the client's words, and what they ask for
show() {
	local line demo
	exec 3< <(client)
	demo=$!
	machines[client]=$demo
	while read -r line; do
		echo "$line"
		case $line in
		'now: end b2') kill "${machines[b2]}" ;;
		'now: start b2') machine b2 4 backend.sh eth0 2 ;;
		'not ok the balancer takes it back') sed 's/^/# b2: /' "$logs/vm-demo-b2.log" ;;
		esac
	done <&3 > >(tee "$logs/vm-demo-client.log")
	wait "$demo"
}

mkdir -p "$logs"
vm/kernel.sh "$kernel" >/dev/null || exit 1 # once, not by all at the same time
switch_on || { echo "vm: no switch: $(cat "$logs/vm-demo-switch.log")" >&2; exit 1; }
machine balancer 1 balancer.sh eth0
machine b1 3 backend.sh eth0 1
machine b2 4 backend.sh eth0 2
show

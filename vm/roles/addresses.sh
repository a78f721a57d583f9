# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Who is who in the network of the four machines, and how a machine takes its place there. For the
# roles beside this, which run as root in QEMU (vm/demo.sh) and in Vagrant's machines alike.

# shellcheck disable=SC2034 # the roles use them
client=198.18.0.2 balancer=198.18.0.3 vip=198.18.0.10
# shellcheck disable=SC2034
backends=(198.18.0.11 198.18.0.12)

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$top/build:$PATH
slower=${SLOWER:-1} # everything may take so many times as long

# join IF ADDRESS...
join() {
	local interface=$1 address
	shift
	modprobe virtio_net 2>/dev/null || true # or another card's driver is there already
	until_ok 20 ip link set "$interface" up || { echo "$interface: no such interface" >&2; exit 1; }
	for address in "$@"; do
		ip address replace "$address/24" dev "$interface"
	done
}

# until_ok SECONDS CMD...: until CMD succeeds
until_ok() {
	local end=$((SECONDS + $1 * slower))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

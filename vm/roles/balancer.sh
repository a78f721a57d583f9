#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes this machine the balancer: lbagent on IF with the service `web` on both backends.
#   vm/roles/balancer.sh IF [auto|native|generic]
# It can be given again. Whoever is on the network may read at port 9480.
set -eu
. "$(dirname "$0")/addresses.sh"

interface=$1 mode=${2:-native}
join "$interface" "$balancer" "$vip"
mkdir -p /run/sluice
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
if ! lbctl status >/dev/null 2>&1; then
	lbagent --interface "$interface" --xdp-mode "$mode" --listen "$balancer:9480" \
		>>/var/log/lbagent.log 2>&1 </dev/null &
	until_ok 60 lbctl status || { tail -n 5 /var/log/lbagent.log >&2; exit 1; }
fi
if ! lbctl show web >/dev/null 2>&1; then
	lbctl add service web --vip "tcp://$vip:80" --mode nat --check http --check-path /health \
		--check-interval "${slower}s" --check-timeout "${slower}s" --rise 2 --fall 2
	lbctl add backend web "${backends[@]}"
fi
lbctl status

# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A fleet's balancers with their configuration in a real etcd. Source it behind fleet.sh: etcd runs on
# a host of its own, 198.18.0.20. Who needs but an etcd sets the first two.

ETCD_HOST=etcd
ETCD=http://198.18.0.20:2379
STORE=etcd://198.18.0.20:2379/fleet/one
KEY=/fleet/one/config

# etcd_lab WHAT: opens the lab, with backends; without an etcd the test is skipped.
etcd_lab() {
	local i
	if ! command -v etcd >/dev/null || ! command -v etcdctl >/dev/null; then
		skip "$1" "etcd-server or etcd-client is not installed"
		exit 0
	fi
	LAB_LOG=/dev/null
	lab_up || exit 1
	# shellcheck disable=SC2034 # for lab.sh
	LAB_LOG=$LAB_DIR/lb1.log
	fleet_host etcd 198.18.0.20 2001:db8::20 || exit 1
	lab_nodes_up >/dev/null || exit 1
	for i in 1 2 3; do
		lab_backend_start "$i" hello || exit 1
	done
	(umask 077 && echo 5b5b000011112222 >"$LAB_DIR/seed")
}

# --- etcd ---

as=() # further flags: by whom, by TLS
etcdctl() {
	lab_exec "$ETCD_HOST" env ETCDCTL_API=3 etcdctl --endpoints "$ETCD" "${as[@]}" "$@"
}
# etcd_start [FLAG...]
etcd_start() {
	lab_spawn "$ETCD_HOST" etcd etcd --name one --data-dir "$LAB_DIR/etcd.data" \
		--listen-client-urls "$ETCD" --advertise-client-urls "$ETCD" \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster one=http://127.0.0.1:2380 "$@"
	wait_until 20 etcdctl endpoint health
}
etcd_kill() {
	lab_end etcd KILL
}
# The store's revision when the configuration was changed last.
etcd_revision() {
	etcdctl get "$KEY" -w json | jq -r '.kvs[0].mod_revision // 0'
}
# What is kept there, canonical.
etcd_config() {
	etcdctl get "$KEY" --print-value-only | jq -S .
}

# --- agents ---

agent() {
	fleet_agent_start "$1" --store "$STORE"
}
# store_field N FIELD: of what balancer N says of its store.
store_field() {
	fleet_lbctl "$1" --json status | jq -r ".store.$2"
}
store_is() {
	[ "$(store_field "$1" "$2")" = "$3" ]
}
config() {
	fleet_lbctl "$1" export | jq -S .
}
# same: all balancers and etcd have one configuration.
same() {
	local wanted i
	wanted=$(etcd_config)
	[ -n "$wanted" ] || return
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		[ "$(config "$i")" = "$wanted" ] || return
	done
}
# weight N ADDRESS: of this backend, at balancer N.
weight() {
	config "$1" | jq -r --arg address "$2" \
		'.services[].backends[] | select(.address | startswith($address)) | .weight // 1'
}
weight_is() {
	[ "$(weight "$1" "$2")" = "$3" ]
}
has_service() {
	config "$1" | jq -e --arg name "$2" 'any(.services[]; .name == $name)'
}
has_not_service() {
	! has_service "$@"
}
events() {
	fleet_lbctl "$1" events
}
lines_of() {
	events "$1" | grep -c "$2"
}

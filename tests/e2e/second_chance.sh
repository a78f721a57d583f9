#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No broken connections: three balancers, six backends, downloads under way. A backend is added, one
# drains, a balancer is killed, a new one joins, in one order after the other; downloads that began
# before and in between all come whole. Without second chances the same breaks some.
# alone: it keeps both processors busy
#
#   second_chance.sh [all | ORDER...]     an order is like "drain add kill join"; two if none is given
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"
. "$(dirname "$0")/../lab/fleet.sh"

LAB_BACKENDS=7 # the last one is the one to be added
FLEET_BALANCERS=4
LAB_LOG=$LAB_DIR/lb2.log

FLOWS=24 # downloads of each service that begin before and behind each step
LIMIT=$((60 * ${SLOWER:-1}))
services=(web six)
declare -A vip=([web]=$LAB_VIP4 [six]="[$LAB_VIP6]")

lab_up || exit 1
download=$(lab_tool e2e/download) || bail "download is built"
(umask 077 && echo 5b5b000011112222 >"$LAB_DIR/seed")
head -c $((10240 * LIMIT)) /dev/urandom >"$LAB_DIR/large" # a kilobyte in a tenth of a second
lab_nodes_up --mode gue --from 198.18.0.0/16 --from 2001:db8::/64 --second-chance >/dev/null || exit 1
for ((i = 1; i <= LAB_BACKENDS; i++)); do
	lab_pass "b$i" || exit 1 # it sends on by XDP_TX
	lab_backend_start "$i" nginx || exit 1
done

# address SERVICE N: of backend N, as the service has it
address() {
	lab_address "${vip[$1]}" "$2"
}

# --- the fleet ---

# spread N...: the router's flows go to these balancers, as BGP would have it.
spread() {
	local n hops4=() hops6=()
	for n in "$@"; do
		hops4+=(nexthop via "198.18.0.$n")
		hops6+=(nexthop via "2001:db8::$n")
	done
	ip -n "$LAB-router" route replace "$LAB_VIP4" "${hops4[@]}" &&
		ip -n "$LAB-router" -6 route replace "$LAB_VIP6" "${hops6[@]}"
}

# configuration CHANCE: of three balancers, to begin with
configuration() {
	local name i
	for name in "${services[@]}"; do
		for i in 1 2 3 4 5 6; do
			address "$name" "$i"
		done | jq -Rn --arg name "$name" --arg vip "tcp://${vip[$name]}:80" --arg chance "$1" \
			'{name: $name, vip: [$vip], mode: "gue", "second-chance": $chance,
				"check-interval": "200ms", rise: 1, backends: [inputs | {address: .}]}'
	done | jq -s '{services: .}'
}

serves_all() {
	local name
	for name in "${services[@]}"; do
		fleet_lbctl "$1" --json show "$name" |
			jq -e 'all(.backends[]; .status == "up" or .status == "drain")' || return
	done
}

# leave N: what was a balancer is none, and forgets everything
leave() {
	lab_end "lb$1" KILL || return
	ip -n "$LAB-switch" link set "lb$1" up
	lab_exec "lb$1" "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_DIR/bpf/lb$1" \
		--state-dir "$LAB_DIR/state$1" >/dev/null 2>&1
	rm -rf "$LAB_DIR/state$1" "$LAB_DIR/lb$1.log"
}

# enter N FILE: a balancer that knows nothing but this configuration
enter() {
	fleet_agent_start "$1" --skip-self-test || return
	fleet_lbctl "$1" apply -f - <"$2" >/dev/null || return
	wait_until 20 serves_all "$1"
}

# begin CHANCE: three balancers and no history
begin() {
	local n pids=()
	configuration "$1" >"$LAB_DIR/configuration"
	leave 4 || return
	balancers=(1 2 3)
	for n in "${balancers[@]}"; do
		{ leave "$n" && enter "$n" "$LAB_DIR/configuration"; } &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || return
	done
	spread "${balancers[@]}"
}

# tell VERB N: VERB backend of each service, at each balancer
tell() {
	local n name
	for n in "${balancers[@]}"; do
		for name in "${services[@]}"; do
			fleet_lbctl "$n" "$1" backend "$name" "$(address "$name" "$2")" || return
		done
	done >/dev/null
}

step_add() {
	local n
	tell add 7 || return
	for n in "${balancers[@]}"; do
		wait_until 10 serves_all "$n" || return
	done
}

step_drain() {
	tell drain 1
}

# The machine dies: its routes go with it.
step_kill() {
	lab_end lb1 KILL && ip -n "$LAB-switch" link set lb1 down || return
	balancers=("${balancers[@]:1}")
	spread "${balancers[@]}"
}

step_join() {
	fleet_lbctl 2 export >"$LAB_DIR/export" && enter 4 "$LAB_DIR/export" || return
	balancers+=(4)
	spread "${balancers[@]}"
}

# --- downloads ---

have_begun() {
	[ "$(cat "$LAB_DIR"/got.*.log | grep -c begun)" -eq ${#pids[@]} ]
}

# fetch: so many more downloads of each service
fetch() {
	local name
	for name in "${services[@]}"; do
		lab_spawn client "got.${#pids[@]}" "$download" "${vip[$name]}:80" /large "$LAB_DIR/large" \
			"$FLOWS" "$LIMIT"
		pids+=("$(lab_pid "got.${#pids[@]}")")
	done
	wait_until 10 have_begun
}

have_ended() {
	[ "$(cat "$LAB_DIR"/got.*.log | grep -c whole)" -eq ${#pids[@]} ]
}

# outcome WORD: how many downloads were "whole", "early", "reset" or "other"
outcome() {
	cat "$LAB_DIR"/got.*.log | awk -v word="$1" '$1 == "whole" {
		for (i = 1; i < NF; i += 2)
			if ($i == word)
				sum += $(i + 1)
	} END {print sum + 0}'
}

# sent_on: packets that backends have sent on to others
sent_on() {
	local i
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_node "$i" show
	done | awk '$1 == "sent_on" {sum += $2} END {print sum}'
}

# run STEP...: sets total (downloads), broken (not whole) and handed (packets sent on).
run() {
	local step before
	before=$(sent_on) pids=()
	rm -f "$LAB_DIR"/got.*
	fetch || not_ok "$*: downloads begin"
	for step in "$@"; do
		"step_$step" || not_ok "$*: $step"
		fetch || not_ok "$*: downloads begin after $step"
	done
	sleep 0.5 # all of them go on for a while
	kill -USR1 "${pids[@]}"
	wait_until "$LIMIT" have_ended || not_ok "$*: downloads end"
	total=$((${#pids[@]} * FLOWS))
	broken=$((total - $(outcome whole)))
	handed=$(($(sent_on) - before))
}

# --- orders ---

permutations() {
	local a b c d
	for a in "$@"; do
		for b in "$@"; do
			for c in "$@"; do
				for d in "$@"; do
					[ "$(printf '%s\n' "$a" "$b" "$c" "$d" | sort -u | wc -l)" -ne 4 ] ||
						echo "$a $b $c $d"
				done
			done
		done
	done
}

orders=("drain add kill join" "join add drain kill")
if [ "${1:-}" = all ]; then
	mapfile -t orders < <(permutations add drain kill join)
elif [ $# -gt 0 ]; then
	orders=("$@")
fi

for order in "${orders[@]}"; do
	begin on || bail "$order: the balancers come up"
	# shellcheck disable=SC2086 # a list
	run $order
	promise "$order: of $total downloads break" 0 "$broken"
	[ "$broken" -eq 0 ] || grep -H whole "$LAB_DIR"/got.*.log | sed 's/^/# /'
	promise "$order: connections that are reset" 0 "$(outcome reset)"
	check_equal "$order: all were under way all the time" 0 "$(outcome early)"
	# Only where balancers change after backends.
	[[ ! $order =~ (add|drain).*(kill|join) ]] ||
		check "$order: backends sent on packets ($handed)" [ "$handed" -gt 0 ]
done

begin off || bail "balancers without second chances come up"
run drain add kill join
check "without second chances the same breaks connections ($broken)" [ "$broken" -gt 0 ]
check_equal "and no backend sends on anything" 0 "$handed"
checks_done

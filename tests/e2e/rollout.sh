#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three balancers with their configuration in a real etcd: a change goes to one, then to more, then to
# all; a bad one comes back, and so does one that is ended, whose driver dies, or whose ground moves.
# alone: it measures times
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"
. "$(dirname "$0")/../lab/fleet.sh"
. "$(dirname "$0")/../lab/etcd.sh"

FLEET_BALANCERS=3

etcd_lab "a roll-out"

# --- who has what ---

# changed FILTER [ARG...]: the configuration, put through jq, as a file for a roll-out.
changed() {
	fleet_lbctl 1 export | jq "$@" >"$LAB_DIR/next"
}
# heavier N: the first backend gets weight N.
heavier() {
	# shellcheck disable=SC2016 # $n is jq's
	changed --argjson n "$1" '(.services[].backends[] |
		select(.address | startswith("198.18.1.11")) | .weight) = $n'
}
# holders N: how many balancers have that weight in force.
holders() {
	local i count=0
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		! weight_is "$i" 198.18.1.11 "$1" || count=$((count + 1))
	done
	echo "$count"
}
held_by() {
	[ "$(holders "$1")" = "$2" ]
}
# begin N [ARG...]: rolls LAB_DIR/next out, asked of balancer N.
begin() {
	local n=$1
	shift
	fleet_lbctl "$n" rollout begin --file "$LAB_DIR/next" "$@"
}
# rollout N FILTER: of what balancer N says of the roll-out.
rollout() {
	fleet_lbctl "$1" --json rollout show | jq -r "$2"
}
is_over() {
	[ "$(rollout "$1" .rollout)" = null ]
}
# undone N PART: the last one ended for this reason.
undone() {
	rollout "$1" '.last | select(.done | not).reason' | grep -q "$2"
}
# members: the numbers of the balancers that have been chosen.
members() {
	local i
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		[ "$(rollout "$i" '[.balancers[] | select(.here)][0].member')" != true ] || echo "$i"
	done
}
# other N...: a balancer that is none of these.
other() {
	local i
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		[[ " $* " == *" $i "* ]] || echo "$i"
	done | head -n 1
}

# nobody_tries: no balancer has a roll-out's document in force.
nobody_tries() {
	local i
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		! fleet_lbctl "$i" --json status | grep -q '"trial":.*true' || return
	done
}

etcd_start || bail "etcd starts"
for i in 1 2 3; do
	agent "$i" || bail "balancer $i starts"
done
fleet_lbctl 1 add service web --vip "tcp://$LAB_VIP4:80" --mode l2 --check http \
	--check-interval 300ms --check-timeout 250ms --rise 1 --fall 2 >/dev/null || not_ok "a service is added"
for i in 1 2 3; do
	fleet_lbctl 1 add backend web "198.18.1.1$i" >/dev/null || not_ok "a backend is added"
done
check "all have the configuration" wait_until 5 same
for i in 1 2 3; do
	check "and backends are up at lb$i" wait_until 10 fleet_all_up "$i" web
	check "which knows of the others" wait_until 5 store_is "$i" balancers 3
done
check_equal "as metrics say" "3 0" \
	"$(fleet_metric 2 lb_store_balancers) $(fleet_metric 2 lb_store_trial)"
lab_exec router ip route add "$LAB_VIP4" nexthop via 198.18.0.1 nexthop via 198.18.0.2 \
	nexthop via 198.18.0.3 || bail "the router spreads"

# --- a good one ---

heavier 5
check_matches "a roll-out can be planned" "weight 1 -> 5" \
	"$(fleet_lbctl 1 plan rollout begin --file "$LAB_DIR/next")"
check_equal "which begins none" "no roll-out is under way" "$(fleet_lbctl 1 rollout show | head -n 1)"
check_matches "25 for 25% is not all of them at once" "share 25: there are 3 balancers" \
	"$(begin 1 25 2>&1)"
check_matches "nor is a plan of that" "write 25% for a part" \
	"$(fleet_lbctl 1 plan rollout begin 25 --file "$LAB_DIR/next" 2>&1)"
check_matches "shares grow" "share 25%: it follows 100%" "$(begin 1 100% 25% 2>&1)"
lab_wrk -t1 -c4 -d8s -H "$LAB_FRESH" "$LAB_URL4/" >"$LAB_DIR/wrk" 2>&1 &
wrk=$!
begin 1 1 50% --for 1s --wait >"$LAB_DIR/said" 2>&1
check_equal "a roll-out is begun, and done" 0 "$?"
check_matches "step by step" "step 2, 2 balancers" "$(cat "$LAB_DIR/said")"
id=$(rollout 1 .last.id)
# turns ID: when it came in force, at whom it did, in whole seconds.
turns() {
	local i
	for i in 1 2 3; do
		fleet_lbctl "$i" --json events | jq --arg id "$1" '.events[] |
			select(.kind == "rollout-in-force" and .after == $id).time |
			sub("\\.[0-9]+"; "") | fromdate'
	done | sort -n
}
check_equal "one took it, then another, then the third" "3 times apart" \
	"$(turns "$id" | uniq | wc -l) times apart"
check "it is the configuration now" wait_until 2 same
check_equal "and nobody is on trial any more" "false false" \
	"$(fleet_lbctl 1 --json status | jq '.store | has("rollout")') $(fleet_lbctl 2 --json status | jq '.store | has("rollout")')"
for i in 1 2 3; do
	check_matches "events of lb$i tell of it" "rollout-done" "$(events "$i")"
done
wait "$wrk"
promise "a roll-out under load: 0 requests failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
check "of many" [ "$(lab_served "$LAB_DIR/wrk")" -gt 100 ]
check "a change goes through again" fleet_lbctl 3 set backend web 198.18.1.12 --weight 2
check "to all" wait_until 3 same

# --- a bad one ---

before=$(config 1)
changed '(.services[] | select(.name == "web") | .["check-status"]) = "299"'
out=$(begin 2 --for 3s --wait 2>&1)
check_equal "one whose checks fail is undone" 1 "$?"
check_matches "and says at whom, and why" "undone: balancer .* is worse off: service web: backend" "$out"
id=$(rollout 1 .last.id)
check "everybody is back" wait_until 3 same
check_equal "on what was before" "$before" "$(config 1)"
check_equal "and one alone has had it" 1 "$(turns "$id" | wc -l)"
for i in 1 2 3; do
	check "backends are up at lb$i" wait_until 5 fleet_all_up "$i" web
done
check_matches "show tells of it" "$id, was undone: balancer" "$(fleet_lbctl 3 rollout show)"
echo '{"services": [{"name": "web", "vip": ["nonsense"]}]}' >"$LAB_DIR/next"
check_matches "one that is none is refused at once" "nonsense" "$(begin 2 2>&1)"
fleet_lbctl 1 export >"$LAB_DIR/next"
check_matches "as is one that changes nothing" "no difference" "$(begin 2 2>&1)"

# --- ended ---

heavier 7
begin 1 2 --for 30s >/dev/null || not_ok "a roll-out begins"
check "at two" wait_until 3 held_by 7 2
mapfile -t both < <(members)
chosen=${both[-1]} # not the driver
outside=$(other "${both[@]}")
check_equal "which say that they are on trial" true "$(store_field "$chosen" trial)"
check_equal "in their metrics, too" 1 "$(fleet_metric "$chosen" lb_store_trial)"
check_equal "and the third has what etcd has" "$(etcd_config)" "$(config "$outside")"
check_matches "but knows of it" "roll-out .* is under way, not in force here" \
	"$(fleet_lbctl "$outside" status)"
out=$(begin "$chosen" 2>&1)
check_equal "a second one is refused" 1 "$?"
check_matches "and the first one named" "roll-out $(rollout 2 .rollout.id) is under way" "$out"
out=$(fleet_lbctl 3 set backend web 198.18.1.12 --weight 3 2>&1)
check_equal "a change is refused meanwhile" 1 "$?"
check_matches "with the way out" "lbctl rollout abort" "$out"
lab_end "lb$chosen" KILL
check "one that is killed and started" agent "$chosen"
check "has it again" wait_until 5 store_is "$chosen" trial true
elsewhere=$(other 1 "$chosen")
check "anybody can end it" fleet_lbctl "$elsewhere" rollout abort
took=$(fleet_until nobody_tries)
promise "a roll-out ended: all are back within 1000 ms" 1000 "$took"
check "on what etcd has" wait_until 2 same
check "which is said" undone 1 "ended by"
check_matches "in events, too" "rollout-undone.*ended by" "$(events "$elsewhere")"
check_matches "then there is nothing to end" "no roll-out is under way" \
	"$(fleet_lbctl 2 rollout abort 2>&1)"

# --- its ground moves ---

begin 1 --for 30s >/dev/null || not_ok "a roll-out begins"
check "at one" wait_until 3 held_by 7 1
etcdctl get "$KEY" --print-value-only | jq -c '(.services[].backends[].weight) = 9' | etcdctl put "$KEY" >/dev/null
check "one whose configuration is changed by another hand ends" wait_until 3 undone 2 "somebody else"
check "and all have the other" wait_until 3 held_by 9 3

# --- its driver dies ---

heavier 7
begin 1 2 --for 30s >/dev/null || not_ok "a roll-out begins"
check "at two" wait_until 3 held_by 7 2
lab_end lb1 KILL
check "when its driver is killed it ends with the lease" wait_until 12 is_over 2
check_matches "which is said" "rollout-undone.*has gone" "$(events 2)"
check_matches "by show, too" "was undone: the balancer that drove it has gone" \
	"$(fleet_lbctl 3 rollout show)"
check "and the others are back" wait_until 2 weight_is 2 198.18.1.11 9
check "both" wait_until 2 weight_is 3 198.18.1.11 9
check "the driver starts" agent 1
check "and is back, too" wait_until 5 same
check "the others know of it" wait_until 5 store_is 2 balancers 3

begin 1 2 --for 30s >/dev/null || not_ok "a roll-out begins"
check "at two" wait_until 3 held_by 7 2
lab_end lb1 KILL
agent 1 || not_ok "the driver starts"
check "a driver that comes back at once ends it" wait_until 8 is_over 2
check "and all are back" wait_until 3 same

# --- with former owners ---

fleet_lbctl 1 add service moved --vip tcp://198.19.100.20:80 --mode gue --second-chance on \
	--check none >/dev/null || not_ok "a service with a second chance is added"
fleet_lbctl 1 add backend moved 198.18.1.12 198.18.1.13 >/dev/null || not_ok "its backends are added"
changed '(.services[] | select(.name == "moved") | .backends[0].weight) = 3'
check "who asks is told what came of it, though he has it at once and remembers other owners" \
	begin 1 100% --for 0s --wait
fleet_lbctl 1 rm service moved >/dev/null || not_ok "the service goes"
check "all agree" wait_until 3 same
heavier 7

# --- without etcd ---

begin 2 2 --for 3s >/dev/null || not_ok "a roll-out begins"
check "at two" wait_until 3 held_by 7 2
etcd_kill
check "etcd gone in the middle: all keep what they have" wait_until 5 store_is 1 connected false
check_equal "two the one, one the other" "2 1" "$(holders 7) $(holders 9)"
check_matches "which show says" "waiting: etcd is not reached" "$(fleet_lbctl 1 rollout show)"
etcd_start || bail "etcd starts again"
check "and when it is back they end alike" wait_until 15 same
check "whichever way it went" wait_until 15 is_over 1
check "all of them" wait_until 5 same
check "and changes go through" fleet_lbctl 3 set backend web 198.18.1.12 --weight 4
check "to all" wait_until 3 same

etcd_kill
check "etcd gone between two" wait_until 5 store_is 1 connected false
check_matches "show says so, too" "^etcd is not reached" "$(fleet_lbctl 1 rollout show)"

check_none "no agent has complained of anything" "$(grep -h 'level=error' "$LAB_DIR"/lb?.log)"
checks_done

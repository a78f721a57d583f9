#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The soak's own parts: what it chooses, and that it sees what is wrong. `make soak` itself shows only
# that nothing is.
cd "$(dirname "$0")/../.." || exit 1
. tests/lab/check.sh
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# --- what it chooses ---

# story SEED STEPS: what happens, as soak.sh has it happen
story() (
	. tests/lab/lab.sh
	. tests/soak/plan.sh
	for service in "${PLAN_SERVICES[@]}"; do
		PLAN_DENIED[$service]=0
		for host in 1 2 3 4; do PLAN_STATE[$service $host]=up PLAN_WEIGHT[$service $host]=1; done
	done
	plan_begin "$1"
	while [ "$PLAN_STEP" -lt "$2" ]; do
		PLAN_STEP=$((PLAN_STEP + 1))
		while read -r what one two; do
			case $what in
			undrain) plan_undrained "$one $two" ;;
			removed) plan_forget "$one $two" ;;
			mend) unset "PLAN_DOWN[$one]" ;;
			esac
		done <<<"${PLAN_LATER[$PLAN_STEP]:-}"
		plan_next
		plan_note
		echo "$KIND $SERVICE $HOST $VALUE"
	done
)

check_equal "a seed makes the same choices again" "$(story 7 300)" "$(story 7 300)"
check "another makes others" [ "$(story 8 300)" != "$(story 7 300)" ]
check_equal "everything happens" \
	"add cut drain flap interface kill reload remove restart unplug weigh" \
	"$(story 7 300 | cut -d ' ' -f 1 | sort -u | paste -sd ' ')"
check_none "nothing befalls the first hosts but weights" \
	"$(story 7 300 | grep -E '^(add|cut|drain|flap|remove|unplug) [a-z0-9]+ [12] ')"
check_none "nobody drains where clients never leave" "$(story 7 300 | grep -E '^(drain|remove) long ')"

# --- the agent's state ---

state() {
	jq -n '{services: [{name: "web", packets: 100, drops: {denied: 1}, "source-prefixes": {deny: 5}, backends: [
		{address: "a", weight: 1, state: "up", status: "up", share: 0.25, packets: 40},
		{address: "b", weight: 3, state: "up", status: "up", share: 0.75, packets: 50},
		{address: "c", weight: 3, state: "drain", status: "removing", share: 0, packets: 9}]}]}
		| '"${1:-.}"
}

model=$'web denies 5 prefixes\nweb a weight 1 up\nweb b weight 3 up\nweb c weight 3 removing'
in_sync='{"in-sync": true, "interfaces": [{"name": "eth0", "attached": true, "reason": ""}]}'

# wrongs [FILTER [STATUS]]: of a state that a filter has changed
wrongs() {
	state "${1:-.}" | jq -r --argjson status "[${2:-$in_sync}]" --arg model "$model" -f tests/soak/state.jq
}

check_equal "a state as it was asked for is right" '' "$(wrongs)"
check_equal "so it is when a backend that is removed has gone" '' "$(wrongs 'del(.services[0].backends[2])')"
check_equal "another weight is seen" "desired the agent has not: web a weight 1 up
desired nobody asked for: web a weight 2 up
share a of web, up, has 25 % of its table, and weight for 40 %
share b of web, up, has 75 % of its table, and weight for 60 %" "$(wrongs '.services[0].backends[0].weight = 2')"
check_equal "a backend too few is seen" "desired the agent has not: web b weight 3 up
share a of web, up, has 25 % of its table, and weight for 100 %" "$(wrongs 'del(.services[0].backends[1])')"
check_equal "so is a list" "desired the agent has not: web denies 5 prefixes
desired nobody asked for: web denies 4 prefixes" "$(wrongs '.services[0]."source-prefixes".deny = 4')"
check_equal "and a part of the table for one that is down" \
	"share a of web, down, has 25 % of its table, and weight for 0 %
share b of web, up, has 75 % of its table, and weight for 100 %" \
	"$(wrongs '.services[0].backends[0].status = "down"')"
check_equal "a data plane out of sync is seen" $'sync no memory\nsync eth0: gone' "$(wrongs . \
	'{"in-sync": false, "sync-error": "no memory", "interfaces": [{"name": "eth0", "attached": false, "reason": "gone"}]}')"

# --- packets ---

state >"$scratch/before"
# missing CAME WENT SLACK
missing() {
	state ".services[0].packets += $1 | .services[0].backends[0].packets += $2" |
		jq -r --slurpfile before "$scratch/before" --argjson slack "$3" -f tests/soak/packets.jq
}
check_equal "packets that went where they should" '' "$(missing 10 10 0)"
check_equal "a packet is missing" "web: 10 packets came, 9 went to backends or were dropped" "$(missing 10 9 0)"
check_equal "but may be under way" '' "$(missing 10 9 1)"

# --- failed requests ---

# unexplained SERVICE BACKEND BEGUN FAILED: while b3 was hurt from 100 to 200 s, and b4 of web6 alone
unexplained() {
	printf '{"cause":"reset","ms":%d000,"begun_ms":%d000,"backend":"%s","port":1}\n' "$4" "$3" "$2" |
		jq -r --arg service "$1" --arg hurts $'* b3 100000 200000\nweb6 b4 100000 200000\n' \
			--argjson patience 6000 -f tests/soak/failures.jq
}

# explains YES|NO WORDS... SERVICE BACKEND BEGUN FAILED
explains() {
	local found
	found=$(unexplained "${@:3}")
	case $1 in
	yes) check_equal "explained: $2" '' "$found" ;;
	no) check_matches "not explained: $2" "^$3: reset on a connection of ${4:-nobody yet}, " "$found" ;;
	esac
}
explains yes "a connection of who is hurt" web b3 50 150
explains yes "a little later" web b3 50 205
explains no "much later" web b3 50 207
explains no "before" web b3 50 99
explains no "a connection begun afterwards" web b3 201 202
explains no "one of somebody else" web b2 50 150
explains yes "one that nobody has answered yet" web '' 150 151
explains no "nor afterwards" web '' 201 202
explains yes "a backend that is cut off from one service, there" web6 b4 150 151
explains no "and elsewhere" web b4 150 151
checks_done

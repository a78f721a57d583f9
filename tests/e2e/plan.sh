#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What plan says is what then happens: flows cut, flows moved, shares. What --max-disruption refuses
# does not happen, and --stage goes in steps within it.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=8192
plain=198.18.0.11 # the VIP of a service that tracks no flows

lab_up || exit 1
lab_agent_start || exit 1

# plan SERVICE FILTER VERB...: of what the plan says of one service
plan() {
	local service=$1 filter=$2
	shift 2
	lbctl --json plan "$@" | jq ".services[] | select(.service == \"$service\") | $filter"
}

generation() {
	lbctl --json status | jq .generation
}

# moved VIP: how many flows are with another backend than when they were established
moved() {
	lab_flowhold check "$1" "$flows" | awk '$1 == "flows" && $2 == $4 {print $6}'
}

# with FILE N: flows that flowhold saw at backend N
with() {
	awk -v n=$(($2 - 1)) '$1 == "owner" && $2 == n {print $3}' "$1"
}

# --- tracked flows ---

lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --mode l2 --check none || bail "web comes up"
lab_flowhold establish "$LAB_VIP4" "$flows" >"$LAB_DIR/web"
check_matches "$flows flows are established" "^flows $flows answered $flows moved 0\$" \
	"$(cat "$LAB_DIR/web")"
counted() {
	[ "$(lab_total web active-flows)" -eq "$flows" ]
}
check "the agent has counted them" wait_until 10 counted

before=$(lbctl --json export) number=$(generation)
join=(add backend web 198.18.1.14)
check_equal "a fourth backend: no flow would be lost" 0 "$(plan web '."flows-lost"' "${join[@]}")"
check_equal "so there is no disruption" 0 "$(plan web .disruption "${join[@]}")"
shares=$(plan web '[.backends[]."share-after" * 1000 | round]' "${join[@]}" | jq -c .)
cut=(rm backend web 198.18.1.12 --now)
lost=$(plan web '."flows-lost"' "${cut[@]}")
check_equal "b2 cut: the plan knows its flows" "$(with "$LAB_DIR/web" 2)" "$lost"
check_equal "to drain it by a deadline may cost as many" "$lost" \
	"$(plan web '."flows-drain"' rm backend web 198.18.1.12 --deadline 5m)"
check_equal "to drain it without, none" 0 "$(plan web .disruption drain backend web 198.18.1.12)"
check_equal "another mode costs all" 1 "$(plan web .disruption set service web --mode nat)"
check_matches "a plan for people" "flows: $flows live, of them $lost lost" \
	"$(lbctl plan "${cut[@]}")"
check_matches "plan refuses what the verb refuses" 'no such backend' \
	"$(lbctl plan rm backend web 198.18.1.99 2>&1)"
check_matches "a limit refuses, and says how much" 'web: live flows would lose their backend, 3[0-9.]*% ' \
	"$(lbctl "${cut[@]}" --max-disruption 1% 2>&1)"
check_equal "plans and refusals change nothing" "$before $number" \
	"$(lbctl --json export) $(generation)"

check "a fourth backend joins within 0%" lbctl "${join[@]}" --max-disruption 0%
lab_wait_up web
check_equal "shares are as planned" "$shares" \
	"$(lbctl --json show web | jq -c '[.backends[].share * 1000 | round]')"
check_equal "no flow has moved, as planned" 0 "$(moved "$LAB_VIP4")"
lbctl "${cut[@]}" --max-disruption 50% >/dev/null || bail "b2 is cut within 50%"
differ=$(($(moved "$LAB_VIP4") - lost))
promise "a plan: the flows that b2 lost differ from the $lost planned by" 0 "${differ#-}"

# --- flows that are not tracked ---

lab_service plain "tcp://$plain:80" "1 3 4" --mode l2 --check none --tracking none ||
	bail "plain comes up"
lab_flowhold establish "$plain" "$flows" >"$LAB_DIR/plain"
check_matches "untracked: the plan knows no flows" '^null$' \
	"$(plan plain .flows add backend plain 198.18.1.12)"
part=$(plan plain '.disruption * 1000 | round' add backend plain 198.18.1.12)
check_between "untracked: a fourth backend takes its part, in thousandths" 240 280 "$part"
check_matches "a limit refuses that" 'plain: flows would go to another backend' \
	"$(lbctl add backend plain 198.18.1.12 --max-disruption 1% 2>&1)"

# --- in steps ---

lbctl export | jq '(.services[] | select(.name == "plain").backends) +=
	[{"address": "198.18.1.12:80"}]' >"$LAB_DIR/wanted"
check_matches "a limit refuses the file, too" 'lbctl apply --stage' \
	"$(lbctl apply -f "$LAB_DIR/wanted" --max-disruption 8% 2>&1)"
check_matches "steps need a limit" 'give --max-disruption' \
	"$(lbctl apply -f "$LAB_DIR/wanted" --stage 1s 2>&1)"
number=$(generation)
check "the first step can be planned, and is within the limit" jq -e '.disruption <= 0.08' <(
	lbctl --json plan apply -f "$LAB_DIR/wanted" --max-disruption 8% --stage 60s
)
check_equal "which changes nothing" "$number" "$(generation)"
lab_spawn lb stage "$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" apply -f "$LAB_DIR/wanted" \
	--max-disruption 8% --stage 60s
check "the first step is taken" wait_until 10 grep -q '^step 1, ' "$LAB_DIR/stage.log"
lab_end stage INT
check_matches "Ctrl-C says where it stands" \
	"^lbctl: stopped after 1 steps, at generation $(generation)\$" "$(cat "$LAB_DIR/stage.log")"
check "the state is a state like any other" lbctl apply -f <(lbctl export)
lab_spawn lb walk "$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" apply -f "$LAB_DIR/wanted" \
	--max-disruption 8% --stage 2s
check "another step is taken" wait_until 10 grep -q '^step 1, ' "$LAB_DIR/walk.log"
lbctl set service web --rise 5 >/dev/null
check "it ends when somebody else changes the configuration" wait_until 10 \
	grep -q 'somebody else has changed the configuration' "$LAB_DIR/walk.log"
lbctl set service web --rise 2 >/dev/null
lbctl apply -f "$LAB_DIR/wanted" --max-disruption 8% --stage 200ms >"$LAB_DIR/steps" 2>&1
check_equal "the same command goes on to the end" 0 $?
check_matches "in several steps" '^applied in [2-9] steps$' "$(cat "$LAB_DIR/steps")"
check_equal "each of them within the limit" "" "$(awk '$1 == "step" && $5 + 0 > 8' "$LAB_DIR/steps")"
check_equal "to what was wanted" "no difference" "$(lbctl apply -f "$LAB_DIR/wanted")"
check_between "flows moved as the plan of the whole said, in thousandths" \
	$((part - 20)) $((part + 20)) $(($(moved "$plain") * 1000 / flows))
# --- flows that nobody remembers: how many slots move that need not ---

lbctl add service many --vip "tcp://$LAB_VIP4:81" --check none --tracking none >/dev/null
for ((i = 1; i <= 100; i++)); do
	ip -n "$LAB-lb" neigh replace "198.18.2.$i" lladdr 02:00:00:00:02:01 dev eth0 nud permanent
	echo "198.18.2.$i"
done | xargs "$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" add backend many >/dev/null
check "a hundred backends are up" wait_until 10 lab_all_up many
# between_others VERB ADDRESS-BEFORE-N [FLAG...]: slots of 100,000 that move between backends which
# stay, the mean of twenty N.
between_others() {
	local verb=$1 prefix=$2 n
	shift 2
	for ((n = 1; n <= 20; n++)); do
		lbctl --json plan "$verb" backend many "$prefix$n" "$@"
	done | jq -s '[.[] | .services[0]."slots-moved".between * 100000 / .slots] | add / length | ceil'
}
promise "one of 100 backends leaves: slots of 100,000 that move between the others, on average" 600 \
	"$(between_others rm 198.18.2. --now)"
promise "one more than 100 backends comes: slots of 100,000 that move between the others, on average" \
	600 "$(between_others add 198.18.3.)"
checks_done

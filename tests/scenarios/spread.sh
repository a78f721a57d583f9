#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# spread.sh [--short]   10,000 requests, a connection each, on two to six backends: how many each
#                       served, how even that is, and how many requests a second.
#
# Chance spreads them: of N flows a backend with the share p of the table gets N p, with a standard
# deviation of sqrt(N p (1 - p)). Being off by more than five of these has a chance of one in 1.7
# million, so that is the limit.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2034 # the lab's
LAB_BACKENDS=6
. "$(dirname "$0")/scenario.sh"

requests=$(by_form 2000 10000)
steps=$(by_form '2 3 4' '2 3 4 5 6') # backends
rounds=$(by_form 1 3)                # of all steps: what slows the machine meets all of them alike
clients=64                           # at a time

open_lab() {
	local i
	for i in 1 $steps; do
		lab_backend_start "$i" hello || return
	done
	lab_agent_start || return
	lab_service web tcp://198.18.0.10:80 "1 $steps"
}

are_up() {
	[ "$(lbctl --json show web | jq '.backends | map(select(.status == "up")) | length')" = "$1" ]
}

# only N: the first N backends are up, the others are taken out. Steps come in their order.
only() {
	local i
	if [ "$1" = 2 ]; then
		for i in ${steps#2 }; do
			lbctl set backend web "198.18.1.1$i" --state maint >/dev/null || return
		done
	else
		lbctl set backend web "198.18.1.1$1" --state up >/dev/null || return
	fi
	wait_until 15 are_up "$1"
}

# What the balancer knows of each backend that is up: name, share of the table, new flows.
balancer() {
	lbctl --json show web | jq -c '.backends | map(select(.status == "up") |
		{name: "b\(.address | capture("^198.18.1.1(?<n>.):").n)", share, flows: ."new-flows"})'
}

# step ROUND N: all requests on N backends.
step() {
	local before crowd
	only "$2" && before=$(balancer) || return
	crowd=$(lab_exec client "$tool" --connections "$clients" --once "$requests" --pace 1000000 \
		--timeout 10s 198.18.0.10:80 | tail -n 1) || return
	jq -nc --argjson round "$1" --argjson crowd "$crowd" --argjson before "$before" \
		--argjson after "$(balancer)" '
		($before | map({key: .name, value: .flows}) | from_entries) as $had |
		def uneven: max / (add / length);
		{$round, backends: ($after | length)} +
		($crowd | {requests, errors: (.errors | add), rate, p50_ms, p95_ms, p99_ms}) +
		{each: ($after | map(.flows -= $had[.name] | .served = ($crowd.served[.name] // 0)))} |
		(.each | map(.share) | max) as $share | (.requests / .backends) as $mean |
		.uneven = (.each | map(.flows) | uneven) |
		.uneven_shares = (.each | map(.share) | uneven) |
		.uneven_limit = (.requests * $share +
			5 * (.requests * $share * (1 - $share) | sqrt)) / $mean' >>"$LAB_DIR/steps"
	tail -n 1 "$LAB_DIR/steps" | jq -r '"# \(.backends) backends: " +
		(.each | map("\(.name) \(.served)") | join(", ")) +
		"; max/mean \(.uneven * 1000 | round / 1000), \(.rate) requests/s, errors \(.errors)"'
}

run_steps() {
	local tool round n
	tool=$(lab_tool lab/crowd "$LAB_TOP/common/clock.c" -pthread) || return
	for ((round = 1; round <= rounds; round++)); do
		say "round $round of $rounds"
		for n in $steps; do
			step "$round" "$n" || return
		done
	done
}

# --- the report ---

# The first round tells how even it is, the median of all rounds how fast.
report() {
	jq -s --argjson clients "$clients" --argjson requests "$requests" '
		def median: sort | .[length / 2 | floor];
		(group_by(.backends) | map((map(.rate) | median) as $rate | .[0] + {$rate})) as $steps |
		{$requests, $clients, steps: ($steps | map(.ratio = .rate / $steps[0].rate)), runs: .}
	' "$LAB_DIR/steps" | report_json
	jq -r '.steps[] | select(.backends == 3).each[] | [.name, .served] | @tsv' \
		"$SCENARIO_REPORT.json" | report_bars "$requests requests on 3 backends" served
	jq -r '.steps[] | ["\(.backends) backends", .each[].served] | @tsv' "$SCENARIO_REPORT.json" |
		report_bars "$requests requests on 2 to ${steps: -1} backends, by who served them" \
			"b1 b2 b3 b4 b5 b6" -steps
	report_words | report_text "$requests requests, a connection each, on 2 to ${steps: -1} backends"
}

report_words() {
	jq -r 'def short: . * 1000 | round / 1000;
		["backends", "served by each", "errors", "max/mean", "by shares", "limit", "requests/s",
			"to 2 backends"],
		(.steps[] | [.backends, (.each | map(.served) | join(" ")), .errors, (.uneven | short),
			(.uneven_shares | short), (.uneven_limit | short), .rate, (.ratio | short)]) | @tsv' \
		"$SCENARIO_REPORT.json" | report_table
	echo
	echo "by shares: what the table would give without chance. limit: five standard deviations more."
	echo "requests/s: the median of $rounds; all processes share this machine, $clients clients ask."
}

# bad_runs FILTER: those runs of which it is not so.
bad_runs() {
	jq -c ".runs[] | select($1 | not)" "$SCENARIO_REPORT.json"
}

lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page
run_steps || bail "all steps run: $(tail -n 1 "$LAB_DIR/steps")"
report

check_none "no request failed" "$(bad_runs '.errors == 0')"
check_none "what backends served sums up to $requests" \
	"$(bad_runs "(.each | map(.served) | add) == $requests")"
check_none "each backend got as many new flows as it served" \
	"$(bad_runs '.each | all(.served == .flows)')"
check_none "it is as even as chance allows" "$(bad_runs '.uneven <= .uneven_limit')"
checks_done

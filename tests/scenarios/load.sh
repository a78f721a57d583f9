#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# load.sh [--short]   three backends of which one can do a quarter of what the others can, and nobody
#                     has told the balancer: plain Maglev, load-aware weights, and weights that fit,
#                     by turns, under the same load. How long clients wait, in the tail above all.
#
# The backends are store, whose workers are what they can do: each request takes one for as long as the
# service behind needs, which is always the same. So it is queues that make clients wait, not processors.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

LAB_BACKENDS=4 # the fourth is the service behind
WORKERS=(0 8 8 2)
delay=60ms         # of the service behind
connections=14     # that ask again at once
rounds=$(by_form 1 5)
seconds=$(by_form 3 10) # of each turn
budget=10 interval=1s

open_lab() {
	local i
	lab_spawn b4 behind "$LAB_BUILD/unstable" --name behind --listen 80 --delay "$delay"
	wait_until 10 lab_listening b4 80 || return
	for i in 1 2 3; do
		mkdir "$LAB_DIR/shards$i"
		lab_spawn "b$i" "b$i" "$LAB_BUILD/store" --name "b$i" --listen 80 --workers "${WORKERS[i]}" \
			--unstable "http://198.18.1.14/" --timeout 5s --data "$LAB_DIR/shards$i"
		wait_until 10 lab_listening "b$i" 80 || return
		lab_report_start "$i" "$LAB_TOP/tests/lab/busy.sh" "http://198.18.1.1$i/metrics" "${WORKERS[i]}" \
			"$LAB_DIR/busy$i" || return
	done
	lab_agent_start || return
	lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health \
		--load-interval "$interval" --load-budget "$budget" --timeout-established 5s
}

# --- turns ---

ask() {
	lab_exec client wrk -t1 -c"$connections" --latency --timeout 10s -H "$LAB_FRESH" "$@" "$LAB_URL4/"
}

flows() {
	lbctl --json show web | jq -c '[.backends[] | ."new-flows"]'
}

# measure TURN ROUND: one line of the figures, as JSON
measure() {
	local before
	before=$(flows)
	ask "-d${seconds}s" >"$LAB_DIR/wrk" 2>&1
	awk -v turn="$1" -v round="$2" -v before="$before" -v after="$(flows)" '
		function ms(text) {
			return text ~ /ms$/ ? text + 0 : text ~ /us$/ ? text / 1000 : text * 1000
		}
		$1 == "50%" {half = ms($2)}
		$1 == "99%" {most = ms($2)}
		/requests in/ {requests = $1}
		/Non-2xx/ {errors += $NF}
		/Socket errors/ {gsub(/,/, ""); errors += $4 + $6 + $8 + $10}
		END {
			printf "{\"turn\": \"%s\", \"round\": %d, \"requests\": %d, \"errors\": %d, ",
				turn, round, requests, errors
			printf "\"p50\": %g, \"p99\": %g, \"before\": %s, \"after\": %s}\n", half, most, before, after
		}' "$LAB_DIR/wrk" | jq -c '. + {flows: ([.after, .before] | transpose | map(.[0] - .[1]))} |
			del(.before, .after)' | tee -a "$LAB_DIR/figures"
}

rests() {
	lbctl --json show web | jq -e '."load-state" | .acts | not' && [ "$(steps)" -gt "$1" ]
}
steps() {
	lbctl --json show web | jq '."load-state".steps // 0'
}

whole() {
	lbctl --json show web | jq -e 'all(.backends[]; ."effective-weight" == 1)'
}

plain() {
	lbctl set service web --load off >/dev/null || bail "weights follow nothing"
	ask -d1s >/dev/null
	measure maglev "$1"
	check "round $1: with plain Maglev weights are whole" whole
}

# Weights are on their way under the same load, which is not measured.
aware() {
	lbctl set service web --load on >/dev/null || bail "weights follow load"
	ask -d120s >/dev/null 2>&1 &
	check "round $1: weights come to rest" wait_until 60 rests 2
	kill "$(wrk_pid)"
	wait "$!"
	measure load-aware "$1"
}

# By weights that fit, which somebody has found out: the bound.
by_hand() {
	local i
	lbctl set service web --load off >/dev/null || bail "weights follow nothing"
	for i in 1 2 3; do
		lbctl set backend web "198.18.1.1$i" --weight "${WORKERS[i]}" >/dev/null || bail "a weight is set"
	done
	ask -d1s >/dev/null
	measure by-hand "$1"
	for i in 1 2 3; do
		lbctl set backend web "198.18.1.1$i" --weight 1 >/dev/null || bail "a weight is set"
	done
}

wrk_pid() {
	ip netns pids "$LAB-client"
}

# --- what came of it ---

median() {
	jq -s --arg turn "$1" "map(select(.turn == \$turn) | $2) | sort | .[length / 2 | floor]" "$LAB_DIR/figures"
}

report() {
	jq -s --argjson connections "$connections" --arg delay "$delay" --argjson budget "$budget" \
		--argjson slots "$(lbctl --json events --kind load-step --limit 1000 |
			jq '[.events[].reason | split(" ")[0] | tonumber] | max')" \
		'{$connections, $delay, $budget, most_moved: $slots, turns: .}' "$LAB_DIR/figures" | report_json
	jq -r '[.turn + " " + (.round | tostring), .p50, .p99 - .p50] | @tsv' "$LAB_DIR/figures" |
		report_bars "how long clients wait, in ms: the median, and what the slowest of 100 wait beyond" "p50 p99"
	{
		jq -r '["round", "turn", "requests", "to b1", "to b2", "to b3", "p50 ms", "p99 ms", "errors"],
			(.turns[] | [.round, .turn, .requests, .flows[], .p50, .p99, .errors]) | @tsv' \
			"$SCENARIO_REPORT.json" | report_table
		echo
		for turn in maglev load-aware by-hand; do
			echo "$turn: medians of $rounds rounds: p50 $(median "$turn" .p50) ms, p99" \
				"$(median "$turn" .p99) ms, $(median "$turn" '.requests') requests in $seconds s"
		done
	} | report_text "backends that differ, plain and with load-aware weights"
}

lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page
for ((round = 1; round <= rounds; round++)); do
	plain "$round"
	aware "$round"
	by_hand "$round"
done
report
check_equal "no request failed" 0 "$(jq -s '[.[].errors] | add' "$LAB_DIR/figures")"
check "every backend served in every turn" jq -es 'all(.[].flows[]; . > 0)' "$LAB_DIR/figures"
check "in every round the weak one got a smaller part with load-aware weights" jq -es '
	group_by(.round) | all(.[]; map({key: .turn, value: (.flows[2] / (.flows | add))}) | from_entries |
		."load-aware" < .maglev)' "$LAB_DIR/figures"
check "no step moved more slots than its budget" jq -e '.most_moved <= .budget' "$SCENARIO_REPORT.json"
checks_done

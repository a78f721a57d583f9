#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# resilience.sh [--short]   store asks an unstable service that is well, fails 80 % of the time, is
#                           stopped, and returns: its clients always have an answer, fallbacks
#                           where there is nothing fresh, then fresh data again.
#
# store runs on b1 and b2, unstable on b3, each behind a VIP; answers are kept in two Redis shards on
# b4.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

rounds=$(by_form 1 6)
clients=4 each=5 # of a round: clients at a time, requests of each
total=$((rounds * clients * each))

open_lab() {
	local i health=(--check http --check-path /health --check-interval 200ms)
	for i in 7001 7002; do
		lab_redis_start b4 $i || return
	done
	lab_service_start b3 unstable 80 || return
	for i in 1 2; do
		lab_service_start b$i store 80 --unstable http://198.18.0.11/ --timeout 700ms \
			--redis 198.18.1.14:7001 --redis 198.18.1.14:7002 || return
	done
	lab_agent_start || return
	lab_service source tcp://198.18.0.11:80 3 "${health[@]}" || return
	lab_service store tcp://198.18.0.10:80 "1 2" "${health[@]}"
}

# client: asks `each` times, each on a connection of its own. One line a request: the answer, if any,
# its status and how long it took.
client() {
	local i urls=()
	for ((i = 0; i < each; i++)); do
		urls+=(http://198.18.0.10/)
	done
	lab_curl --max-time 10 -H "$LAB_FRESH" -w '{"status":%{http_code},"ms":%{time_total}}\n' \
		"${urls[@]}" 2>/dev/null | awk '
		!/^\{"status"/ {answer = $0; next}
		{sub(/}$/, ",\"answer\":" (answer ? answer : "null") "}"); print; answer = ""}'
}

# figures FILE PHASE: of a phase's requests, as one line of JSON
figures() {
	jq -sc --arg phase "$2" '
		def at(part): sort | if length == 0 then 0 else .[((length - 1) * part) | floor] end;
		map(.ms = (.ms * 1000 | floor)) | {
			phase: $phase,
			requests: length,
			fresh: map(select(.status == 200 and .answer.fallback == false)) | length,
			fallback: map(select(.status == 200 and .answer.fallback == true)) | length,
			errors: map(select(.status != 200)) | length,
			tried_again: map(select((.answer.attempts // 1) > 1)) | length,
			oldest_ms: (map(.answer.age_ms // 0) | max // 0),
			p50_ms: map(.ms) | at(0.5),
			p95_ms: map(.ms) | at(0.95)
		}' "$1"
}

# phase NAME TITLE: asks through the VIP, all rounds, and says how it goes.
phase() {
	local name=$1 round i file=$LAB_DIR/$1.requests
	say "$2"
	: >"$file"
	for ((round = 1; round <= rounds; round++)); do
		for ((i = 0; i < clients; i++)); do
			client >"$file.$i" &
		done
		wait
		cat "$file".? >>"$file"
		figures "$file" "$name" | jq -r --arg all "$total" '"# \(.phase): \(.requests) of \($all), " +
			"fresh \(.fresh), fallback \(.fallback), errors \(.errors), p95 \(.p95_ms) ms"'
	done
	figures "$file" "$name" >>"$LAB_DIR/phases"
}

# of PHASE FIGURE
of() {
	jq -r --arg phase "$1" "select(.phase == \$phase) | .$2" "$LAB_DIR/phases"
}

is_fresh() {
	lab_curl -H "$LAB_FRESH" http://198.18.0.10/ | grep -q '"fallback":false'
}

# The ids of all answers, and how many of them are found again.
count_kept() {
	local ids id asked=()
	ids=$(cat "$LAB_DIR"/*.requests | jq -r '.answer.id // empty')
	for id in $ids; do
		asked+=(-o /dev/null "http://198.18.0.10/data/$id")
	done
	kept=$(wc -w <<<"$ids")
	found=$(lab_curl -w '%{http_code}\n' "${asked[@]}" | grep -c '^200$')
}

report() {
	jq -s --argjson kept "$kept" --argjson found "$found" '{phases: ., kept: $kept, found: $found}' \
		"$LAB_DIR/phases" | report_json
	jq -r '.phases[] | [.phase, .fresh, .fallback, .errors] | @tsv' "$SCENARIO_REPORT.json" |
		report_bars "Answers by phase" "fresh fallback error"
	{
		jq -r '["phase", "requests", "fresh", "fallback", "errors", "tried again", "oldest ms", "p50 ms",
			"p95 ms"], (.phases[] | [.[]]) | @tsv' "$SCENARIO_REPORT.json" | report_table
		echo
		echo "$kept answers were kept in shards, $found of them found again."
	} | report_text "an unstable service behind store"
}

lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page

phase well "The service behind is well."
check_equal "well: all answers are fresh" "$total" "$(of well fresh)"
check "it begins to fail" lab_settings b3 80 '{"error-rate": "80%"}'
phase failing "It fails 80 % of the time."
check_equal "failing: every client has an answer" 0 "$(of failing errors)"
check_between "failing: some have a fallback" 1 $((total - 1)) "$(of failing fallback)"
check_between "failing: some have fresh data at a second try" 1 "$total" "$(of failing tried_again)"
lab_end b3 KILL
phase stopped "It is stopped."
check_equal "stopped: every client has a fallback" "$total" "$(of stopped fallback)"
lab_service_start b3 unstable 80 || bail "the service behind starts again"
check "it returns, and so does fresh data" wait_until 20 is_fresh
phase returned "It is back."
check_equal "returned: all answers are fresh" "$total" "$(of returned fresh)"
count_kept
check_equal "every answer was kept, and is found again" "$((4 * total)) $((4 * total))" "$kept $found"
report
checks_done

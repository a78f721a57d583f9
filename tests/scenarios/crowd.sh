#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# crowd.sh [--short]   10,000 clients, each on a connection that it keeps, on three backends. Half-way
#                      one backend is killed, and comes back some seconds later: only who stood on
#                      it, or came to it before the balancer knew, may notice.
#
# A client asks again PAUSE (1s; 0ms: at once) after its answer. Each stays for half a minute, more or
# less; then another one comes. tests/lab/crowd.c tells errors apart.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

connections=$(by_form 500 10000)
few=$((connections / 20)) # may be on their way, coming or going
seconds=$(by_form 6 30) # longer if not all is well again by then
kill_at=$(by_form 2 15) back_at=$(by_form 4 20)
dead=b2 dead_address=198.18.1.12:80
seen= # the crowd's line that was shown last
load=(--connections "$connections" --seconds 120 --timeout 10s --pause "$(by_form 200ms "${PAUSE:-1s}")"
	--life "$(by_form 10s 60s)")

# Each connection is an open file, here and, of a third or more of them, in a backend.
raise_file_limit() {
	local wanted=$((connections + 1000)) allowed
	allowed=$(ulimit -Hn)
	[ "$allowed" = unlimited ] || [ "$allowed" -ge "$wanted" ] || ulimit -Hn "$wanted" 2>/dev/null ||
		lab_fail "$connections connections need $wanted open files, $allowed are allowed" \
			"(ulimit -Hn), and this process may not raise that" || return
	ulimit -Sn "$(ulimit -Hn)"
}

open_lab() {
	local i
	for i in 1 2 3; do
		lab_backend_start $i hello || return
	done
	lab_agent_start || return
	lab_service web tcp://198.18.0.10:80 "1 2 3" --check http --check-path /health \
		--check-interval 200ms --check-fast-interval 100ms --check-timeout 2s --fall 2 --rise 2
}

# Connections of clients: they come by the balancer's ports for mode nat, its checks by others.
count_standing() {
	lab_exec $dead ss -Hnt state established '( sport = :80 and dport < :32768 )' | wc -l
}

count_came() {
	lab_backend web $dead_address '."new-flows"'
}

kill_backend() {
	say "$dead is killed"
	established=$(lab_api GET /metrics |
		awk '$1 == "lb_flow_table_entries{state=\"established\"}" {print $2}')
	came=$(count_came)
	standing=$(count_standing)
	killed_ms=$(lab_now_ms)
	lab_backend_kill 2
	killed_at=$(last_second | jq .second)
}

# Who came to it since its connections were counted is counted as well.
restart_backend() {
	came=$(($(count_came) - came))
	say "$dead is started again"
	lab_backend_start 2 hello || return
	returned_at=$(last_second | jq .second)
}

# --- how it goes ---

crowd_start() {
	local tool
	tool=$(lab_tool lab/crowd "$LAB_TOP/common/clock.c" -pthread) || return
	lab_spawn client crowd "$tool" "${load[@]}" --errors "$LAB_DIR/errors" 198.18.0.10:80
}

# The crowd's figures of the last second that is over.
last_second() {
	tail -n 1 "$LAB_DIR/crowd.log"
}

is_news() {
	lab_gone crowd || [ "$(last_second)" != "$seen" ]
}

# Waits for the next second; says how it goes, and keeps it with the balancer's figures.
watch_second() {
	local words
	wait_until 5 is_news
	seen=$(last_second)
	{
		read -r words
		cat >>"$LAB_DIR/balancer"
	} < <(jq -rc --argjson web "$(lbctl --json show web)" '
		($web.backends | map({name: "b\(.address | capture("^198.18.1.1(?<n>.):").n)", status,
			active: ."active-flows"})) as $backends |
		(if .second == 0 then "they come" else "\(.second) s" end) + ": \(.rate) requests/s, " +
		"p99 \(.p99_ms) ms, errors \(.errors | add), open \(.open); active flows " +
		($backends | map("\(.name) \(.active) \(.status)") | join(", ")),
		{second, backends: $backends}' <<<"$seen")
	say "$words"
}

# watch_until CMD...: until it succeeds; fails when the crowd is gone.
watch_until() {
	until "$@"; do
		lab_running crowd || return
		watch_second
	done
}

# is_second N [FILTER]: so many are over since all came; and what the filter says of the last one.
is_second() {
	[ "$(last_second | jq ".second != null and .second >= $1 and ${2:-true}")" = true ]
}

# The time is over, the backend that was killed serves again, and all are there but who just comes.
all_is_well() {
	is_second "$seconds" ".served.$dead > 0 and .open >= $((connections - few))"
}

run_crowd() {
	crowd_start || return
	watch_until is_second "$kill_at" || return
	kill_backend
	watch_until is_second "$back_at" || return
	restart_backend || return
	watch_until all_is_well || return
	lab_end crowd TERM
	[ "$(last_second | jq .second)" = null ]
}

# --- the report ---

# Errors by cause: of connections that stood on the dead backend; of new ones, begun before it was
# out; and all others. The balancer sends nothing there 50 ms after it said so.
errors_by_cause() {
	jq -sc --arg dead $dead --argjson killed "$killed_ms" --argjson out "$((out_ms + 50))" '
		def kind:
			if .ms < $killed or .begun_ms > $out then "beyond"
			elif .backend == $dead then "stood"
			elif .backend == "" then "new"
			else "beyond" end;
		def of(name): map(select(kind == name)) | length;
		["refused", "reset", "closed", "idle", "timeout", "status", "other"] as $causes |
		. as $errors | $causes | map(. as $cause | $errors | map(select(.cause == $cause)) | {
			cause: $cause,
			stood: of("stood"),
			new: of("new"),
			beyond: of("beyond")
		})' "$LAB_DIR/errors"
}

report() {
	jq -s --slurpfile balancer "$LAB_DIR/balancer" --argjson causes "$(errors_by_cause)" \
		--argjson connections "$connections" --argjson established "$established" \
		--arg dead $dead --argjson standing "$standing" --argjson came "$came" \
		--argjson at "$killed_at" --argjson back_at "$returned_at" --argjson out "$((out_ms - killed_ms))" \
		--argjson drops "$(lbctl --json status | jq '.drops | add')" '
		(map(select(.second)) | map(select(.second > 0))) as $seconds |
		{$connections} + (.[-1] | {seconds, requests, rate, p50_ms, p95_ms, p99_ms, opened, served}) +
		{
			$established,
			killed: {backend: $dead, $at, $back_at, $standing, $came,
				out_after_ms: $out},
			errors: $causes, $drops, by_second: $seconds, balancer_by_second: $balancer
		}' "$LAB_DIR/crowd.log" | report_json
	jq -r '.by_second[] | [.second, .rate, .p99_ms, (.errors | add), .open, (.served.b2 // 0)] | @tsv' \
		"$SCENARIO_REPORT.json" |
		report_lines "$connections connections, $dead killed after $killed_at s, back after $returned_at s" \
			$'requests/s\tp99, ms\terrors\tconnections open\trequests/s of b2'
	report_words | report_text "$connections connections at once, a backend killed"
}

report_words() {
	jq -r '["connections", "requests", "requests/s", "p50 ms", "p95 ms", "p99 ms"],
		[.connections, .requests, .rate, .p50_ms, .p95_ms, .p99_ms] | @tsv' \
		"$SCENARIO_REPORT.json" | report_table
	echo
	jq -r '.killed.backend as $dead |
		["errors", "stood on \($dead)", "new, \($dead) not yet out", "beyond that"],
		(.errors[] | [.cause, .stood, .new, .beyond]) | @tsv' "$SCENARIO_REPORT.json" | report_table
	echo
	jq -r '"\(.killed.backend) was killed after \(.killed.at) s with \(.killed.standing) connections, " +
		"\(.killed.came) more came to it,\n" +
		"it was out \(.killed.out_after_ms) ms later, and came back after \(.killed.back_at) s.\n" +
		"The balancer had \(.established) established flows before that; " +
		"\(.opened) connections were opened in all.\n" +
		"Answers by backend: \(.served | to_entries | sort_by(.key) |
			map("\(.key) \(.value)") | join(", ")). \(.drops) packets were dropped."' \
		"$SCENARIO_REPORT.json"
}

# in_report FILTER: a figure of the report
in_report() {
	jq "$1" "$SCENARIO_REPORT.json"
}

lab_up || exit 1
raise_file_limit || bail "enough files may be open"
open_lab || bail "the lab opens"
scenario_page
run_crowd || bail "the crowd comes, and goes: $(tail -n 2 "$LAB_DIR/crowd.log")"
out_ms=$(lab_log_time "backend down" $dead_address "$killed_ms") || bail "the balancer notices"
report

ok "in the end $dead serves again, and all are there but who just comes"
check_at_most "the balancer had them all at once, but who just came" "$few" \
	"$((connections - established))"
check_between "a part of them stood on $dead" 1 "$connections" "$standing"
check_at_most "no more connections broke than stood on $dead, or came to it" "$((standing + came))" \
	"$(in_report '.errors | map(.stood + .new) | add')"
check_equal "no error beyond those, and those of who came before $dead was out" 0 \
	"$(in_report '.errors | map(.beyond) | add')"
for cause in timeout status other; do
	check_equal "no error of the kind $cause" 0 \
		"$(in_report ".errors[] | select(.cause == \"$cause\") | .stood + .new + .beyond")"
done
check_equal "no packet was dropped" 0 "$(in_report .drops)"
checks_done

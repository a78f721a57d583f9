#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who did what, when and why: listed, streamed, over kill -9, and with followers that do not read.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1

# The stream as lbctl shows it, a document a line, each with the time it came at before it.
lab_stamp() {
	local line
	while read -r line; do
		echo "$(lab_now_ms) $line"
	done
}
# The program itself, not the function: that would be a shell's pid, and kill leave lbctl behind.
"$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" --json events --follow </dev/null 2>/dev/null \
	> >(lab_stamp >"$LAB_DIR/stream") &
follower=$!

# streamed FILTER: the documents of the stream that a jq filter lets through.
streamed() {
	cut -d' ' -f2- "$LAB_DIR/stream" | jq -c "select($1)"
}

is_streamed() {
	[ -n "$(streamed "$1")" ]
}

# listed FILTER: likewise of the list.
listed() {
	lab_api GET "/v1/events?limit=1000" | jq -c ".events[] | select($1)"
}

# --- who, what, why ---

lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check-interval 200ms --check-timeout 1s --fall 2 ||
	bail "the service comes up"
lbctl set backend web 198.18.1.11 --weight 5 >/dev/null
lbctl set service web --rise 3 >/dev/null
lbctl set backend web 198.18.1.11 --state drain >/dev/null
check "changes are streamed" wait_until 5 is_streamed '.kind == "backend-drain"'
event=$(listed '.kind == "backend-changed"')
check_equal "what changed of a backend" "198.18.1.11:80: weight 1 -> weight 5" \
	"$(jq -r '"\(.backend): \(.before) -> \(.after)"' <<<"$event")"
check_matches "who did it" '^uid 0 \(root\), pid [0-9]+$' "$(jq -r .who <<<"$event")"
check_equal "by which request" "PATCH /v1/services/web/backends/198.18.1.11" \
	"$(jq -r .reason <<<"$event")"
check_equal "what changed of a service" "rise 2 -> rise 3" \
	"$(listed '.kind == "service-changed"' | jq -r '"\(.before) -> \(.after)"')"
check_equal "a drain says from what, and who began it" "up -> drain, uid 0" \
	"$(listed '.kind == "backend-drain"' | jq -r '"\(.before) -> \(.after), \(.who[0:5])"')"
check "its end is told, too" wait_until 10 is_streamed '.kind == "backend-drained"'
check_matches "lbctl shows it to people" 'backend-changed +web 198\.18\.1\.11:80  weight 1 -> weight 5: PATCH .* by uid 0 \(root\)' \
	"$(lbctl events)"
check_equal "one kind only" 1 "$(lbctl events --kind service-changed | wc -l)"
check_equal "of one service only" 0 "$(lbctl events --service shop | wc -l)"
check_equal "no more than asked for" 2 "$(lbctl events --since 0 --limit 2 | wc -l)"

# --- a backend dies ---

down='.kind == "backend-down" and .backend == "198.18.1.12:80" and .before == "up"'
killed=$(lab_now_ms)
lab_backend_kill 2
check "a backend that dies is streamed" wait_until 10 is_streamed "$down"
event=$(streamed "$down" | head -n 1)
came=$(grep -F '"backend-down"' "$LAB_DIR/stream" | grep -F '"before":"up"' | head -n 1 | cut -d" " -f1)
told=$(date -d "$(jq -r .time <<<"$event")" +%s%3N)
check_matches "with the reason" '^web up -> down .*refused' \
	"$(jq -r '"\(.service) \(.before) -> \(.after) \(.reason)"' <<<"$event")"
check_between "it is told after the kill, ms" 0 5000 $((told - killed))
promise "an event reaches who follows, ms" 1000 $((came - told))

# --- many changes at once ---

specs=$(for i in $(seq 1 200); do echo "{\"address\": \"198.18.2.$i:80\"}"; done | jq -sc .)
lab_api POST /v1/services -d "{\"name\": \"mass\", \"vip\": [\"tcp://198.18.0.11:80\"],
	\"check\": \"none\", \"backends\": $specs}" >/dev/null
check_equal "a mass of changes is one event" \
	"services: 1 added, 0 changed, 0 removed; backends: 200 added, 0 changed, 0 removed" \
	"$(listed '.kind == "config-applied"' | jq -r .after)"
check_equal "not one for each" "" "$(listed '.kind == "backend-added" and .service == "mass"')"
lbctl rm service mass >/dev/null

# --- followers that do not read ---

# Holds 300 connections that ask to follow and read no more than the first line; prints how many
# were let in, and how many were not.
# shellcheck disable=SC2016 # expanded by the inner shell
hold='
	trap "" PIPE
	in=0 out=0
	for ((i = 0; i < 300; i++)); do
		{ exec {fd}<>/dev/tcp/127.0.0.1/9480; } 2>/dev/null || { out=$((out + 1)); continue; }
		printf "GET /v1/events?since=0&follow=true HTTP/1.1\r\nHost: lb\r\n\r\n" >&$fd 2>/dev/null
		line=
		read -r -t 5 -u $fd line 2>/dev/null
		case $line in
		*" 200 "*) in=$((in + 1)) ;;
		*) out=$((out + 1)); exec {fd}>&- ;;
		esac
	done
	echo "in $in out $out"
	read -r'
rss() {
	awk '/VmRSS/ {print $2}' "/proc/$(lab_pid lbagent)/status"
}
before=$(rss)
coproc HOLD { lab_exec lb bash -c "$hold"; }
holder=$HOLD_PID
read -r -t 60 -u "${HOLD[0]}" _ in _ out
check_between "of 300 followers some are let in" 10 64 "${in:-0}"
check_equal "and the others are refused" 300 $((${in:-0} + ${out:-0}))
begin=$(lab_now_ms)
for i in $(seq 1 150); do
	lab_api PATCH /v1/services/web/backends/198.18.1.13 -d "{\"weight\": $((i % 7 + 1))}" >/dev/null
done
took=$((($(lab_now_ms) - begin) / 150))
check_at_most "changes go on beside them, ms each" 100 $took
check "healthz answers" lab_api GET /healthz -f -o /dev/null
last=$(lab_api GET "/v1/events?limit=1" | jq .newest)
check "who reads gets all" wait_until 5 is_streamed ".seq == $last"
check_at_most "followers cost little memory, KiB" 8192 $(($(rss) - before))
{ kill "$holder" && wait "$holder"; } 2>/dev/null

# --- kill -9, a torn line, and on ---

lab_agent_kill
printf '{"seq":99999999,"time":"2026-' >>"$LAB_DIR/state/events.jsonl"
check "the agent starts again" lab_agent_start
check "the follower follows it" wait_until 10 is_streamed ".kind == \"agent-started\" and .seq > $last"
lab_agent_stop
check "and again" lab_agent_start
check "what the stop was for is told" wait_until 10 is_streamed '.kind == "agent-stopping"'
check "and that it is back" wait_until 10 is_streamed ".kind == \"agent-started\" and .seq > $((last + 2))"
check_equal "no event is missing, none is there twice" "" \
	"$(cut -d' ' -f2- "$LAB_DIR/stream" | jq -r .seq | awk 'NR > 1 && $1 != last + 1 {print} {last = $1}')"
check_matches "what happened before is still listed" 'backend-changed +web 198\.18\.1\.11:80  weight 1 -> weight 5' \
	"$(lbctl events --since 0)"
kill "$follower" 2>/dev/null

# --- what is asked wrongly ---

for query in since=x limit=0 limit=1001 kind=none follow=maybe; do
	check_equal "?$query is refused" 400 \
		"$(lab_api GET "/v1/events?$query" -o /dev/null -w '%{http_code}')"
done
check_matches "lbctl says why" 'no such kind' "$(lbctl events --kind none 2>&1)"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What checks do not see: a server that hangs while its checks, by another port, pass. Its clients'
# repeated SYNs give it away: it becomes suspect, is ejected within bounds, and comes back by a slow
# start. Then a panic, and a flap that a silent connection outlives.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3 4; do
	# A short queue of connections to be accepted: a server that hangs fills it, and then the
	# kernel drops SYNs.
	lab_exec "b$i" sh -c 'echo 16 >/proc/sys/net/core/somaxconn'
	lab_backend_start "$i" hello || exit 1
	lab_spawn "b$i" "b$i.check" "$LAB_BUILD/hello" --name checked --listen 8080
	wait_until 10 lab_listening "b$i" 8080 || exit 1
done
lab_agent_start || exit 1
# A crowd before them, so that their counters are in no tick's first batch.
seq 1400 | jq -sc '{name: "crowd", vip: ["tcp://198.18.0.11:80"],
	backends: map({address: "198.18.1.11:\(.)", state: "maint"})}' >"$LAB_DIR/crowd.json"
lab_api POST /v1/services --data "@$LAB_DIR/crowd.json" >/dev/null
lab_service web "tcp://$LAB_VIP4:80" "1 2 3 4" --check http --check-path /health \
	--check-port 8080 --check-interval 500ms --rise 1 --fall 2 --passive eject \
	--slow-start 5s || bail "the service comes up"

hang() {
	kill -STOP "$(lab_pid "b$1")"
}

go_on() {
	kill -CONT "$(lab_pid "b$1")"
}

field() {
	lab_backend web "198.18.1.1$1:80" "$2"
}

is() {
	[ "$(field "$1" "$2")" = "$3" ]
}

failed_checks() {
	lab_exec lb curl -sS http://127.0.0.1:9480/metrics |
		awk '/^lb_health_checks_total.*fail/ {n += $2} END {print n + 0}'
}

# New clients all the time: some twenty each quarter of a second, of few requests each. Who meets a
# server that hangs stays there, until the balancer lets him go.
clients_start() {
	(
		for ((n = 0; n < 400; n++)); do
			lab_exec client timeout 6 wrk -t1 -c20 -d4s --timeout 4s -H "$LAB_FRESH" \
				-s "$LAB_TOP/tests/lab/bodies.lua" "$LAB_URL4/" -- 40 &
			sleep 0.25
		done >/dev/null 2>&1
	) &
	clients=$!
}

clients_stop() {
	{ kill "$clients" && wait "$clients"; } 2>/dev/null
}

# --- suspect, ejected ---

one_is() {
	is 2 "$1" "$2" || is 3 "$1" "$2"
}

clients_start
sleep 2
failed=$(failed_checks)
before=$(lab_now_ms)
hang 2
hang 3
check "two servers hang: one backend is suspect" wait_until 20 one_is .suspect true
# Clients whose SYN meets a full queue, until the balancer lets their handshakes go. They give up
# before the servers go on, or an ejection ends.
seq 40 | lab_exec client xargs -P 40 -I{} curl -s -o /dev/null -w '%{http_code}\n' \
	--max-time 12 "$LAB_URL4/" >"$LAB_DIR/patient" &
patient=$!
check "and is ejected" wait_until 20 one_is .status ejected
echo "# lb_eject_ms $(($(lab_now_ms) - before))"
first=2 second=3
is 2 .status ejected || first=3 second=2
check_matches "the reason has figures" '^[0-9]+ % of its SYNs are repeated, typical is' \
	"$(field $first .reason)"
check "it was suspect first" lab_log_time "backend suspect" "198.18.1.1$first:80" "$before"
check "the other is suspect too" wait_until 5 is $second .suspect true
check_equal "but one of four is all that may be ejected" up "$(field $second .status)"
check_matches "the reason says suspect" '^suspect: ' "$(field $second .reason)"
lbctl set service web --eject-max 50 >/dev/null
check "until the operator says otherwise" wait_until 20 is $second .status ejected
clients_stop
wait "$patient"
check_equal "clients whose SYNs were not answered get through" 40 "$(grep -c 200 "$LAB_DIR/patient")"
check_equal "all checks pass all the time" "$failed" "$(failed_checks)"

# --- back, slowly ---

go_on 2
go_on 3
check "b2 comes back by itself" lab_wait_status web 198.18.1.12:80 up 60
check_matches "by a slow start" '^(0\.1|0\.2)$' "$(field 2 '."effective-weight"')"
check_matches "the reason says so" '^slow start: [12]0 % of its weight$' "$(field 2 .reason)"
shares=
last=0 falls=0
for ((n = 0; n < 200; n++)); do
	now=$(field 2 '.share * 10000 | round')
	[ "$now" -eq "$last" ] || shares="$shares $now"
	[ "$now" -ge "$last" ] || [ "$(field 3 .status)" = up ] || falls=$((falls + 1))
	last=$now
	! is 2 '."effective-weight"' 1 || break
	sleep 0.05
done
echo "# shares of b2 in 1/10000:$shares"
check_between "its share grows in steps" 5 25 "$(wc -w <<<"$shares")"
check_equal "and never falls for its own sake" 0 "$falls"
check_equal "to the whole weight" 1 "$(field 2 '."effective-weight"')"
whole() {
	is "$1" .status up && is "$1" '."effective-weight"' 1
}
check "b3 is back too" wait_until 60 whole 3
check_equal "and shares are even again" "0.25 0.25 0.25 0.25" \
	"$(for i in 1 2 3 4; do field $i .share; done | xargs printf '%.2f\n' | xargs)"

# --- panic ---

service_is() {
	[ "$(lbctl --json show web | jq -r "$1")" = "$2" ]
}

# check_says N STATUS: what bN's checks are answered; its clients are served as ever.
check_says() {
	lab_curl -X PUT "http://198.18.1.1$1:8080/health?status=$2" >/dev/null
}

lbctl set service web --panic-threshold 50 --passive off >/dev/null
check_says 1 503
check_says 2 503
lab_wait_status web 198.18.1.11:80 down
lab_wait_status web 198.18.1.12:80 down
check_equal "half are up: no panic" false "$(lbctl --json show web | jq .panic)"
check_equal "and who is down gets nothing" 0 "$(field 1 .share)"
check_says 3 503
check "less than half: panic" wait_until 10 service_is .panic true
check_equal "who is down stays down" "down down down up" \
	"$(for i in 1 2 3 4; do field $i .status; done | xargs)"
check_matches "the reason says why it gets flows" \
	'HTTP status 503.*; kept, for the service panics: 1 of 4 up, 25 % by weight, below 50 %' \
	"$(field 1 .reason)"
lab_wrk -t1 -c20 -d20s -H "$LAB_FRESH" "$LAB_URL4/" -- 2000 >"$LAB_DIR/wrk"
check_equal "all serve: none failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
for i in 1 2 3 4; do
	check_between "b$i serves its part, of 2000" 350 650 "$(lab_served "$LAB_DIR/wrk" "b$i")"
done
check_matches "lbctl show says it aloud" 'panics: too few are up' "$(lbctl show web)"
check_says 1 200
check "enough are up again: no panic" wait_until 10 service_is .panic false
check_equal "and who is down is out" 0 "$(field 2 .share)"
check_says 2 200
check_says 3 200
lab_wait_up web

# --- a flap ---

coproc HOLD { exec nsenter --net="/run/netns/$LAB-client" -- \
	bash "$LAB_TOP/tests/lab/hold.sh" "$LAB_VIP4"; }
hold_ask() {
	local answer
	{ echo ask >&"${HOLD[1]}"; } 2>/dev/null
	read -r -t 8 -u "${HOLD[0]}" answer 2>/dev/null || answer=broken
	echo "$answer"
}
name=$(hold_ask)
check_matches "a connection stands" '^b[1234]$' "$name"
check_says "${name#b}" 503
check "its backend goes down" lab_wait_status web "198.18.1.1${name#b}:80" down
check_says "${name#b}" 200
check "and comes back" lab_wait_status web "198.18.1.1${name#b}:80" up
check_equal "the connection, silent meanwhile, goes on" "$name" "$(hold_ask)"
{ kill "$HOLD_PID" && wait "$HOLD_PID"; } 2>/dev/null
checks_done

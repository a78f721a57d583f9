#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hello and what the demo services share: 10,000 connections, delay and errors on demand, an end
# that lets requests end, clear words for bad input.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/servers.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=1
lab_up || exit 1
lab_backend_start 1 hello --grace 20s || exit 1
url=http://198.18.1.11

# status CURL-ARG...: of an answer
status() {
	lab_curl -o /dev/null -w '%{http_code}' "$@"
}

# metric SERIES: its value
metric() {
	lab_curl "$url/metrics" | awk -v series="$1" '$1 == series {print $2}'
}

connections() {
	lab_exec b1 ss -Htn state established 'sport = :80' | wc -l
}

# served N: it has answered so many requests
served() {
	[ "$(metric 'webapp_requests_total{app="hello",endpoint="/",method="GET",status="200"}')" -ge "$1" ]
}

many_connections() {
	[ "$(connections)" -ge 10000 ]
}

# --- many connections ---

if ulimit -n 10500 2>/dev/null; then
	lab_spawn client load wrk -t1 -c10000 -d40s --timeout 30s "$url/"
	check "10,000 connections at a time" wait_until 20 many_connections
	check "all of them are served" wait_until 20 served 20000
	lab_end load INT
	check_equal "none of their requests fails" "" "$(grep -E 'Socket errors|Non-2xx' "$LAB_DIR/load.log")"
else
	skip "10,000 connections at a time" "only $(ulimit -n) open files are allowed"
fi

# --- settings ---

slow='{"delay": "300ms", "error-rate": "100%"}'
check_equal "settings are not for other hosts" 403 \
	"$(status -X PUT -H "$LAB_JSON" -d "$slow" "$url/settings")"
check "settings from its own host" lab_settings b1 80 "$slow"
check_equal "all fail now" 500 "$(status "$url/")"
check "and answer late" test "$(lab_curl -o /dev/null -w '%{time_total}' "$url/" | tr -d .)" -ge 300000
check_equal "but /health is well" 200 "$(status "$url/health")"
check "a part of them" lab_settings b1 80 '{"error-rate": "50%", "delay": "0ms"}'
failed=0
for ((i = 0; i < 60; i++)); do
	[ "$(status "$url/")" = 200 ] || failed=$((failed + 1))
done
check_between "half of them fail, about" 10 50 "$failed"
before=$(lab_curl "$url/settings")
check_matches "a bad rate is refused" '"field":"error-rate"' \
	"$(lab_settings b1 80 '{"delay": "5s", "error-rate": "lots"}' 2>/dev/null)"
check_matches "a bad delay is refused" '"field":"delay"' \
	"$(lab_settings b1 80 '{"delay": 5}' 2>/dev/null)"
check_matches "an unknown key is refused by name" 'unknown key .*dealy' \
	"$(lab_settings b1 80 '{"dealy": "5s"}' 2>/dev/null)"
check_equal "and nothing was changed" "$before" "$(lab_curl "$url/settings")"
check "back to good" lab_settings b1 80 '{"error-rate": "0%"}'

# --- bad input ---

check_equal "an unknown path" 404 "$(status "$url/nowhere")"
check_equal "a method that is not allowed" 405 "$(status -X DELETE "$url/")"
check_matches "which says what is" '^Allow: GET, HEAD' "$(lab_curl -i -X DELETE "$url/")"
check_equal "a body that is not said to be JSON" 415 "$(status -X PUT -d "$slow" "$url/settings")"
head -c 1100000 /dev/zero >"$LAB_DIR/large"
check_equal "a long body" 413 \
	"$(status -X PUT -H "$LAB_JSON" --data-binary "@$LAB_DIR/large" "$url/settings")"
check_equal "a long body of unknown length" 413 \
	"$(status -X PUT -H "$LAB_JSON" -H 'Transfer-Encoding: chunked' \
		--data-binary "@$LAB_DIR/large" "$url/settings")"
check_equal "it serves on" b1 "$(lab_curl "$url/")"

# usage NAME PATTERN PROGRAM FLAG...: exits with 2 and says why
usage() {
	local name=$1 pattern=$2 program=$3 words status
	shift 3
	words=$("$LAB_BUILD/$program" "$@" 2>&1)
	status=$?
	check_matches "$program: $name" "^2 .*$pattern" "$status $words"
}

usage "no name" '--name: is missing' hello --listen 80
usage "no address" '--listen: is missing' unstable --name x
usage "a delay without unit" '--delay: 5: no unit' unstable --name x --listen 80 --delay 5
usage "a rate beyond all" '--error-rate: 101%' hello --name x --listen 80 --error-rate 101%
usage "an unknown flag" 'unrecognized' hello --frobnicate
usage "no shards" '--data: give either' store --name x --listen 80 --unstable http://198.18.0.1/
usage "no source" '--unstable: is missing' store --name x --listen 80 --data "$LAB_DIR/x"
usage "a source that is none" '--unstable: ftp' store --name x --listen 80 --unstable ftp://198.18.0.1/
usage "a shard without port" '--redis: 198.18.0.1: no port' store --redis 198.18.0.1
usage "no database" '--sqlite: give this' orders --name x --listen 80
usage "two databases" '--sqlite: y: there is one' orders --sqlite x --sqlite y
usage "no option file" '--mariadb: .*cannot be read' orders --mariadb "$LAB_DIR/none"
for program in hello unstable store orders; do
	check_matches "$program --help" 'GET /metrics' "$("$LAB_BUILD/$program" --help)"
done

# --- metrics, and a graceful end ---

check "promtool likes the metrics" promtool check metrics < <(lab_curl "$url/metrics")
check_equal "requests are counted by endpoint, method and status" 2 \
	"$(metric 'webapp_requests_total{app="hello",endpoint="/",method="DELETE",status="405"}')"
check "slow, but not wrong" lab_settings b1 80 '{"delay": "3s"}'
for ((i = 0; i < 5; i++)); do
	lab_spawn client "late$i" curl -sS --max-time 20 "$url/"
done
in_flight() {
	[ "$(metric 'webapp_in_flight_requests{app="hello"}')" = 6 ]
}
check "five requests under way, and the one that asks" wait_until 5 in_flight
lab_end b1 TERM
check_equal "each has its answer before the end" 5 "$(cat "$LAB_DIR"/late?.log | grep -c '^b1$')"
checks_done

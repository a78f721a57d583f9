#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A backend dies under wrk -c 200: its process, then a whole host. It is out in time, and connections
# to the others see no error.
# alone: measures milliseconds until nothing goes to the dead
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

interval=200 timeout=200 fall=3 # milliseconds; fall is a count
limit=$((fall * interval + timeout + 50))

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health \
	--check-interval ${interval}ms --check-timeout ${timeout}ms --fall $fall --rise 2 ||
	bail "the service comes up"

# Clients of one connection each, whose backend is therefore known. wrk's totals do not tell a
# broken connection from one that was refused.
witnesses_start() {
	local i
	witnesses=
	for ((i = 1; i <= 24; i++)); do
		lab_wrk -t1 -c1 -d5s "$LAB_URL4/" -- 0 20 >"$LAB_DIR/witness.$i" &
		witnesses="$witnesses $!"
	done
}

# witnesses_check NAME N: those that bN never served had one backend all the time, and no error.
witnesses_check() {
	local i file seen=0 errors=0 moved=0
	# shellcheck disable=SC2086 # a list
	wait $witnesses
	for ((i = 1; i <= 24; i++)); do
		file=$LAB_DIR/witness.$i
		! grep -q "^served b$2 " "$file" || continue
		seen=$((seen + 1))
		errors=$((errors + $(lab_errors "$file")))
		[ "$(grep -c '^served ' "$file")" -eq 1 ] || moved=$((moved + 1))
	done
	check_between "$1: connections to the others, of 24" 1 23 "$seen"
	check_equal "$1: none of them saw an error" 0 "$errors"
	check_equal "$1: none of them moved" 0 "$moved"
}

backend_packets() {
	lab_backend web "198.18.1.1$1:80" .packets
}

# die NAME N CMD...: kills bN by CMD under load and looks what follows.
die() {
	local name=$1 n=$2 out=$LAB_DIR/wrk.$2 wrk killed down packets
	shift 2
	witnesses_start
	lab_wrk -t2 -c200 -d5s "$LAB_URL4/" -- 0 5 >"$out" &
	wrk=$!
	sleep 1.5
	killed=$(lab_now_ms)
	"$@" || bail "$name: it dies"
	wait_until 5 lab_log_time "backend down" "198.18.1.1$n:80" "$killed"
	down=$(lab_log_time "backend down" "198.18.1.1$n:80" "$killed")
	packets=$(backend_packets "$n")
	wait "$wrk"
	promise "$name: milliseconds until no packet goes there" "$limit" \
		"$((${down:-999999999999999} - killed))"
	promise "$name: packets that go there afterwards" 0 "$(($(backend_packets "$n") - packets))"
	witnesses_check "$name" "$n"
	lab_wrk -t2 -c50 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 1000 >"$out.after"
	check_equal "$name: the others go on, none failed" 0 "$(lab_errors "$out.after")"
	check_equal "$name: it serves nobody" 0 "$(lab_served "$out.after" "b$n")"
}

die "a process killed" 2 lab_backend_kill 2
lab_backend_start 2 hello
check "a process killed: taken back" lab_wait_status web 198.18.1.12:80 up

die "a host gone" 3 lab_backend_link 3 down
lab_backend_link 3 up
check "a host gone: taken back" lab_wait_status web 198.18.1.13:80 up

lab_curl -X PUT 'http://198.18.1.11/health?status=503' >/dev/null
check "a failing health check: out" lab_wait_status web 198.18.1.11:80 down
check_matches "a failing health check: the reason names the status" 503 \
	"$(lab_backend web 198.18.1.11:80 .reason)"
lab_curl -X PUT 'http://198.18.1.11/health?status=200' >/dev/null
check "a failing health check: taken back" lab_wait_status web 198.18.1.11:80 up
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a service can be asked for besides its mode: schedulers, backups, no tracking, prefixes,
# and what becomes of packets when nobody is up.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=3
lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
checks=(--check-interval 100ms --check-timeout 100ms --rise 1 --fall 2)

# who URL: the name of who answers
who() {
	lab_curl --max-time 1 "$1/" 2>/dev/null | tr -d '\n'
}

# served URL: who answers 40 connections, each counted: "b1:20 b2:20"
served() {
	local i
	for ((i = 0; i < 40; i++)); do
		who "$1"
		echo
	done | sort | uniq -c | awk '{printf "%s%s:%d", sep, $2, $1; sep = " "}'
}

answered_by() {
	[ "$(who "$1")" = "$2" ]
}

# flows N: active ones of backend N, as the agent counted them last
flows() {
	lab_backend web "198.18.1.1$1:80" '."active-flows"'
}

counted() {
	[ $(($(flows 1) + $(flows 2))) -ge 60 ]
}

lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --scheduler source || bail "source: the service comes up"
check_matches "source: one client stays with one backend" '^b[123]:40$' "$(served "$LAB_URL4")"
lbctl rm service web >/dev/null

lab_service web "tcp://$LAB_VIP4:80" "1 2" --scheduler least-conn || bail "least-conn: the service comes up"
lab_spawn client load wrk -t1 -c60 -d8s "$LAB_URL4/"
check "least-conn: the agent counts 60 connections" wait_until 7 counted
check_between "least-conn: they are shared evenly" 25 35 "$(flows 1)"
lab_end load INT
lbctl rm service web >/dev/null

lab_service web "tcp://$LAB_VIP4:80" "1 2" --tracking none || bail "no tracking: the service comes up"
check_matches "no tracking: both backends serve" '^b1:[0-9]+ b2:[0-9]+$' "$(served "$LAB_URL4")"
lbctl rm service web >/dev/null

lbctl add service web --vip "tcp://$LAB_VIP4:80" "${checks[@]}" >/dev/null
lbctl add backend web 198.18.1.11 >/dev/null
lbctl add backend web 198.18.1.12 --priority 1 >/dev/null
lbctl add backend web 198.18.1.13 --sorry >/dev/null
lab_wait_up web || bail "backups: the service comes up"
check_equal "backups: the first group serves alone" b1:40 "$(served "$LAB_URL4")"
lab_backend_kill 1
check "backups: the second group takes over" wait_until 5 answered_by "$LAB_URL4" b2
lab_backend_kill 2
check "backups: then the sorry backend" wait_until 5 answered_by "$LAB_URL4" b3
lab_backend_start 1 hello
check "backups: and back to the first" wait_until 5 answered_by "$LAB_URL4" b1
check_equal "backups: which serves alone again" b1:40 "$(served "$LAB_URL4")"
lab_backend_start 2 hello
lbctl rm service web >/dev/null

lab_service web "tcp://198.18.0.8/29:80" "1 2" || bail "prefix: the service comes up"
for address in 198.18.0.10 198.18.0.11 198.18.0.13; do
	check_matches "prefix: $address answers" '^b[12]$' "$(who "http://$address")"
	check "prefix: and answers ping" lab_exec client ping -n -c 1 -W 2 "$address"
done
lbctl rm service web >/dev/null

lab_spawn lb host "$LAB_BUILD/hello" --name host --listen 80
lbctl add service web --vip "tcp://$LAB_VIP4:80" --when-down pass "${checks[@]}" >/dev/null
lbctl add backend web 198.18.1.11 >/dev/null
lab_wait_up web || bail "when-down pass: the service comes up"
check_equal "when-down pass: the backend answers" b1 "$(who "$LAB_URL4")"
lab_backend_kill 1
check "when-down pass: the host answers when nobody is up" wait_until 5 answered_by "$LAB_URL4" host
lbctl set service web --when-down drop >/dev/null
check "when-down drop: nobody does" wait_until 5 answered_by "$LAB_URL4" ""
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How soon a change reaches packets: a backend that lbctl added has its share of the table, and
# one that it cut has none, 50 ms after the command returned.
# alone: measures whether 50 ms were enough
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3 4; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health ||
	bail "the service comes up"

# Milliseconds from the moment $1 (Unix time in ms) until b4 got its share; the agent's own word
# for when that was, so that asking takes no part in it. 0 if it was before.
until_up() {
	local since
	lab_wait_status web 198.18.1.14:80 up || return
	since=$(date -d "$(lab_backend web 198.18.1.14:80 .since)" +%s%3N)
	echo $((since > $1 ? since - $1 : 0))
}

# How many of 300 new connections b4 answers.
answers_of_b4() {
	lab_curl --parallel --parallel-max 20 --no-progress-meter -H "$LAB_FRESH" \
		"$LAB_URL4/?[1-300]" 2>/dev/null | grep -c '^b4$'
}

for round in 1 2 3; do
	check "round $round: b4 is added" lbctl add backend web 198.18.1.14
	check_at_most "round $round: milliseconds until it has its share" 50 \
		"$(until_up "$(date +%s%3N)")"
	check "round $round: it answers its part of new connections" \
		test "$(answers_of_b4)" -gt 20
	check "round $round: b4 is cut" lbctl rm backend web 198.18.1.14 --now
	check_equal "round $round: it answers none" 0 "$(answers_of_b4)"
done
checks_done

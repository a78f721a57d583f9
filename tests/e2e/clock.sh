#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The wall clock is set a day forth and a day back below a running agent, and between two: deadlines,
# checks and flows do not mind. libfaketime lies to the agent about the wall clock, and only that.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

fake=$(echo /usr/lib/*/faketime/libfaketime.so.1)
if [ ! -e "$fake" ]; then
	skip "clock jumps" "libfaketime is not installed"
	exit 0
fi

LAB_BACKENDS=3
lab_up || exit 1
offset=$LAB_DIR/offset

# jump OFFSET: what the agent takes for the wall clock, from the true one.
jump() {
	echo "$1" >"$offset.new" && mv "$offset.new" "$offset"
}
jump +0d

# The agent as it is, but for its wall clock.
LAB_AGENT=$LAB_DIR/lbagent
cat >"$LAB_AGENT" <<-WRAPPER
	#!/bin/sh
	export LD_PRELOAD=$fake FAKETIME_TIMESTAMP_FILE=$offset FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1
	exec $LAB_BUILD/lbagent "\$@"
WRAPPER
chmod +x "$LAB_AGENT"

for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check-interval 200ms --check-timeout 200ms \
	--rise 1 --fall 2 || bail "the service comes up"

# The day as the agent sees it: of the last line of its log.
day() {
	sed -n 's/^ts=\([0-9-]*\)T.*/\1/p' "$LAB_LOG" | tail -n 1
}

others() {
	lab_wrk -t1 -c10 -d60s -H "$LAB_FRESH" "$LAB_URL4/" -- 100
}

# --- a drain with a deadline, and jumps while it lasts ---

address=198.18.1.11:80
# A flow keeps it from being drained early.
coproc HOLD { exec nsenter --net="/run/netns/$LAB-client" -- \
	bash "$LAB_TOP/tests/lab/hold.sh" "$LAB_VIP4"; }
ask() {
	local answer
	echo ask >&"${HOLD[1]}"
	read -r -t 8 -u "${HOLD[0]}" answer || answer=broken
	echo "$answer"
}
holder=$(ask)
address=198.18.1.1${holder#b}:80
check_matches "a connection stands" '^b[123]$' "$holder"
begin=$(lab_now_ms)
lbctl drain backend web "$address" --deadline 6s >/dev/null || bail "the drain begins"
jump +1d
lbctl set backend web 198.18.1.12 --weight 2 >/dev/null # reads all deadlines anew
check_equal "the agent believes the jump" "$(date -u -d '+1 day' +%F)" "$(day)"
check_equal "a day forth: the drain goes on" drain "$(lab_backend web "$address" .status)"
check_equal "a day forth: the connection goes on" "$holder" "$(ask)"
jump -1d
lbctl set backend web 198.18.1.12 --weight 1 >/dev/null || true
check_equal "two days back: the drain goes on" drain "$(lab_backend web "$address" .status)"
lab_agent_stop
jump +1d
check "the agent is restarted, and two days forth" lab_agent_start
check_equal "after the restart the drain goes on" drain "$(lab_backend web "$address" .status)"
check_equal "and the connection" "$holder" "$(ask)"
lab_wait_status web "$address" maint 10
took=$(($(lab_now_ms) - begin))
promise "clock jumps: a drain of 6000 ms is off by, in ms" 1000 "$((took > 6000 ? took - 6000 : 6000 - took))"
{ kill "$HOLD_PID" && wait "$HOLD_PID"; } 2>/dev/null
lbctl set backend web "$address" --state up >/dev/null
lab_wait_up web

# --- checks ---

failed=0
for offset_now in +1d -1d +3650d +0d; do
	before=$(lab_backend web 198.18.1.12:80 .since)
	jump "$offset_now"
	lab_exec client true
	others >"$LAB_DIR/wrk"
	failed=$((failed + $(lab_errors "$LAB_DIR/wrk")))
	check_equal "$offset_now: no check has failed for it" "$before" "$(lab_backend web 198.18.1.12:80 .since)"
done
promise "clock jumps: failed requests" 0 "$failed"

jump +1d
begin=$(lab_now_ms)
lab_backend_kill 2
check "a day forth: a dead backend is found" lab_wait_status web 198.18.1.12:80 down 5
check_at_most "a day forth: as fast as ever" 2000 "$(($(lab_now_ms) - begin))"
jump -1d
lab_backend_start 2 hello
check "two days back: it is taken back" lab_wait_status web 198.18.1.12:80 up 5

# --- flows ---

# One that is idle for longer than its timeout is forgotten, and none before.
lbctl add service short --vip "tcp://198.18.0.11:80" --check none --timeout-established 4s \
	--timeout-closing 30s >/dev/null
lbctl add backend short 198.18.1.13 >/dev/null
lab_wait_up short
flows() {
	lab_backend short 198.18.1.13:80 '."active-flows"'
}
flows_are() {
	[ "$(flows)" = "$1" ]
}
coproc IDLE { exec nsenter --net="/run/netns/$LAB-client" -- \
	bash "$LAB_TOP/tests/lab/hold.sh" 198.18.0.11; }
echo ask >&"${IDLE[1]}"
begin=$(lab_now_ms)
check "a flow is counted" wait_until 3 flows_are 1
jump +1d
check_equal "a day forth: it is still there" 1 "$(flows)"
jump -1d
check "it is forgotten when it was idle for long enough" wait_until 12 flows_are 0
check_between "and not before" 3000 12000 "$(($(lab_now_ms) - begin))"
{ kill "$IDLE_PID" && wait "$IDLE_PID"; } 2>/dev/null
checks_done

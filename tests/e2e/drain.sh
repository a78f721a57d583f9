#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Backends drain, on demand and before they are removed; or are cut, when told so.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --timeout-closing 2s || bail "the service comes up"

new_flows() {
	lab_backend web "$1" '."new-flows"'
}

gone() {
	[ -z "$(lab_backend web "$1")" ]
}

# One connection kept open: hold_open, hold_ask (prints who answers, or "broken"), hold_close.
hold_open() {
	coproc HOLD { exec nsenter --net="/run/netns/$LAB-client" -- \
		bash "$LAB_TOP/tests/lab/hold.sh" "$LAB_VIP4"; }
}

hold_ask() {
	local answer
	{ echo ask >&"${HOLD[1]}"; } 2>/dev/null
	read -r -t 8 -u "${HOLD[0]}" answer 2>/dev/null || answer=broken
	echo "$answer"
}

hold_close() {
	local pid=$HOLD_PID
	{ kill "$pid" && wait "$pid"; } 2>/dev/null
}

# --- drain, and back ---

hold_open
name=$(hold_ask)
address=198.18.1.1${name#b}:80
check_matches "a connection stands" '^b[123]$' "$name"
lab_wrk -t1 -c30 -d4s "$LAB_URL4/" -- 0 5 >"$LAB_DIR/kept" &
kept=$!
served_some() {
	[ "$(lab_backend web "$address" '."active-flows"')" -ge 5 ]
}
check "so do some of thirty others to the same backend" wait_until 5 served_some
check "drain is accepted" lbctl drain backend web "$address"
check_equal "it says drain" drain "$(lab_backend web "$address" .status)"
before=$(new_flows "$address")
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 2000 >"$LAB_DIR/wrk"
check_equal "new connections: none failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
check_equal "new connections: none to it" 0 "$(lab_served "$LAB_DIR/wrk" "$name")"
promise "a drain: new flows to the backend" 0 "$(($(new_flows "$address") - before))"
check_equal "the open connection goes on" "$name" "$(hold_ask)"
wait "$kept"
promise "a drain: failed requests of $(lab_served "$LAB_DIR/kept") on 30 connections kept open" 0 \
	"$(lab_errors "$LAB_DIR/kept")"
check_matches "the backend served them all the while" "^served $name [1-9]" "$(cat "$LAB_DIR/kept")"
check "back to up" lbctl set backend web "$address" --state up
lab_wait_status web "$address" up
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 1000 >"$LAB_DIR/wrk"
check_matches "it gets new connections again" "^served $name [1-9]" "$(cat "$LAB_DIR/wrk")"

# --- rm drains ---

removed=$address
check "rm is accepted" lbctl rm backend web "$address"
check_equal "it says removing" removing "$(lab_backend web "$address" .status)"
check_equal "the open connection goes on while it is removed" "$name" "$(hold_ask)"
hold_close
check "it leaves when its last flow has ended" wait_until 20 gone "$address"

# --- --wait sees a connection that has only just begun ---

hold_open
name=$(hold_ask)
address=198.18.1.1${name#b}:80
lbctl drain backend web "$address" --wait --deadline 60s >"$LAB_DIR/wait" 2>&1 &
waiter=$!
counted() {
	lab_backend web "$address" '."active-flows"' | grep -q '^[1-9]'
}
check "the connection is counted" wait_until 5 counted
check "drain --wait waits for it" kill -0 "$waiter"
hold_close
wait "$waiter"
check_equal "and returns when it has ended" 0 "$?"
check_matches "saying so" 'is drained' "$(cat "$LAB_DIR/wait")"
lbctl set backend web "$address" --state up >/dev/null
lab_wait_up web

# --- rm --now cuts ---

check "it can be added again" lbctl add backend web "$removed"
lab_wait_up web
hold_open
name=$(hold_ask)
address=198.18.1.1${name#b}:80
check "rm --now is accepted" lbctl rm backend web "$address" --now
check "it is gone at once" gone "$address"
check_equal "its connection is cut" broken "$(hold_ask)"
hold_close

# --- a deadline ends a drain ---

lbctl add backend web "$address" >/dev/null
lab_wait_up web
hold_open
name=$(hold_ask)
address=198.18.1.1${name#b}:80
begin=$(lab_now_ms)
check "drain --deadline is accepted" lbctl drain backend web "$address" --deadline 1s
check_equal "before its end the connection goes on" "$name" "$(hold_ask)"
check "at its end the backend gets nothing" lab_wait_status web "$address" maint 5
check_at_most "that is after a second" 1500 "$(($(lab_now_ms) - begin))"
hold_close
checks_done

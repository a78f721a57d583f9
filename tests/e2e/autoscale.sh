#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The autoscaler in the lab: load rises and falls and backends follow, without a failed request; a
# dead backend is replaced; launches fail and the circuit opens; an agent killed in the middle of
# a launch leaves no orphan.
LAB_BACKENDS=5
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
drivers=$LAB_TOP/drivers launcher=$LAB_DIR/launcher
lab_backend_start 1 hello || exit 1
lab_launcher "2 3 4 5"
lab_agent_start --check-commands "$drivers" || exit 1
lbctl add service web --vip "tcp://$LAB_VIP4:80" --backend 198.18.1.11 --check http \
	--check-path /health --check-interval 200ms --rise 1 --fall 2 --timeout-closing 2s \
	--scale on --scale-metric active-flows --scale-target 40 --scale-max 4 --scale-step 2 \
	--scale-interval 1s --scale-window 2s --scale-up-cooldown 1s --scale-down-cooldown 2s \
	--scale-stabilization 2s --scale-drain 10s --scale-pace 60 --scale-failures 2 \
	--scale-retry 2s --scale-driver "$drivers/lab" --scale-driver "$launcher" >/dev/null ||
	bail "a service with a policy is added"
lab_wait_up web || exit 1

members() {
	lbctl --json show web | jq '[.backends[] | select(.status != "removing")] | length'
}

hosts() {
	find "$launcher/hosts" -type f | wc -l
}

hosts_are() {
	[ "$(hosts)" = "$1" ]
}

events() {
	lbctl --json events --limit 1000 | jq "[.events[] | select(.kind == \"$1\")] | length"
}

has_event() {
	[ "$(events "$1")" -gt "${2:-0}" ]
}

scale() {
	lbctl --json scale web | jq -r "$1"
}

# --- load ---

(while [ -d "$LAB_DIR" ]; do members && sleep 0.2; done) >"$LAB_DIR/members" 2>/dev/null &
watcher=$!
lab_spawn client wrk wrk -t1 -c150 -d120s -s "$LAB_TOP/tests/lab/bodies.lua" \
	"$LAB_URL4/" -- 0 500
check "150 connections, 40 for each: 4 backends" wait_until 25 lab_backends_are web 4
check_matches "the reason has the figures" 'active-flows [0-9.]+ for one backend, target 40' \
	"$(scale '[.decisions[] | select(.decision == "up")][0].reason')"
lab_end wrk TERM
# Few clients, one connection each time, while backends go.
: >"$LAB_DIR/codes"
(while [ ! -e "$LAB_DIR/stop" ]; do
	lab_curl -o /dev/null -w '%{http_code}\n' "$LAB_URL4/" || echo failed
	sleep 0.1
done) >>"$LAB_DIR/codes" 2>&1 &
clients=$!
check "the load falls: 1 backend" wait_until 40 lab_backends_are web 1
check "the hosts are given back" wait_until 10 hosts_are 0
touch "$LAB_DIR/stop"
wait "$clients"
{ kill "$watcher" && wait "$watcher"; } 2>/dev/null
check_between "clients were served meanwhile" 10 100000 "$(grep -c '^200$' "$LAB_DIR/codes")"
promise "failed requests while the autoscaler takes backends away" 0 \
	"$(grep -vc '^200$' "$LAB_DIR/codes")"
check_equal "never fewer than the least, never more than the most" "1 4" \
	"$(sort -n "$LAB_DIR/members" | sed -n '1p;$p' | xargs)"
check_equal "first only more, then only fewer" 1 \
	"$(uniq "$LAB_DIR/members" | awk '$1 < last && !down {down = 1; turns++}
		$1 > last && down {down = 0; turns++} {last = $1} END {print turns}')"
check "each change is an event" has_event scale-down
metrics=$(lab_exec lb curl -sS http://127.0.0.1:9480/metrics | grep '^lb_autoscale')
check_matches "and a metric" '^lb_autoscale_decisions_total\{service="web",decision="up"\} [1-9]' \
	"$metrics"
check_matches "lbctl scale shows why" 'active-flows' "$(lbctl scale web)"

# --- by hand, and a dead backend ---

lbctl set service web --scale-metric none --scale-replace-after 1s >/dev/null
check_matches "the number is set by hand" '3 backends by hand' "$(lbctl scale web 3)"
check "and there are 3" wait_until 15 lab_backends_are web 3
lab_backend_kill 1
up_are() {
	[ "$(scale .state.up)" = "$1" ] && [ "$(scale .state.launching)" = 0 ]
}
check "one dies: an emergency backend stands for it" wait_until 15 has_event scale-replace
check "as many serve as before" wait_until 15 up_are 3
check_equal "for the dead one" 198.18.1.11:80 \
	"$(scale '.launched[] | select(."stands-for" != "")."stands-for"')"
lab_backend_start 1 hello || exit 1
check "the dead one returns: the emergency backend is drained and stopped" \
	wait_until 20 hosts_are 2
check "and 3 are there" wait_until 5 lab_backends_are web 3
check "the event says so" has_event scale-retire

# --- launches that fail ---

touch "$launcher/broken"
lbctl scale web 4 >/dev/null
check "launches fail: the circuit opens" wait_until 15 has_event scale-circuit-open
check_matches "lbctl scale says so" 'circuit (open|half-open)' "$(lbctl scale web)"
check_matches "with the driver's words" 'exit status 1: broken on purpose' \
	"$(lbctl events --kind scale-launch-failed --limit 1)"
check_equal "what serves is as it was" 3 "$(members)"
rm "$launcher/broken"
check "they succeed again: it closes" wait_until 15 has_event scale-circuit-closed
check "and 4 are there" wait_until 10 lab_backends_are web 4

# --- the agent is killed in the middle of a launch ---

lbctl scale web 3 >/dev/null
check "3 again" wait_until 15 lab_backends_are web 3
check "on 2 hosts and the operator's" wait_until 10 hosts_are 2
touch "$launcher/hold"
lbctl scale web 4 >/dev/null
launching() {
	jq -e 'any(.launched[]; .phase == "launching")' "$LAB_DIR/state/scale/state.json" &&
		[ -n "$(ls "$launcher/requests")" ]
}
check "a launch is under way" wait_until 10 launching
lab_agent_kill
rm "$launcher/hold"
lab_agent_start --check-commands "$drivers" || exit 1
check "the next agent asks for the same: 4 are there" wait_until 15 lab_backends_are web 4
check_equal "and no host is used twice, or for nothing" 3 "$(hosts)"
lbctl rm service web >/dev/null
check "the service goes: so do all that it had launched" wait_until 15 hosts_are 0
check_equal "not what the operator has started" ok "$(lab_curl http://198.18.1.11/health | head -c 2)"
checks_done

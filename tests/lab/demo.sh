#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job, shown: real HTTP requests through the XDP program to real servers, one of which
# dies under load, comes back, is joined by a fourth and is drained. Ends with 1 and the reason
# if anything is not as promised. Leaves nothing behind.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

requests=10000
interval=200 timeout=200 fall=2 # milliseconds; fall is a count
promise=$((fall * interval + timeout + 50))
begin=$(lab_now_ms)

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi
block='#'
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*UTF-8* | *utf8*) block=█ ;;
esac

# --- saying ---

step() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

say() {
	printf '  %s\n' "$*"
}

good() {
	printf '  %s%s%s\n' "$green" "$*" "$plain"
}

# Shows the command as a user would type it, then runs it.
run() {
	printf '  %s$ %s%s\n' "$dim" "$*" "$plain"
	"$@" >"$LAB_DIR/run.out" 2>&1 || fail "$* said: $(cat "$LAB_DIR/run.out")"
}

fail() {
	printf '\n%sThe demo failed: %s%s\n' "$red" "$*" "$plain" >&2
	if [ -s "$LAB_LOG" ]; then
		echo "The agent's last lines:" >&2
		tail -n 15 "$LAB_LOG" >&2
	fi
	exit 1
}

# --- load ---

# load CONNECTIONS SECONDS LIMIT DELAY [WRK-FLAG...]
load() {
	local connections=$1 seconds=$2 limit=$3 delay=$4
	shift 4
	lab_wrk -t1 -c"$connections" -d"${seconds}s" "$@" "$LAB_URL4/" -- "$limit" "$delay"
}

bars() {
	local file=$1 name count total width
	total=$(lab_served "$file")
	[ "$total" -gt 0 ] || fail "no request was served: $(cat "$file")"
	while read -r _ name count; do
		width=$((count * 60 / total))
		printf '  %s  %s%*s %6d  %3d.%d %%\n' "$name" \
			"$(printf "%${width}s" '' | sed "s/ /$block/g")" $((60 - width)) '' "$count" \
			$((count * 100 / total)) $((count * 1000 / total % 10))
	done < <(grep '^served ' "$file")
}

no_errors() {
	[ "$(lab_errors "$1")" = 0 ] || fail "$2: $(lab_errors "$1") failed requests, 0 promised; $(cat "$1")"
}

new_flows() {
	lab_backend web "$1" '."new-flows"'
}

# --- the show ---

show_start() {
	step "A balancer and three servers, each in a network namespace of its own"
	say "client 198.18.0.2 -> VIP $LAB_VIP4 on lb -> b1 198.18.1.11, b2 198.18.1.12, b3 198.18.1.13"
	lab_up || exit 1
	local i
	for i in 1 2 3; do
		lab_backend_start "$i" hello || fail "the server b$i does not start"
	done
	lab_agent_start || fail "the agent does not start"
	run lbctl add service web --vip "tcp://$LAB_VIP4:80" --mode nat --check http \
		--check-path /health --check-interval ${interval}ms --check-timeout ${timeout}ms \
		--rise 2 --fall $fall
	for i in 1 2 3; do
		run lbctl add backend web "198.18.1.1$i"
	done
	lab_wait_up web || fail "the backends do not come up"
	run lbctl show web
	sed 's/^/  /' "$LAB_DIR/run.out"
}

show_spread() {
	local out=$LAB_DIR/spread
	step "$requests requests, each on a connection of its own"
	load 50 60 "$requests" 0 -H "$LAB_FRESH" >"$out"
	no_errors "$out" "spreading"
	bars "$out"
	[ "$(lab_served "$out")" -eq "$requests" ] || fail "$(lab_served "$out") of $requests were answered"
	[ "$(grep -c '^served ' "$out")" -eq 3 ] || fail "not every server got requests"
	good "$requests answered, 0 failed"
	summary_spread="$requests requests over three servers, 0 failed"
}

show_death() {
	local out=$LAB_DIR/death wrk killed down took
	step "Server b2 is killed under load"
	load 20 3 0 5 -H "$LAB_FRESH" >"$out" &
	wrk=$!
	sleep 1
	killed=$(lab_now_ms)
	lab_backend_kill 2 || fail "b2 does not die"
	say "killed with SIGKILL; the checks run every $interval ms, $fall failures take it out"
	wait_until 5 lab_log_time "backend down" 198.18.1.12:80 "$killed" ||
		fail "the agent has not noticed within 5 s"
	down=$(lab_log_time "backend down" 198.18.1.12:80 "$killed")
	took=$((down - killed))
	wait "$wrk"
	say "$(lab_served "$out") requests answered, $(lab_errors "$out") failed until b2 was out"
	[ "$took" -le "$promise" ] || fail "failover took $took ms; $promise promised"
	good "out after $took ms (promised: $promise)"
	load 20 60 2000 0 -H "$LAB_FRESH" >"$out.after"
	no_errors "$out.after" "after the failover"
	good "2000 more requests by the other two, 0 failed"
	summary_death="failover in $took ms, $(lab_errors "$out") of $(($(lab_served "$out") + $(lab_errors "$out"))) requests failed meanwhile"
}

show_return() {
	local out=$LAB_DIR/return back
	step "b2 comes back"
	back=$(lab_now_ms)
	lab_backend_start 2 hello || fail "b2 does not start again"
	lab_wait_status web 198.18.1.12:80 up || fail "b2 is not taken back"
	summary_return="taken back in $(($(lab_now_ms) - back)) ms"
	load 20 60 3000 0 -H "$LAB_FRESH" >"$out"
	no_errors "$out" "after the return"
	bars "$out"
	[ "$(lab_served "$out" b2)" -gt 0 ] || fail "b2 is up but gets no requests"
	good "$summary_return"
}

show_growth() {
	local out=$LAB_DIR/growth
	step "A fourth server joins under load"
	lab_backend_start 4 hello || fail "the server b4 does not start"
	load 20 3 0 2 >"$out.kept" &
	local wrk=$!
	sleep 0.5
	run lbctl add backend web 198.18.1.14
	lab_wait_status web 198.18.1.14:80 up || fail "b4 does not come up"
	load 20 60 4000 0 -H "$LAB_FRESH" >"$out"
	wait "$wrk"
	no_errors "$out.kept" "connections kept open while b4 joined"
	no_errors "$out" "with four servers"
	bars "$out"
	[ "$(lab_served "$out" b4)" -gt 0 ] || fail "b4 is up but gets no requests"
	good "0 failed, on old connections and new"
	summary_growth="a fourth server added under load, 0 failed"
}

show_drain() {
	local out=$LAB_DIR/drain wrk before
	step "b1 is drained under load"
	load 50 3 0 5 >"$out.kept" &
	wrk=$!
	sleep 0.5
	run lbctl drain backend web 198.18.1.11
	before=$(new_flows 198.18.1.11:80)
	load 20 60 4000 0 -H "$LAB_FRESH" >"$out"
	wait "$wrk"
	no_errors "$out.kept" "connections kept open during the drain"
	no_errors "$out" "new connections during the drain"
	[ "$(lab_served "$out.kept" b1)" -gt 0 ] || fail "no open connection was on b1"
	bars "$out"
	[ "$(lab_served "$out" b1)" -eq 0 ] || fail "b1 got $(lab_served "$out" b1) new requests while draining"
	[ "$(new_flows 198.18.1.11:80)" = "$before" ] || fail "b1 got new flows while draining"
	say "on connections open before, b1 went on: $(lab_served "$out.kept" b1) requests"
	good "0 failed, 0 new flows to b1"
	summary_drain="one drained: 0 failed, 0 new flows to it"
}

show_end() {
	run lbctl show web
	sed 's/^/  /' "$LAB_DIR/run.out"
	step "In short"
	good "$summary_spread"
	good "$summary_death"
	good "$summary_return"
	good "$summary_growth"
	good "$summary_drain"
	lab_agent_stop || fail "the agent does not end"
	lab_down
	say "the lab is gone; it took $((($(lab_now_ms) - begin) / 1000)) s in all"
}

show_start
show_spread
show_death
show_return
show_growth
show_drain
show_end

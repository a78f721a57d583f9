#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Weights that follow load: three backends whose hosts report it, one of them loaded far more than the
# others. A dry run tells and changes nothing; then the weights follow, within the budget of slots a
# step; over a restart; back when nobody reports, and when they are told not to follow any more.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=3
BUDGET=4

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
	lab_load "$i" 0.4
	lab_report_start "$i" || exit 1
done

# --- what a host says of itself ---

# report FILTER: of b1's own figures
report() {
	lab_exec b1 curl -sS --max-time 2 http://127.0.0.1:9482/load | jq -e "$1"
}
lab_spawn b1 b1.own "$LAB_BUILD/lbnode" report --listen 127.0.0.1:9482 --port 80
check "a host reports its load" wait_until 10 report '.load >= 0 and .cpu >= 0 and .runqueue >= 0'
check "and how full its listen queue is" report '.backlog == 0'
kill -STOP "$(lab_pid b1)"
lab_exec client timeout 10 wrk -t1 -c64 -d5s http://198.18.1.11/ >/dev/null 2>&1 &
check "which fills when nobody accepts" wait_until 5 report '.backlog > 0'
kill -CONT "$(lab_pid b1)"
wait "$!"
check_equal "there is nothing else to be had" "404 404" \
	"$(for request in "-X POST http://127.0.0.1:9482/load" http://127.0.0.1:9482/; do
		# shellcheck disable=SC2086 # two words
		lab_exec b1 curl -sS -o /dev/null -w '%{http_code}\n' $request
	done | xargs)"

lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --load-interval 1s --load-budget "$BUDGET" \
	--timeout-established 2s || bail "the service comes up"

field() {
	lab_backend web "198.18.1.1$1:80" "$2"
}
service() {
	lbctl --json show web | jq -r "$1"
}
# below N FIELD LIMIT, above N FIELD LIMIT: numbers
below() {
	field "$1" "$2" | jq -e ". != null and . < $3"
}
above() {
	field "$1" "$2" | jq -e ". != null and . > $3"
}
is() {
	[ "$(field "$1" "$2")" = "$3" ]
}
whole() {
	service 'all(.backends[]; ."effective-weight" == 1)' | grep -q true
}
has_event() {
	lbctl events --kind "$1" | grep -q "$2"
}

# --- off, and a dry run ---

check_equal "weights follow nothing unless told to" "null null" \
	"$(service '."load-state"') $(field 1 .load)"
before=$(service '."table-digest"')
lbctl set service web --load dry-run >/dev/null || not_ok "a dry run is asked for"
check "a dry run asks for the load" wait_until 10 is 1 .load.load 0.4
check_equal "of all alike nothing would move" 1 "$(field 1 .load.target)"
lab_load 3 1.5
check "one that is loaded more would get less" wait_until 15 below 3 .load.target 0.9
check "step by step" above 3 .load.next 0.7
check_matches "show says why" "load 1.50.*dry run" "$(lbctl show web)"
check "and an event" wait_until 5 has_event load-dry-run "weights would change"
check_equal "but the table is the same" "$before" "$(service '."table-digest"')"
check "and weights are whole" whole
check_equal "no step was made" 0 "$(lab_metric 'lb_service_load_steps_total{service="web"}')"

# --- on ---

lab_wrk -t1 -c8 -d120s "$LAB_URL4/" -- 0 50 >"$LAB_DIR/kept" 2>&1 & # on connections that stay
kept=$!
lbctl set service web --load on >/dev/null || not_ok "weights shall follow"
check "the loaded one gets less" wait_until 60 below 3 .share 0.15
check_matches "which show says" "on the way to" "$(lbctl show web)"
check "its effective weight is below its weight" below 3 '."effective-weight"' 0.5
check "the others have their whole" is 1 '."effective-weight"' 1
steps=$(lbctl --json events --kind load-step --limit 1000)
check_between "in more than one step" 3 1000 "$(jq '.events | length' <<<"$steps")"
most=$(jq '[.events[].reason | split(" ")[0] | tonumber * 10] | max' <<<"$steps")
promise "a step of weights moves no more than $BUDGET % of the slots, in tenths of a per cent" \
	$((10 * BUDGET)) "$most"
kill -INT "$(ip netns pids "$LAB-client")"
wait "$kept"
promise "weights that follow load: 0 requests failed on connections that were there" 0 "$(lab_errors "$LAB_DIR/kept")"
check "of many" [ "$(lab_served "$LAB_DIR/kept")" -gt 100 ]
check_equal "metrics have the load" 1.5 \
	"$(lab_metric 'lb_backend_load_ratio{service="web",backend="198.18.1.13:80"}')"

lab_wrk -t1 -c8 -d20s -H "$LAB_FRESH" "$LAB_URL4/" -- 1500 >"$LAB_DIR/wrk" 2>&1
promise "weights that follow load: 0 requests failed on new connections" 0 "$(lab_errors "$LAB_DIR/wrk")"
all=$(lab_served "$LAB_DIR/wrk")
# Its share is below 15 %; five standard deviations of 1500 requests are 4.6 %.
check_between "new flows go where there is room" 1 $((all * 20 / 100)) "$(lab_served "$LAB_DIR/wrk" b3)"

# --- a restart ---

lab_load 3 0.4
check "of all alike again it comes to rest" wait_until 30 service 'if ."load-state".acts then error else 1 end'
sleep 1.5 # a step that was under way
before=$(service '."table-digest"') share=$(field 3 .share)
lab_agent_kill
lab_agent_start || bail "the agent starts again"
check_equal "a restart leaves the weights as they are" "$before $share" \
	"$(service '."table-digest"') $(field 3 .share)"
check "and they go on to follow" wait_until 15 is 3 .load.load 0.4

# --- without reports ---

lab_end b3.report KILL
check "one that does not report is told" wait_until 20 has_event load-silent 198.18.1.13
check "goes back to its whole weight" wait_until 60 is 3 '."effective-weight"' 1
check_equal "and the others as they were" "1 1" \
	"$(field 1 '."effective-weight"') $(field 2 '."effective-weight"')"
check_matches "show says so" "does not report its load" "$(lbctl show web)"
check "failures are counted" [ "$(lab_metric \
	'lb_backend_load_failures_total{service="web",backend="198.18.1.13:80"}')" -ge 3 ]
lab_load 3 1.5
lab_report_start 3 || not_ok "it reports again"
check "it is heard again" wait_until 10 has_event load-heard 198.18.1.13
check "and followed" wait_until 20 below 3 '."effective-weight"' 0.9

# Nonsense is no report.
lab_load 3 much
check "a report without a load is none" wait_until 20 is 3 .load.load null
check_matches "and the reason is told" "does not say a number" "$(field 3 .load.problem)"

lbctl set service web --load off >/dev/null || not_ok "weights shall not follow any more"
check "told not to follow, all have their whole weight at once" whole
check_equal "and nobody is asked" null "$(field 1 .load)"
check_none "no agent has complained" "$(grep -h 'level=error' "$LAB_LOG")"
checks_done

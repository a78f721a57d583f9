#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The autoscaler asks a real Prometheus; an alert's webhook asks the autoscaler; no data means no
# change; a dry run changes nothing; hours of the week have bounds of their own.
LAB_BACKENDS=4
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/monitor.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
drivers=$LAB_TOP/drivers launcher=$LAB_DIR/launcher
lab_backend_start 1 hello || exit 1
lab_launcher "2 3 4"
(umask 077 && echo "alertmanager $(head -c 24 /dev/urandom | base64)" >"$LAB_DIR/tokens")
lab_agent_start --check-commands "$drivers" --token-file "$LAB_DIR/tokens" || exit 1

# What is measured is a weight, which the test can set: a response time in ms, say.
lbctl add service knob --vip "tcp://198.18.0.11:80" --check none --backend 198.18.1.11 >/dev/null ||
	bail "a knob"
turn() {
	lbctl set backend knob 198.18.1.11 --weight "$1" >/dev/null
}
turn 400
cat >"$LAB_DIR/prometheus.yml" <<-YML
	global: {scrape_interval: 500ms, scrape_timeout: 500ms}
	scrape_configs:
	  - job_name: sluice
	    static_configs: [{targets: ['127.0.0.1:9480']}]
YML
prometheus_start() {
	lab_prometheus_start 9190 "$LAB_DIR/prometheus.yml" "$LAB_DIR/prometheus"
}
prometheus_start || bail "Prometheus starts"

lbctl add service web --vip "tcp://$LAB_VIP4:80" --backend 198.18.1.11 --check http \
	--check-path /health --check-interval 200ms --rise 1 --fall 2 \
	--scale dry-run --scale-metric promql --scale-prometheus http://127.0.0.1:9190/ \
	--scale-promql 'avg(avg_over_time(lb_backend_weight{service="knob"}[2s])) / 1000' \
	--scale-up-above 0.6 --scale-down-below 0.2 --scale-max 3 --scale-interval 1s \
	--scale-window 2s --scale-up-cooldown 1s --scale-down-cooldown 2s --scale-stabilization 1s \
	--scale-drain 5s --scale-pace 60 --scale-predict 10s \
	--scale-driver "$drivers/lab $launcher" >/dev/null || bail "a service with a policy is added"

scale() {
	lbctl --json scale web | jq -r "$1"
}

state_is() {
	scale .state.reason | grep -E "$1"
}

decided() {
	scale '[.decisions[] | select(.decision != "hold") | .decision] | unique | join(" ")'
}

check "a query's number is the metric" wait_until 20 state_is '^promql 0\.4: 1 is right$'
turn 700
has_dry_run() {
	lbctl events --kind scale-dry-run | grep 'would up by 1.*promql 0\.[67]'
}
check "a dry run tells what it would do" wait_until 20 has_dry_run
check_equal "and does nothing" 0 "$(find "$launcher/hosts" -type f | wc -l)"
lbctl set service web --scale on >/dev/null
check "0.7 is above 0.6: one by one, to the most" wait_until 30 lab_backends_are web 3
check "where it stays" wait_until 5 state_is 'more would be right, but 3 is the most'
predicted() {
	scale '.state."predicted-value"' | grep -E '^[0-9]'
}
check "what is foretold is shown beside it" wait_until 10 predicted

# --- no data ---

lab_end prometheus TERM
check "Prometheus is gone: nothing is changed" wait_until 20 state_is 'no data, so nothing is changed'
check_matches "and it is told why" 'scale-no-data.*connect' "$(lbctl events --kind scale-no-data)"
holds() {
	lab_exec lb curl -sS http://127.0.0.1:9480/metrics |
		sed -n 's/^lb_autoscale_decisions_total{service="web",decision="hold"} //p'
}
more_holds() {
	[ "$(holds)" -ge $((before + 3)) ]
}
before=$(holds)
check "three decisions later" wait_until 15 more_holds
check "all are there" lab_backends_are web 3
turn 100
prometheus_start || bail "Prometheus starts again"
check "it is back, and the load is low: fewer" wait_until 40 lab_backends_are web 1
check "that too is told" grep -q scale-data <(lbctl events --kind scale-data)
lbctl set service web --scale-promql 'lb_backend_weight' >/dev/null
problem() {
	scale .state.problem | grep "$1"
}
check "several series are no number" wait_until 10 problem '2 series; aggregate them'
lbctl set service web --scale-promql 'avg(' >/dev/null
check "a query that is wrong: Prometheus' words" wait_until 10 problem 'parse error'

# --- an alert ---

lbctl set service web --scale-metric none >/dev/null
alert() {
	jq -n --arg scale "$1" --arg status "${2:-firing}" \
		'{version: "4", status: $status, alerts: [{status: $status, labels:
		  {alertname: "WebSlow", service: "web", scale: $scale}}]}'
}
webhook() {
	lab_exec lb curl -s -o "$LAB_DIR/answer" -w '%{http_code}' "$@" \
		--data-binary @- http://127.0.0.1:9480/v1/scale/webhook
}
token="Authorization: Bearer $(cut -d ' ' -f 2 "$LAB_DIR/tokens")"
check_equal "by TCP without a token: refused" 401 "$(alert up | webhook)"
check_equal "with one: taken" 202 "$(alert up | webhook -H "$token")"
check "and there is one more" wait_until 15 lab_backends_are web 2
check_matches "for this reason" 'an alert asks for more' "$(lbctl scale web)"
check_equal "an alert that is over asks for nothing" 0 \
	"$(alert up resolved | webhook -H "$token" >/dev/null; jq .asked "$LAB_DIR/answer")"
check_equal "what is neither up nor down is refused" 400 "$(alert sideways | webhook -H "$token")"
check_equal "a service that is not there" 404 \
	"$(alert up | sed 's/"web"/"nope"/' | webhook -H "$token")"

# --- hours ---

lbctl set service web --scale-schedule 'daily 00:00-24:00 3-3' >/dev/null
check "at these hours 3 are the least" wait_until 15 lab_backends_are web 3
check_equal "lbctl scale has the bounds" "3 3" "$(scale '"\(.state.min) \(.state.max)"')"
checks_done

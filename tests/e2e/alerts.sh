#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a death to a message: real Prometheus and Alertmanager beside a lab, with the files that users
# have. Only times are made shorter, by sed below: how often is scraped, and how long is waited.
LAB_BACKENDS=2
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/check.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/monitor.sh"

b1=198.18.1.11:80
told=$LAB_DIR/webhook.log
mark=0

shorten() {
	local rules=$LAB_MONITOR/rules/alerts.yml
	sed -i -E 's/^( *for): .*/\1: 2s/; s/^( *keep_firing_for): .*/\1: 12s/' "$rules"
	sed -i -E 's/^( *group_(wait|interval)): .*/\1: 1s/' "$LAB_MONITOR/alertmanager.yml"
	check_equal "no rule but its times is changed" "" \
		"$(diff "$LAB_TOP/prometheus/rules/alerts.yml" "$rules" | grep '^[<>]' |
			grep -vE '^[<>] +(keep_firing_)?for: ')"
}

start_service() {
	lab_backend_start 1 hello && lab_backend_start 2 hello && lab_agent_start &&
		lab_service web "tcp://$LAB_VIP4:80" "1 2" --check-interval 200ms --fall 2
}

start_monitor() {
	lab_webhook_start 9099 && lab_node_exporter_start 9100 &&
		lab_alertmanager_start 9093 "$LAB_MONITOR/alertmanager.yml" \
			"$LAB_MONITOR/data/alertmanager" &&
		lab_prometheus_start 9090 "$LAB_MONITOR/prometheus.yml" "$LAB_MONITOR/data/prometheus"
}

# value PROMQL: that of the first series.
value() {
	lab_exec lb curl -sS --max-time 5 --data-urlencode "query=$1" \
		http://127.0.0.1:9090/api/v1/query | jq -er '.data.result[0].value[1]'
}

is_above() {
	value "$1 > $2"
}

# tells STATUS ALERT [JQ]: messages since the mark that are so, of which a jq filter holds; the last.
tells() {
	tail -n +$((mark + 1)) "$told" | jq -ces --arg status "$1" --arg alert "$2" "
		map(select(.status == \$status and .labels.alertname == \$alert) | select(${3:-true})) |
		last // empty"
}

# From here on only what comes anew counts.
set_mark() {
	mark=$(wc -l <"$told")
}

# inhibited ALERT LABEL VALUE: Alertmanager has it, and keeps it to itself for the sake of another.
inhibited() {
	lab_exec lb curl -sS --max-time 5 http://127.0.0.1:9093/api/v2/alerts |
		jq -e --arg alert "$1" --arg value "$3" "any(.[]; .labels.alertname == \$alert and
			.labels.$2 == \$value and (.status.inhibitedBy | length > 0))"
}

# said STATUS ALERT [JQ]: a case: the message comes.
said() {
	wait_until 30 tells "$@" ||
		not_ok "$1 $2 is told" "$(tail -n 5 "$told")"
	tells "$@" >/dev/null && ok "$1 $2 is told"
}

test_scrape() {
	check "the agent is scraped" wait_until 20 is_above 'up{job="sluice"}' 0
	check "node_exporter is scraped" wait_until 20 is_above 'up{job="node"}' 0
	lab_wrk -t1 -c4 -d2s -H "$LAB_FRESH" "$LAB_URL4/" >/dev/null
	check "rates are recorded" wait_until 20 is_above 'service:lb_service_packets:rate1m' 0
	check "shares are recorded" wait_until 20 is_above \
		"backend:lb_backend_new_flows:share5m{backend=\"$b1\"}" 0
}

test_backend_down() {
	lab_backend_kill 1
	said firing SluiceBackendDown
	check_equal "its labels name backend, service, balancer and severity" \
		"ticket $b1 web 127.0.0.1:9480 warning" "$(tells firing SluiceBackendDown | jq -r '[
			.receiver, (.labels | .backend, .service, .instance, .severity)] | join(" ")')"
	check_equal "it names its runbook" docs/runbooks.md#sluicebackenddown \
		"$(tells firing SluiceBackendDown | jq -r .annotations.runbook)"
	check_matches "it has figures" "leaves 1 of 2 backends of web" \
		"$(tells firing SluiceBackendDown | jq -r .annotations.description)"
}

test_agent_down() {
	set_mark
	lab_agent_kill
	said firing SluiceAgentDown
	check_equal "it goes to the pager" page "$(tells firing SluiceAgentDown | jq -r .receiver)"
	check "it keeps others quiet" wait_until 10 inhibited SluiceBackendDown backend "$b1"
	check_equal "the end of the agent is not told as the backend's recovery" "" \
		"$(tells resolved SluiceBackendDown)"
	lab_agent_start || bail "the agent starts again"
	said resolved SluiceAgentDown
}

test_service_down() {
	set_mark
	lab_backend_kill 2
	said firing SluiceServiceWithoutBackends
	check_matches "it has figures" "0 of 2 backends of web" \
		"$(tells firing SluiceServiceWithoutBackends | jq -r .annotations.description)"
	check "it keeps the alert of the backend quiet" \
		wait_until 20 inhibited SluiceBackendDown backend "$b1"
}

test_recovery() {
	set_mark
	check "b1 starts again" lab_backend_start 1 hello
	check "b2 starts again" lab_backend_start 2 hello
	said resolved SluiceServiceWithoutBackends
	said resolved SluiceBackendDown ".labels.backend == \"$b1\""
	check "Prometheus and Alertmanager end when they are told" lab_monitor_stop
}

lab_up || exit 1
start_service || bail "the service starts"
lab_monitor_config 1 || bail "Prometheus is configured"
shorten
start_monitor || bail "Prometheus and Alertmanager start"
test_scrape
test_backend_down
test_agent_down
test_service_down
test_recovery
checks_done

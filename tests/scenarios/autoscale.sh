#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# autoscale.sh [--short]   load rises and falls, and replicas follow. What they go by is the response
#                          time that they tell themselves, asked of a real Prometheus.
#
# store on b1, and where the autoscaler launches it, works on four requests at a time, each of which
# asks the service behind, on the last host, for 100 ms: so a replica answers some 38 requests a
# second, what is more waits, and a replica more makes the wait shorter. wrk keeps a number of requests
# under way, each on a connection of its own.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

most=$(by_form 3 4)
behind=$((most + 1))
LAB_BACKENDS=$behind
steps=$(by_form "60:$most 2:1" "4:1 36:2 90:4 36:4 4:1") # requests under way, replicas that follow
stay=$(by_form 0 25)                                     # seconds at rest before the next step
prometheus=127.0.0.1:9190

# On a host of the autoscaler's, too.
lab_launcher_start() {
	lab_service_start "b$1" store 80 --workers 4 --unstable "http://198.18.1.1$behind/" \
		--timeout 10s --data "$LAB_DIR/b$1.data"
}

start_prometheus() {
	local i apps=()
	for ((i = 1; i <= most; i++)); do
		apps+=("'198.18.1.1$i:80'")
	done
	cat >"$LAB_DIR/prometheus.yml" <<-YML
		global: {scrape_interval: 500ms, scrape_timeout: 500ms}
		scrape_configs:
		  - job_name: sluice
		    static_configs: [{targets: ['127.0.0.1:9480']}]
		  - job_name: webapp
		    static_configs: [{targets: [$(IFS=, && echo "${apps[*]}")]}]
	YML
	lab_prometheus_start "${prometheus#*:}" "$LAB_DIR/prometheus.yml" "$LAB_DIR/prometheus"
}

open_lab() {
	local drivers=$LAB_TOP/drivers
	lab_service_start "b$behind" unstable 80 --delay 100ms || return
	lab_launcher_start 1 || return
	lab_launcher "$(seq -s ' ' 2 "$most")"
	lab_agent_start --check-commands "$drivers" || return
	lab_service web "tcp://$LAB_VIP4:80" 1 --check http --check-path /health \
		--check-interval 200ms --rise 1 --timeout-closing 2s || return
	start_prometheus || return
	lbctl set service web --scale on --scale-metric promql \
		--scale-prometheus "http://$prometheus/" \
		--scale-promql "avg(avg_over_time(webapp_response_time_seconds[$(by_form 2s 5s)]))" \
		--scale-up-above 0.6 --scale-down-below 0.2 --scale-max "$most" --scale-interval 1s \
		--scale-window "$(by_form 1s 5s)" --scale-up-cooldown "$(by_form 1s 25s)" \
		--scale-down-cooldown "$(by_form 2s 15s)" \
		--scale-stabilization "$(by_form 2s 10s)" --scale-drain 5s --scale-pace 60 \
		--scale-driver "$drivers/lab" --scale-driver "$LAB_DIR/launcher" >/dev/null
}

# --- load ---

# wrk_figures FILE: requests, those a second, how long half of them took and 99 of 100 (ms), failures
wrk_figures() {
	awk '
		BEGIN {failed = 0}
		function ms(text) {return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text * 1000}
		$1 == "50%" {half = ms($2)}
		$1 == "99%" {most = ms($2)}
		$2 == "requests" && $3 == "in" {requests = $1}
		$1 == "Requests/sec:" {rate = $2}
		/Socket errors:/ {failed += $4 + $6 + $8 + $10}
		/Non-2xx or 3xx responses:/ {failed += $5}
		END {
			if (requests == "")
				failed = "unknown"
			printf "%d\t%.1f\t%d\t%d\t%s\n", requests, rate, half, most, failed
		}' "$1"
}

# step CONNECTIONS REPLICAS: so many requests under way, until so many replicas are there, and stay.
step() {
	local begun number
	say "$1 requests under way; replicas should be $2."
	begun=$(lab_now_ms)
	rm -f "$LAB_DIR/wrk.log"
	lab_spawn client wrk wrk -t1 -c"$1" -d600s --latency --timeout 30s -H "$LAB_FRESH" "$LAB_URL4/"
	check "$1 requests under way: $2 replicas" wait_until 150 lab_backends_are web "$2"
	number=$((($(lab_now_ms) - begun) / 1000))
	for ((i = 0; i < stay; i += 5)); do
		say "replicas: $(replicas), $(lbctl --json scale web | jq -r .state.reason)"
		sleep 5
	done
	check_equal "$1 requests under way: $2 replicas, and no others" "$2" "$(replicas)"
	lab_end wrk INT
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$number" "$(wrk_figures "$LAB_DIR/wrk.log")" >>"$LAB_DIR/steps"
}

replicas() {
	lbctl --json show web | jq '[.backends[] | select(.status != "removing")] | length'
}

# --- what came of it ---

# What the autoscaler did, in its order, a line each: up or down
turns() {
	lbctl --json events --limit 1000 | jq -r '.events | sort_by(.seq) | .[].kind |
		select(. == "scale-up" or . == "scale-down") | sub("scale-"; "")'
}

# The panels of the chart: what Prometheus is asked.
titles=("requests under way" "response time (s)" "replicas that are up" "answers a second")
queries=(
	'sum(webapp_in_flight_requests) - count(webapp_in_flight_requests)'
	'lb_autoscale_metric{service="web"}'
	'lb_autoscale_running_backends{service="web"}'
	'sum(rate(webapp_requests_total{endpoint="/",status="200"}[5s]))'
)

# values QUERY: since the beginning, as lines of seconds since 1970 and a number
values() {
	lab_exec lb curl -sS --max-time 10 -G "http://$prometheus/api/v1/query_range" \
		--data-urlencode "query=$1" -d "start=$began" -d "end=$ended" -d step=1 |
		jq -r '.data.result[0].values // [] | .[] | @tsv'
}

# All of them beside each other: seconds, and a number for each query, empty where there is none.
series() {
	local query
	for query in "${queries[@]}"; do
		values "$query"
		echo # the next one
	done | awk -v first="$began" -v last="$ended" -v count="${#queries[@]}" 'BEGIN {FS = OFS = "\t"}
		NF == 0 {query++; next}
		{value[query + 0, $1] = $2}
		END {
			for (at = first; at <= last; at++) {
				line = at - first
				for (i = 0; i < count; i++)
					line = line OFS value[i, at]
				print line
			}
		}'
}

report() {
	local IFS=$'\t' head
	head="under way	replicas	reached after s	requests	requests/s	p50 ms	p99 ms	failed"
	jq -Rs --argjson most "$most" --arg turns "$(turns | xargs)" '
		[split("\n")[] | select(. != "") | split("\t") | map(tonumber? // .)] |
		{min: 1, max: $most, decisions: $turns, steps: map({under_way: .[0], replicas: .[1],
			reached_s: .[2], requests: .[3], requests_per_s: .[4], p50_ms: .[5], p99_ms: .[6],
			failed: .[7]})}' "$LAB_DIR/steps" | report_json
	report_lines "Replicas follow the load by their response time, from Prometheus" "${titles[*]}" \
		<"$LAB_DIR/series"
	{
		{ echo "$head" && cat "$LAB_DIR/steps"; } | report_table
		echo
		echo "More replicas above 0.6 s, fewer below 0.2 s, 1 to $most; decisions: $(turns | xargs)."
	} | report_text "load rises and falls, and replicas follow"
}

lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page
began=$(date +%s)
for each in $steps; do
	step "${each%:*}" "${each#*:}"
done
check "what was launched is stopped" wait_until 15 lab_gone b2
ended=$(date +%s)
series >"$LAB_DIR/series"
check_equal "one rise, one fall" "up down" "$(turns | uniq | xargs)"
check_equal "never fewer than 1 replica, never more than $most" "1 $most" \
	"$(cut -f 4 "$LAB_DIR/series" | grep . | sort -n | sed -n '1p;$p' | xargs)"
check_equal "no request failed" 0 "$(cut -f 8 "$LAB_DIR/steps" | awk '{n += $1} END {print n + 0}')"
report
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# stages.sh [--short]   orders on MariaDB in four stages: normal, many reads, many orders, and normal
#                       again while stress-ng wants the same CPU and disk. Every order that was
#                       accepted is in the database, once and whole.
#
# orders runs on b1 to b3 behind a VIP, MariaDB on b4, with its data on the disk, which commits wait
# for. What a stage costs the machine and the database is asked of Prometheus.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"
# shellcheck source-path=SCRIPTDIR
. "$LAB_TOP/tests/lab/database.sh"

seconds=$(by_form 3 30) # of a stage
scrape=$(by_form 1 2)   # from one to the next
url=http://198.18.0.10

start_shop() {
	local i
	lab_shop_start b4 198.18.1.14 --innodb-flush-method=fsync || return
	for i in 1 2 3; do
		lab_service_start b$i orders 80 --mariadb "$LAB_DIR/shop.cnf" \
			--init "$LAB_SQL/schema-mariadb.sql" --init "$LAB_SQL/seed.sql" || return
	done
	lab_agent_start || return
	lab_service orders tcp://198.18.0.10:80 "1 2 3" --check http --check-path /health \
		--check-interval 500ms
}

start_monitor() {
	lab_monitor_config "$scrape" && lab_targets webapp 198.18.1.1{1,2,3}:80 &&
		lab_targets mysqld 127.0.0.1:9104 && lab_mysqld_exporter_start 9104 &&
		lab_node_exporter_start 9100 &&
		lab_prometheus_start 9090 "$LAB_MONITOR/prometheus.yml" "$LAB_MONITOR/data/prometheus"
}

# Prometheus, in the full form, if its port is free: for Grafana's boards, say.
prometheus_page() {
	local port=${PROMETHEUS_PORT:-9090}
	[ -z "$SCENARIO_SHORT" ] || return 0
	! lab_carry prometheus-page "$port" 9090 || say "Prometheus meanwhile: http://127.0.0.1:$port/"
}

# --- customers ---

# customers NAME COUNT READS PAUSE SECONDS: see orders.lua; says how it goes.
customers() {
	local name=$1 count=$2 reads=$3 pause=$4 time=$5 ids
	ids=$(jq .order "$LAB_DIR/accepted" | tail -n 1000)
	# shellcheck disable=SC2086 # a list of numbers
	lab_spawn client "$name" timeout $((time + 30)) wrk -t "$count" -c "$count" -d "${time}s" \
		--timeout 10s -H "$LAB_FRESH" -s "$SCENARIOS/orders.lua" $url -- \
		"$name" "$reads" "$pause" "$LAB_DIR/$name.requests" $ids
	until wait_until 5 lab_gone "$name"; do
		figures "$name" | jq -r --arg name "$name" '"# \($name): \(.requests) requests, " +
			"p95 \(.p95_ms) ms, errors \(.errors)"'
	done
}

# figures NAME: of a stage's requests so far, as an object
figures() {
	cat "$LAB_DIR/$1.requests".* | jq -sc '
		def at(part): sort | if length == 0 then 0 else .[((length - 1) * part) | floor] end |
			. * 10 | round / 10;
		map(select(.good | not)) as $errors | map(.ms) as $times | {
			requests: length,
			reads: map(select(.kind == "read")) | length,
			errors: $errors | length,
			errors_by_status: $errors | group_by(.status) |
				map({key: "\(first.status)", value: length}) | from_entries,
			p50_ms: $times | at(0.5),
			p95_ms: $times | at(0.95),
			p99_ms: $times | at(0.99)
		}'
}

# accept KEY BODY: sends an order until it is accepted.
accept() {
	lab_curl --retry 10 --retry-delay 1 --retry-all-errors --fail-with-body -H "$LAB_JSON" \
		-H "Idempotency-Key: $1" -d "$2" "$url/api/order" 2>>"$LAB_DIR/accept.log" |
		jq -c --arg key "$1" 'select(.order) |
			{key: $key, lines: (.items | length), order, total_cents}'
}

# settle NAME: the orders that were accepted, to the list; those that had no answer when time was up
# are sent again, as customers would.
settle() {
	local key body
	cat "$LAB_DIR/$1.requests".* | jq -c 'select(.key)' >>"$LAB_DIR/accepted"
	while read -r _ key body; do
		accept "$key" "$body" >>"$LAB_DIR/accepted" &
	done < <(grep '^open ' "$LAB_DIR/$1.log")
	wait
}

# --- what it costs ---

# cpu_ms LABEL...: CPU time that these processes have had
cpu_ms() {
	local label
	for label in "$@"; do
		cat "/proc/$(lab_pid "$label")/stat"
	done | awk -v hertz="$(getconf CLK_TCK)" '{sum += $14 + $15} END {print sum * 1000 / hertz}'
}

# What Prometheus is asked, over a time such as 30s. Waiting for the disk is no work of the CPU.
machine_percent() {
	echo "clamp_max(100 * sum(rate(node_cpu_seconds_total{mode!~\"idle|iowait\"}[$1]))" \
		"/ count(node_cpu_seconds_total{mode=\"idle\"}), 100)"
}

queries() {
	echo "sum(rate(mysql_global_status_queries[$1]))"
}

query_p95_ms() {
	echo "1000 * histogram_quantile(0.95," \
		"sum by (le) (rate(mysql_info_schema_query_response_time_seconds_bucket[$1])))"
}

# prometheus PATH PARAMETER...
prometheus() {
	local path=$1 parameter parameters=()
	shift
	for parameter in "$@"; do
		parameters+=(--data-urlencode "$parameter")
	done
	lab_exec lb curl -sS --max-time 10 --get "${parameters[@]}" "http://127.0.0.1:9090/api/v1/$path"
}

# value QUERY MS: at that moment; null if it has none, where a busy machine missed scrapes
value() {
	prometheus query "query=$1" "time=$(($2 / 1000))" |
		jq -s '(.[0].data.result[0].value[1] // "" | tonumber? | . * 10 | round / 10) // null'
}

# stage NAME TITLE CUSTOMERS READS PAUSE
stage() {
	local name=$1 title=$2 begin end database replicas window
	shift 2
	say "$title"
	begin=$(lab_now_ms) database=$(cpu_ms database) replicas=$(cpu_ms b1 b2 b3)
	customers "$name" "$@" "$seconds"
	end=$(lab_now_ms) database=$(($(cpu_ms database) - database)) replicas=$(($(cpu_ms b1 b2 b3) - replicas))
	window=$(((end - begin) / 1000))s
	figures "$name" | jq -c --arg stage "$name" --argjson begin "$begin" --argjson ended "$end" \
		--argjson machine "$(value "$(machine_percent $window)" "$end")" \
		--argjson database "$database" --argjson replicas "$replicas" \
		--argjson queries "$(value "$(queries $window)" "$end")" \
		--argjson query_p95 "$(value "$(query_p95_ms $window)" "$end")" '
		def percent(ms): 1000 * ms / ($ended - $begin) | round / 10;
		{stage: $stage, begin_ms: $begin, end_ms: $ended} + . + {
			cpu_percent: {machine: $machine, database: percent($database), orders: percent($replicas)},
			queries_per_second: $queries, query_p95_ms: $query_p95}' >>"$LAB_DIR/stages"
	settle "$name"
}

# of STAGE FIGURE
of() {
	jq -r --arg stage "$1" "select(.stage == \$stage) | .$2" "$LAB_DIR/stages"
}

# Of CPU and disk; it ends by itself.
start_stress() {
	lab_spawn b4 stress-ng stress-ng --cpu 0 --cpu-load 60 --hdd 1 --hdd-bytes 32M --hdd-opts fsync \
		--temp-path "$disk" --timeout "${seconds}s"
}

# --- the end ---

# What was accepted and what is in the database, alike: key, number, lines, total
take_stock() {
	jq -r '[.key, .order, .lines, .total_cents] | @tsv' "$LAB_DIR/accepted" | sort >"$LAB_DIR/wanted"
	lab_shop 'SELECT idempotency_key, orders.id, count(*), sum(quantity * price_cents)
		FROM orders JOIN order_lines ON order_id = orders.id GROUP BY orders.id' | sort >"$LAB_DIR/entered"
	accepted=$(wc -l <"$LAB_DIR/wanted")
}

# Lines of no order or of no item, and orders of no line.
count_strays() {
	lab_shop 'SELECT (SELECT count(*) FROM order_lines LEFT JOIN orders ON orders.id = order_id
			LEFT JOIN items ON items.id = item_id WHERE orders.id IS NULL OR items.id IS NULL) +
		(SELECT count(*) FROM orders LEFT JOIN order_lines ON order_id = orders.id
			WHERE order_id IS NULL)'
}

# errors_below STAGE PERMILLE
errors_below() {
	[ $((1000 * $(of "$1" errors))) -lt $(($2 * $(of "$1" requests))) ]
}

counted_by_prometheus() {
	[ "$(value 'sum(webapp_orders_total{result="created"})' "$(lab_now_ms)")" = "$accepted" ]
}

# series QUERY: over all stages, as an object of steps and values
series() {
	prometheus query_range "query=$1" "start=$first" "end=$last" "step=$scrape" |
		jq -s --argjson first "$first" --argjson step "$scrape" '.[0].data.result[0].values // [] | map({
			key: "\((.[0] - $first) / $step | round)", value: .[1] | tonumber}) | from_entries'
}

chart() {
	local name first last marks window=$((4 * scrape))s
	local names=$'requests/s\tp95, ms\terrors\tCPU of the machine, %\tqueries/s'
	first=$(jq -s 'first.begin_ms / 1000' "$LAB_DIR/stages")
	last=$(jq -s 'last.end_ms / 1000' "$LAB_DIR/stages")
	marks=$(jq -r --argjson first "$first" '"\(.begin_ms / 1000 - $first)\t\(.stage)"' "$LAB_DIR/stages" |
		paste -s)
	for name in $(jq -r .stage "$LAB_DIR/stages"); do
		cat "$LAB_DIR/$name.requests".*
	done | jq -sr --argjson first "$first" --argjson last "$last" --argjson step "$scrape" \
		--argjson machine "$(series "$(machine_percent $window)")" \
		--argjson queries "$(series "$(queries $window)")" '
		group_by((.at - $first) / $step | floor) |
			map({key: "\((first.at - $first) / $step | floor)", value: .}) | from_entries as $asked |
			range(0; ($last - $first) / $step | floor) | "\(.)" as $at | ($asked[$at] // []) as $all | [
				. * $step, ($all | length) / $step,
				($all | map(.ms) | sort | .[((length - 1) * 0.95) | floor]),
				($all | map(select(.good | not)) | length),
				$machine[$at], $queries[$at]] | @tsv' |
		report_lines "Orders in four stages" "$names" "$marks"
}

report() {
	jq -s --argjson accepted "$accepted" --argjson same "$1" '
		def stage(name): map(select(.stage == name))[0];
		def share: 10000 * .errors / .requests | round / 100;
		def target(words; measured; unit; limit):
			{target: words, measured: "\(measured) \(unit)", met: (measured < limit)};
		{stages: ., orders: {accepted: $accepted, same_in_database: $same}, targets: [
			target("normal: p95 < 100 ms"; stage("normal").p95_ms; "ms"; 100),
			target("high-read: p95 < 300 ms"; stage("high-read").p95_ms; "ms"; 300),
			target("normal: errors < 0.1 %"; stage("normal") | share; "%"; 0.1),
			target("stress: errors < 5 %"; stage("stress") | share; "%"; 5),
			{target: "rows as accepted", measured: "\($same) of \($accepted)",
				met: ($same == $accepted)}]}' "$LAB_DIR/stages" | report_json
	chart
	{
		jq -r '
			["stage", "requests", "reads", "p50 ms", "p95 ms", "p99 ms", "errors", "CPU: machine",
				"database", "orders", "queries/s", "query p95 ms"],
			(.stages[] | [.stage, .requests, .reads, .p50_ms, .p95_ms, .p99_ms,
				"\(10000 * .errors / .requests | round / 100) %\(.errors_by_status | to_entries |
					map(" (\(.value) of \(.key))") | add // "")",
				(.cpu_percent[] | "\(. // "?") %"), (.queries_per_second, .query_p95_ms | . // "?")]) |
			@tsv' "$SCENARIO_REPORT.json" | report_table
		echo
		jq -r '.targets[] | [.target, .measured, if .met then "met" else "missed" end] | @tsv' \
			"$SCENARIO_REPORT.json" | report_table
		echo
		echo "CPU of the machine is of all its cores, of others of one core. Status 0 is no answer."
	} | report_text "orders on MariaDB in four stages"
}

lab_up || exit 1
disk=$(mktemp -d "$LAB_BUILD/stages.XXXXXX") || exit 1
trap 'lab_down; rm -rf "$disk"' EXIT
LAB_DATABASE=$disk/database
start_shop || bail "the shop opens"
start_monitor || bail "Prometheus and the exporters start"
scenario_page
prometheus_page

: >"$LAB_DIR/accepted"
say "The first orders, so that there is something to read."
customers first 4 0 1 1
settle first
stage normal "Normal: 4 customers, half of what they do is reading." 4 50 40
stage high-read "High read: 12 customers, 80 % reading." 12 80 20
stage high-write "High write: 12 customers, 20 % reading." 12 20 20
start_stress
stage stress "Normal again, while stress-ng uses 60 % of the CPU, and the disk." 4 50 40
check "stress-ng had its share" wait_until 20 grep -q 'successful run completed' "$LAB_DIR/stress-ng.log"

check "normal: errors below 0.1 %" errors_below normal 1
check "stress: errors below 5 %" errors_below stress 50
take_stock
check_equal "as many orders in the database as were accepted" "$accepted" \
	"$(lab_shop 'SELECT count(*) FROM orders')"
check "the same ones: key, number, lines, total" diff "$LAB_DIR/wanted" "$LAB_DIR/entered"
check_equal "no line without its order and item, no order without lines" 0 "$(count_strays)"
check "Prometheus has counted them, too" wait_until 20 counted_by_prometheus
report "$(comm -12 "$LAB_DIR/wanted" "$LAB_DIR/entered" | wc -l)"
checks_done

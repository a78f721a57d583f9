#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every variable and every panel of the dashboards, asked of a real Prometheus that has scraped a lab
# under load: a balancer with an etcd, the servers behind it, the machine and a database.
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/check.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/monitor.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/database.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/etcd.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/servers.sh"

boards=("$LAB_TOP"/grafana/provisioning/dashboards/sluice/*.json)

# An etcd beside the agent, of which nobody else knows.
ETCD_HOST=lb ETCD=http://127.0.0.1:2379

# Two services: hello on b1 and b2, and orders on b3 with its database on b4. The autoscaler, and who
# makes weights follow load, only say what they would do.
start_services() {
	lab_load 1 0.4 && lab_report_start 1 && lab_load 2 0.6 && lab_report_start 2 || return
	lab_agent_start --store etcd://127.0.0.1:2379/lab && lab_shop_start b4 198.18.1.14 &&
		lab_service_start b1 hello 80 && lab_service_start b2 hello 80 &&
		lab_service_start b3 orders 80 --mariadb "$LAB_DIR/shop.cnf" \
			--init "$LAB_SQL/schema-mariadb.sql" --init "$LAB_SQL/seed.sql" &&
		lab_service web "tcp://$LAB_VIP4:80" "1 2" --check http --check-path /health \
			--scale dry-run --scale-metric active-flows --scale-target 100 --scale-max 4 \
			--load dry-run --load-interval 1s &&
		lab_service shop "tcp://[$LAB_VIP6]:80" "3" --check http --check-path /health
}

# Orders, and looks at them, while the file is there.
shop() {
	local i
	for ((i = 1; i < 2000; i++)); do
		[ -e "$LAB_DIR/open" ] || return
		lab_curl -o /dev/null -H "$LAB_JSON" -H "Idempotency-Key: $i" \
			-d '{"items": [{"item": 1, "quantity": 2}]}' "$LAB_URL6/api/order"
		lab_curl -o /dev/null "$LAB_URL6/api/order/1"
	done
}

start_load() {
	lab_spawn client wrk wrk -t1 -c4 -d150s -H "$LAB_FRESH" "$LAB_URL4/"
	touch "$LAB_DIR/open"
	shop >/dev/null 2>&1 &
	load=$!
}

start_monitor() {
	lab_monitor_config 1 && lab_targets mysqld 127.0.0.1:9104 &&
		lab_targets webapp 198.18.1.1{1,2,3}:80 &&
		lab_mysqld_exporter_start 9104 && lab_node_exporter_start 9100 &&
		lab_prometheus_start 9090 "$LAB_MONITOR/prometheus.yml" "$LAB_MONITOR/data/prometheus"
}

lab_up || exit 1
lab_count_runs || bail "the kernel counts what programs cost"
etcd_start || bail "etcd starts"
start_services || bail "the services come up"
start_load
start_monitor || bail "Prometheus and the exporters start"

# Scraped every second; rates are taken over more, for a busy machine misses some.
lab_exec lb /usr/bin/python3 -B "$LAB_TOP/tests/grafana/check.py" --prometheus http://127.0.0.1:9090 \
	--window 6 --range 30 --within 30 "${boards[@]}"
status=$?
rm "$LAB_DIR/open"
wait "$load"
exit $status

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every variable and every panel of the dashboards, asked of a real Prometheus that has scraped a lab
# under load: the balancer, the servers behind it, the machine and a database.
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/check.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/monitor.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/database.sh"

boards=("$LAB_TOP"/grafana/provisioning/dashboards/sluice/*.json)
statistics=/proc/sys/kernel/bpf_stats_enabled

# What an application asks of a database, for as long as the client lives.
shop() {
	cat <<-SQL
		CREATE DATABASE shop; USE shop;
		CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, item VARCHAR(40), amount INT);
	SQL
	while sleep 0.1; do
		echo "BEGIN; INSERT INTO orders (item, amount) VALUES ('apple', $RANDOM); COMMIT;"
		echo "SELECT COUNT(*) FROM orders WHERE amount < $RANDOM;"
	done
}

# The kernel counts what programs cost while it is told to.
count_runs() {
	local before
	before=$(cat "$statistics") || return
	# shellcheck disable=SC2064 # as it is now
	trap "echo $before >$statistics; lab_down" EXIT
	echo 1 >"$statistics"
}

start_balancer() {
	lab_agent_start && lab_backend_start 1 hello && lab_backend_start 2 hello &&
		lab_backend_start 3 hello &&
		lab_service web "tcp://$LAB_VIP4:80" "1 2" --check http --check-path /health &&
		lab_service web6 "tcp://[$LAB_VIP6]:80" "3"
}

start_load() {
	lab_wrk -t1 -c2 -d100s -H "$LAB_FRESH" "$LAB_URL4/" >/dev/null 2>&1 &
	lab_wrk -t1 -c1 -d100s -H "$LAB_FRESH" "$LAB_URL6/" >/dev/null 2>&1 &
	shop | lab_sql >/dev/null 2>&1 &
}

start_monitor() {
	lab_monitor_config 1 && lab_targets mysqld 127.0.0.1:9104 && lab_mysqld_exporter_start 9104 &&
		lab_node_exporter_start 9100 &&
		lab_prometheus_start 9090 "$LAB_MONITOR/prometheus.yml" "$LAB_MONITOR/data/prometheus"
}

# absent: metrics of the boards that no source of this version names, so that no lab can have them:
# what reads them is skipped, and said. Those of exporters are never among them.
absent() {
	local metric
	grep -ohE '\b(lb|webapp)_[a-z0-9_]+' "${boards[@]}" | sort -u | while read -r metric; do
		grep -rqF "${metric%_bucket}" "$LAB_TOP"/{agent,backends} || printf -- '--absent %s ' "$metric"
	done
}

lab_up || exit 1
count_runs || bail "the kernel counts what programs cost"
start_balancer || bail "the balancer and its servers start"
lab_database_start || bail "the database starts"
start_load
start_monitor || bail "Prometheus and the exporters start"

# Scraped every second; rates are taken over more, for a busy machine misses some.
# shellcheck disable=SC2046 # a list
lab_exec lb /usr/bin/python3 -B "$LAB_TOP/tests/grafana/check.py" --prometheus http://127.0.0.1:9090 \
	--window 6 --range 30 --within 30 $(absent) "${boards[@]}"

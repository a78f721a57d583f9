# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A MariaDB of the lab's own, and mysqld_exporter beside it. Source it behind monitor.sh. Neither
# reads a configuration of the machine; the database listens on a socket in LAB_DIR only, if no flag
# says otherwise.

LAB_DATABASE=$LAB_DIR/database
LAB_DATABASE_IN=${LAB_DATABASE_IN:-lb} # the namespace that it runs in
LAB_DATABASE_SOCKET=$LAB_DIR/database.sock

# lab_sql [ARG...]: the database's client; statements come from its input, or by --execute.
lab_sql() {
	mariadb --no-defaults --socket="$LAB_DATABASE_SOCKET" --user=root "$@"
}

# lab_database_start [FLAG...]: returns when it answers; after an end, with its data. It need not
# survive the machine, so it waits for no disk; what is measured for the dashboards is switched on.
lab_database_start() {
	local common=(--no-defaults "--datadir=$LAB_DATABASE" --user=root --innodb-log-file-size=4M
		--innodb-flush-method=nosync)
	[ -d "$LAB_DATABASE" ] ||
		mariadb-install-db "${common[@]}" --auth-root-authentication-method=normal --skip-test-db \
			>"$LAB_DIR/database-install.log" 2>&1 ||
		lab_fail "no database: $(tail -n 5 "$LAB_DIR/database-install.log")" || return
	lab_spawn "$LAB_DATABASE_IN" database mariadbd "${common[@]}" --socket="$LAB_DATABASE_SOCKET" --skip-networking \
		--pid-file="$LAB_DATABASE/pid" --innodb-buffer-pool-size=32M --performance-schema=ON \
		--plugin-load-add=query_response_time --query-response-time-stats=ON \
		--query-response-time-range-base=2 "$@"
	# It takes the finer buckets of query times up only when it empties them.
	wait_until 30 lab_sql --execute 'FLUSH QUERY_RESPONSE_TIME' && lab_running database && return
	lab_fail "the database does not start; its last lines:"
	tail -n 5 "$LAB_DIR/database.log" >&2
	return 1
}

# lab_mysqld_exporter_start PORT: on 127.0.0.1 of the balancer's namespace.
lab_mysqld_exporter_start() {
	local address=127.0.0.1:$1
	lab_serve mysqld_exporter "http://$address/" env \
		"DATA_SOURCE_NAME=root@unix($LAB_DATABASE_SOCKET)/" prometheus-mysqld-exporter \
		--web.listen-address="$address" --collect.info_schema.query_response_time \
		--collect.perf_schema.eventsstatements
}

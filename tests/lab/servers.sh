# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo services in the lab, and the servers behind them: Redis, MariaDB. Sourced after lab.sh.
# Everything they write is in LAB_DIR, everything they listen on in a namespace of the lab.

# shellcheck disable=SC2034 # these are for scripts
LAB_SQL=$LAB_TOP/backends/orders LAB_JSON='Content-Type: application/json'

# lab_service_start NAME PROGRAM PORT FLAG...: a demo service in namespace NAME. Its label is NAME,
# or NAME.PORT for other ports than 80.
lab_service_start() {
	local name=$1 program=$2 port=$3 label=$1
	shift 3
	[ "$port" = 80 ] || label=$name.$port
	lab_spawn "$name" "$label" "$LAB_BUILD/$program" --name "$name" --listen "$port" "$@"
	wait_until 15 lab_listening "$name" "$port" && return
	lab_fail "$program in $name does not listen on port $port:"
	tail -n 20 "$LAB_DIR/$label.log" >&2
	return 1
}

# lab_settings NAME PORT JSON: how an unstable, or a hello, is to behave from now on.
lab_settings() {
	lab_exec "$1" curl -sS --fail-with-body --max-time 5 -X PUT -H "$LAB_JSON" -d "$3" \
		"http://127.0.0.1:$2/settings"
}

# lab_redis_start NAME PORT: keeps its data over restarts; label redis.PORT.
lab_redis_start() {
	local name=$1 port=$2 dir=$LAB_DIR/redis.$2
	mkdir -p "$dir"
	lab_spawn "$name" "redis.$port" redis-server --port "$port" --bind 0.0.0.0 \
		--protected-mode no --dir "$dir" --save '' --appendonly yes --appendfsync always
	wait_until 10 lab_listening "$name" "$port" ||
		lab_fail "redis-server does not start: $(tail -n 3 "$LAB_DIR/redis.$port.log")"
}

lab_mariadb_conf() {
	cat <<-CONF
		[mariadbd]
		user = root
		datadir = $LAB_DIR/mariadb
		socket = $LAB_DIR/mariadb.sock
		pid-file = $LAB_DIR/mariadb.server.pid
		bind-address = 0.0.0.0
		skip-name-resolve
		innodb-buffer-pool-size = 32M
		innodb-log-file-size = 16M
		[client]
		socket = $LAB_DIR/mariadb.sock
		user = root
	CONF
}

# lab_sql [DATABASE] SQL: as its root, through the socket; rows without head.
lab_sql() {
	mariadb --defaults-file="$LAB_DIR/mariadb.cnf" -N -B "${@:1:$#-1}" -e "${*: -1}"
}

# lab_mariadb_start NAME: starts the server, made new the first time; label mariadb.
lab_mariadb_start() {
	if [ ! -d "$LAB_DIR/mariadb" ]; then
		lab_mariadb_conf >"$LAB_DIR/mariadb.cnf"
		mariadb-install-db --defaults-file="$LAB_DIR/mariadb.cnf" --skip-test-db \
			--auth-root-authentication-method=normal >"$LAB_DIR/mariadb.log" 2>&1 ||
			lab_fail "mariadb-install-db: $(tail -n 5 "$LAB_DIR/mariadb.log")" || return
	fi
	lab_spawn "$1" mariadb mariadbd --defaults-file="$LAB_DIR/mariadb.cnf"
	wait_until 30 lab_sql 'SELECT 1' ||
		lab_fail "mariadbd does not start: $(tail -n 5 "$LAB_DIR/mariadb.log")"
}

# lab_mariadb_shop ADDR: the database shop, and the option file that orders is given to reach it
# at ADDR: $LAB_DIR/shop.cnf.
lab_mariadb_shop() {
	lab_sql "CREATE DATABASE shop; CREATE USER orders@'%' IDENTIFIED BY 'shop';
		GRANT ALL ON shop.* TO orders@'%'" || return
	(umask 077 && cat >"$LAB_DIR/shop.cnf") <<-CONF
		[client]
		host = $1
		user = orders
		password = shop
		database = shop
	CONF
}

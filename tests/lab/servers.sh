# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo services in the lab, and the servers behind them: Redis, MariaDB. Source it behind lab.sh,
# and behind database.sh for the latter.
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

# lab_shop_start NAME ADDR [FLAG...]: a database as in database.sh, in namespace NAME, whose address is
# ADDR; the first time with the database shop and the option file that orders is given:
# $LAB_DIR/shop.cnf.
lab_shop_start() {
	LAB_DATABASE_IN=$1 lab_database_start --skip-networking=OFF --bind-address=0.0.0.0 \
		--skip-name-resolve "${@:3}" || return
	[ ! -e "$LAB_DIR/shop.cnf" ] || return 0
	lab_sql --execute "CREATE DATABASE shop; CREATE USER orders@'%' IDENTIFIED BY 'shop';
		GRANT ALL ON shop.* TO orders@'%'" || return
	(umask 077 && cat >"$LAB_DIR/shop.cnf") <<-CONF
		[client]
		host = $2
		user = orders
		password = shop
		database = shop
	CONF
}

# lab_shop SQL: what the database shop answers, rows without head.
lab_shop() {
	lab_sql --skip-column-names --batch shop --execute "$1"
}

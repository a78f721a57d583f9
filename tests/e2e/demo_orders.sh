#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# orders behind a VIP, on MariaDB and on SQLite: while replicas and the database are killed under
# clients that send again what had no answer, no order is lost and none entered twice.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/monitor.sh"
. "$(dirname "$0")/../lab/database.sh"
. "$(dirname "$0")/../lab/servers.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_shop_start b4 198.18.1.14 || exit 1

# start N: the replica on bN, on MariaDB at port 80
start() {
	lab_service_start "b$1" orders 80 --mariadb "$LAB_DIR/shop.cnf" \
		--init "$LAB_SQL/schema-mariadb.sql" --init "$LAB_SQL/seed.sql"
}

# start_files N: on the SQLite file that both share, at port 8080
start_files() {
	lab_service_start "b$1" orders 8080 --sqlite "$LAB_DIR/orders.db" \
		--init "$LAB_SQL/schema-sqlite.sql" --init "$LAB_SQL/seed.sql"
}

for i in 1 2 3; do
	start $i || exit 1
done
for i in 1 2; do
	start_files $i || exit 1
done
lab_agent_start || exit 1
health=(--check http --check-path /health --check-interval 100ms --check-timeout 100ms --fall 2)
lab_service orders tcp://198.18.0.10:80 "1 2 3" "${health[@]}" || bail "orders comes up"
lbctl add service files --vip tcp://198.18.0.10:8080 "${health[@]}" >/dev/null
lbctl add backend files 198.18.1.11:8080 198.18.1.12:8080 >/dev/null
lab_wait_up files || bail "orders on a file comes up"

# post URL KEY BODY [CURL-ARG...]: answer, and the status behind it
post() {
	local url=$1 key=$2 body=$3
	shift 3
	lab_curl -w '\n%{http_code}\n' -H "$LAB_JSON" -H "Idempotency-Key: $key" -d "$body" "$@" "$url/api/order"
}

# customer NAME COUNT URL: sends orders one after the other, each until it has an answer; their
# keys and numbers to NAME.orders
customer() {
	local i id
	for ((i = 1; i <= $2; i++)); do
		id=$(post "$3" "$1-$i" "{\"items\": [{\"item\": $((1 + i % 10)), \"quantity\": 1}, \
			{\"item\": $((1 + (i + 3) % 10)), \"quantity\": $i}]}" -H "$LAB_FRESH" --max-time 3 \
			--retry 40 --retry-delay 1 --retry-all-errors 2>/dev/null | jq -r '.order? // empty' |
			tail -n 1)
		echo "$1-$i $id" >>"$LAB_DIR/$1.orders"
	done
}

# customers PREFIX COUNT URL: eight at a time
customers() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		customer "$1$i" "$2" "$3" &
	done
	wait
}

# taken PREFIX N: so many orders have been answered
taken() {
	[ "$(cat "$LAB_DIR/$1"?.orders 2>/dev/null | wc -l)" -ge "$2" ]
}

# One whose database has a name that nobody knows; it takes its time to give up.
sed 's/^host = .*/host = shop.invalid/' "$LAB_DIR/shop.cnf" >"$LAB_DIR/nowhere.cnf"
lab_service_start b4 orders 8081 --mariadb "$LAB_DIR/nowhere.cnf" || exit 1
lab_curl --max-time 60 -w '%{http_code}' -o /dev/null http://198.18.1.14:8081/api/order/1 \
	>"$LAB_DIR/nowhere" &

# --- MariaDB: replicas die, then the database ---

customers die 20 http://198.18.0.10 &
customers=$!
check "orders come in" wait_until 20 taken die 40
lab_end b1 KILL
check "a replica is killed; they go on" wait_until 20 taken die 70
start 1 || bail "b1 starts again"
lab_end b2 KILL
check "another one; they go on" wait_until 20 taken die 100
lab_end database KILL
lab_shop_start b4 198.18.1.14 || bail "MariaDB starts again"
check "the database is killed and started again; they go on" wait_until 30 taken die 160
wait $customers
start 2 || bail "b2 starts again"

cat "$LAB_DIR"/die?.orders | sort >"$LAB_DIR/accepted"
lab_shop 'SELECT idempotency_key, id FROM orders' | tr '\t' ' ' | sort >"$LAB_DIR/entered"
check_equal "160 orders accepted" 160 "$(grep -cE '^die[1-8]-[0-9]+ [0-9]+$' "$LAB_DIR/accepted")"
check_equal "and 160 in the database" 160 "$(lab_shop 'SELECT count(*) FROM orders')"
check "the same, under the same numbers" diff "$LAB_DIR/accepted" "$LAB_DIR/entered"
check_equal "each with all its lines" 320 "$(lab_shop 'SELECT count(*) FROM order_lines')"
check_equal "none of another order" 0 "$(lab_shop 'SELECT count(*) FROM order_lines
	LEFT JOIN orders ON orders.id = order_id WHERE orders.id IS NULL')"

# --- one key, one order ---

body='{"items": [{"item": 2, "quantity": 3}, {"item": 1, "quantity": 1}]}'
first=$(post http://198.18.0.10 once "$body")
check_equal "an order is created" 201 "$(tail -n 1 <<<"$first")"
check_equal "its total is right" 1140 "$(head -n 1 <<<"$first" | jq .total_cents)"
for ((i = 0; i < 8; i++)); do
	post http://198.18.0.10 once "$body" -H "$LAB_FRESH" | xargs
done | sort | uniq -c >"$LAB_DIR/again"
check_equal "sent again, it is the same order" "8 $(xargs <<<"${first/%201/200}")" \
	"$(sed -E 's/^ +//' "$LAB_DIR/again")"
id=$(head -n 1 <<<"$first" | jq .order)
check_equal "and can be read" "$(head -n 1 <<<"$first")" "$(lab_curl "http://198.18.0.10/api/order/$id")"
for ((i = 0; i < 8; i++)); do
	post "http://198.18.1.1$((1 + i % 3))" race "$body" >"$LAB_DIR/race.$i" &
done
wait
check_equal "sent to three replicas at once, it is created once" 1 "$(cat "$LAB_DIR"/race.? | grep -c '^201$')"
check_equal "and known to the others" 7 "$(cat "$LAB_DIR"/race.? | grep -c '^200$')"
check_equal "by one number" 1 "$(cat "$LAB_DIR"/race.? | jq -r '.order? // empty' | sort -u | wc -l)"

lab_shop "START TRANSACTION; INSERT INTO orders (idempotency_key, created_ms) VALUES ('held', 1);
	SELECT SLEEP(3); ROLLBACK" >/dev/null &
held() {
	lab_shop "SELECT state FROM information_schema.processlist" | grep -q 'User sleep'
}
check "somebody holds a lock" wait_until 5 held
check_equal "an order waits for it, and is created" 201 "$(post http://198.18.1.11 held "$body" | tail -n 1)"
wait
check "which took another try" grep -qE '^webapp_database_retries_total\{.*reason="lock"\} [1-9]' \
	<(lab_curl http://198.18.1.11/metrics)

# --- SQLite: a file that two replicas share, one of which is killed ---

customers file 10 http://198.18.0.10:8080 &
customers=$!
check "on a file: orders come in" wait_until 20 taken file 20
lab_end b1.8080 KILL
wait $customers
cat "$LAB_DIR"/file?.orders >"$LAB_DIR/on-file"
check_equal "on a file: 80 orders, numbered without a gap" "1 80 80" \
	"$(awk '{print $2}' "$LAB_DIR/on-file" | sort -nu | sed -n '1p; $p' | xargs) $(awk '{print $2}' \
		"$LAB_DIR/on-file" | sort -nu | wc -l)"
check_equal "on a file: and no more" 404 \
	"$(lab_curl -o /dev/null -w '%{http_code}' http://198.18.1.12:8080/api/order/81)"

# --- bad input ---

before=$(lab_shop 'SELECT count(*) FROM orders')
# bad NAME STATUS FIELD BODY [CURL-ARG...]
bad() {
	local name=$1 status=$2 field=$3 text=$4
	shift 4
	check_matches "$name" "^\{\"error\":\".+\"field\":\"$field\".*\} $status$" \
		"$(post http://198.18.0.10 "bad-$RANDOM" "$text" "$@" | tr '\n' ' ' | sed 's/  */ /g; s/ $//')"
}

bad "an unknown item" 422 items '{"items": [{"item": 4711, "quantity": 1}]}'
bad "an unknown one beside a known one" 422 items \
	'{"items": [{"item": 1, "quantity": 1}, {"item": 4711, "quantity": 1}]}'
bad "no quantity" 400 'items\[0\]\.quantity' '{"items": [{"item": 1}]}'
bad "too many" 400 'items\[1\]\.quantity' \
	'{"items": [{"item": 1, "quantity": 1}, {"item": 2, "quantity": 1001}]}'
bad "fewer than one" 400 'items\[0\]\.quantity' '{"items": [{"item": 1, "quantity": -1}]}'
bad "half a piece" 400 'items\[0\]\.quantity' '{"items": [{"item": 1, "quantity": 0.5}]}'
bad "a quantity in words" 400 'items\[0\]\.quantity' '{"items": [{"item": 1, "quantity": "one"}]}'
bad "an item twice" 400 items '{"items": [{"item": 1, "quantity": 1}, {"item": 1, "quantity": 1}]}'
bad "no items" 400 items '{"items": []}'
bad "a price of one's own" 400 'items\[0\]' '{"items": [{"item": 1, "quantity": 1, "price": 0}]}'
check_equal "a wrong content type" 415 "$(lab_curl -o /dev/null -w '%{http_code}' -H 'Idempotency-Key: bad' \
	-H 'Content-Type: text/plain' -d "$body" http://198.18.0.10/api/order)"
check_equal "no JSON" '{"error":"line 1, column 1: not valid JSON"}' \
	"$(post http://198.18.0.10 bad nonsense | head -n 1)"
check_equal "no key" 400 "$(lab_curl -o /dev/null -w '%{http_code}' -H "$LAB_JSON" -d "$body" \
	http://198.18.0.10/api/order)"
check_equal "a key with blanks" 400 "$(post http://198.18.0.10 'a b' "$body" | tail -n 1)"
check_equal "a key that is another order's" 422 \
	"$(post http://198.18.0.10 once '{"items": [{"item": 1, "quantity": 9}]}' | tail -n 1)"
head -c 70000 /dev/zero | tr '\0' ' ' >"$LAB_DIR/large"
check_equal "a long body" 413 "$(post http://198.18.0.10 large "@$LAB_DIR/large" | tail -n 1)"
check_equal "a method that is not allowed" 405 \
	"$(lab_curl -o /dev/null -w '%{http_code}' -X DELETE http://198.18.0.10/api/order/1)"
check_equal "an order that is not there" 404 \
	"$(lab_curl -o /dev/null -w '%{http_code}' http://198.18.0.10/api/order/999999)"
check_equal "a number that is none" 400 \
	"$(lab_curl -o /dev/null -w '%{http_code}' http://198.18.0.10/api/order/one)"
wait_until 60 test -s "$LAB_DIR/nowhere"
check_equal "a database whose name is not known, now" 503 "$(cat "$LAB_DIR/nowhere")"
check_equal "none of them is in the database" "$before" "$(lab_shop 'SELECT count(*) FROM orders')"

check "promtool likes the metrics" promtool check metrics < <(lab_curl http://198.18.1.11/metrics)
check "it ends by SIGTERM" lab_end b3 TERM
checks_done

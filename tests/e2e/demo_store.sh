#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# store behind a VIP, the unstable service behind another, shards in Redis and in SQLite: answers
# are kept and found again, a lost shard costs its own ids and no other, clients always have an
# answer.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/servers.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
vip=http://198.18.0.10 source_vip=198.18.0.11
for port in 7001 7002 7003; do
	lab_redis_start b4 $port || exit 1
done
for i in 3 4; do
	lab_service_start b$i unstable 80 || exit 1
done
redis=(--redis 198.18.1.14:7001 --redis 198.18.1.14:7002 --redis 198.18.1.14:7003)
for i in 1 2; do
	lab_service_start b$i store 80 --unstable "http://$source_vip/" --timeout 700ms "${redis[@]}" || exit 1
	lab_service_start b$i store 8080 --unstable "http://$source_vip/" --timeout 700ms \
		--data "$LAB_DIR/shards" --shards 3 || exit 1
done
lab_agent_start || exit 1
health=(--check http --check-path /health --check-interval 200ms)
lab_service source "tcp://$source_vip:80" "3 4" "${health[@]}" || bail "the source comes up"
lab_service store "tcp://198.18.0.10:80" "1 2" "${health[@]}" || bail "store comes up"
lbctl add service files --vip tcp://198.18.0.10:8080 "${health[@]}" >/dev/null
lbctl add backend files 198.18.1.11:8080 198.18.1.12:8080 >/dev/null
lab_wait_up files || bail "store on files comes up"

# ask PATH [PORT]: the answer of store behind its VIP, and the status behind it
ask() {
	lab_curl -H "$LAB_FRESH" -w '%{http_code}\n' "$vip:${2:-80}$1"
}

status() {
	ask "$@" | tail -n 1
}

# fresh N [PORT]: asks for data so often, each time anew; the answers as JSON, one a line
fresh() {
	local i urls=()
	for ((i = 0; i < $1; i++)); do
		urls+=("$vip:${2:-80}/")
	done
	lab_curl -H "$LAB_FRESH" "${urls[@]}"
}

# of_shard N FILE: the ids in a file of answers
of_shard() {
	jq -r --argjson shard "$1" 'select(.shard == $shard) | .id' "$2"
}

# found IDS [PORT]: how many of them are answered with 200
found() {
	local id asked=()
	for id in $1; do
		asked+=(-o /dev/null "$vip:${2:-80}/data/$id")
	done
	lab_curl -H "$LAB_FRESH" -w '%{http_code}\n' "${asked[@]}" | grep -c '^200$'
}

# --- kept and found ---

fresh 48 >"$LAB_DIR/answers"
check_equal "48 answers, each of fresh data" 48 \
	"$(jq -c 'select(.fallback == false and .data.sequence > 0)' "$LAB_DIR/answers" | wc -l)"
check_equal "from both replicas" "b1 b2" "$(jq -r .served_by "$LAB_DIR/answers" | sort -u | xargs)"
check_equal "and both sources" "b3 b4" "$(jq -r .data.source "$LAB_DIR/answers" | sort -u | xargs)"
check_equal "in all shards" "0 1 2" "$(jq -r .shard "$LAB_DIR/answers" | sort -u | xargs)"
check_equal "all are found again, by whatever replica" 48 "$(found "$(jq -r .id "$LAB_DIR/answers")")"
id=$(head -n 1 "$LAB_DIR/answers" | jq -r .id)
check_equal "as they were" "$(head -n 1 "$LAB_DIR/answers" | jq -S 'del(.shard)')" \
	"$(ask "/data/$id" | head -n 1 | jq -S .)"

# --- a shard is lost ---

# lost WHAT SHARD PLACE FILE PORT: of a lost shard, its ids and no others
lost() {
	local what=$1 shard=$2 file=$4 port=$5 ids others
	ids=$(of_shard "$shard" "$file")
	others=$(jq -r .id "$file" | grep -vF "$ids")
	check_equal "$what: none of its ids is found" 0 "$(found "$ids" "$port")"
	check_matches "$what: the answer names the shard" "\"error\":\"shard $shard .*$3.*is lost.*503" \
		"$(ask "/data/$(head -n 1 <<<"$ids")" "$port" | tr -d '\n')"
	check_equal "$what: all others are found" "$(wc -w <<<"$others")" "$(found "$others" "$port")"
	check_equal "$what: new answers go to the other shards" 20 \
		"$(fresh 20 "$port" | jq -c --argjson shard "$shard" \
			'select(.id and .shard != $shard)' | wc -l)"
}

# back WHAT SHARD FILE PORT
back() {
	local ids
	ids=$(of_shard "$2" "$3")
	all_found() {
		[ "$(found "$ids" "$1")" = "$(wc -w <<<"$ids")" ]
	}
	check "$1: its ids are found again, without a restart" wait_until 20 all_found "$4"
}

lab_end redis.7002 KILL
lost "a Redis killed" 1 198.18.1.14:7002 "$LAB_DIR/answers" 80
lab_redis_start b4 7002 || bail "Redis starts again"
back "a Redis killed" 1 "$LAB_DIR/answers" 80

kill -STOP "$(lab_pid redis.7003)"
lost "a Redis that hangs" 2 198.18.1.14:7003 "$LAB_DIR/answers" 80
kill -CONT "$(lab_pid redis.7003)"
back "a Redis that hangs" 2 "$LAB_DIR/answers" 80

fresh 36 8080 >"$LAB_DIR/on-files"
check_equal "in SQLite, too, all are found again" 36 "$(found "$(jq -r .id "$LAB_DIR/on-files")" 8080)"
mkdir "$LAB_DIR/elsewhere"
mv "$LAB_DIR"/shards/shard-0.db* "$LAB_DIR/elsewhere/"
lost "a file that is gone" 0 shard-0.db "$LAB_DIR/on-files" 8080
mv "$LAB_DIR"/elsewhere/* "$LAB_DIR/shards/"
back "a file that is gone" 0 "$LAB_DIR/on-files" 8080

# --- the source fails ---

both() {
	lab_settings b3 80 "$1" >/dev/null && lab_settings b4 80 "$1" >/dev/null
}

check "the source fails 80 % of the time" both '{"error-rate": "80%"}'
fresh 30 >"$LAB_DIR/failing"
check_equal "every client has an answer" 30 "$(grep -c '"id"' "$LAB_DIR/failing")"
check_between "some of them fallbacks" 1 29 "$(grep -c '"fallback":true' "$LAB_DIR/failing")"
check_equal "which hold older data and say how old" "$(grep -c '"fallback":true' "$LAB_DIR/failing")" \
	"$(grep '"fallback":true' "$LAB_DIR/failing" | jq -c 'select(.data.sequence > 0 and .age_ms >= 0)' | wc -l)"
check_between "some fresh, at a second try" 1 29 "$(jq -c 'select(.attempts > 1 and (.fallback | not))' \
	"$LAB_DIR/failing" | wc -l)"
lab_end b3 KILL
lab_end b4 KILL
fresh 6 >"$LAB_DIR/stopped"
check_equal "the source is gone: all have fallbacks" 6 "$(grep -c '"fallback":true' "$LAB_DIR/stopped")"
for i in 3 4; do
	lab_service_start b$i unstable 80 || bail "the source starts again"
done
is_fresh() {
	fresh 1 | grep -q '"fallback":false'
}
check "it returns: fresh data" wait_until 10 is_fresh

# --- bad input, metrics, the end ---

check_equal "an unknown id" 404 "$(status /data/0123456789abcdef)"
check_equal "what is no id" 400 "$(status "/data/a.b")"
check_equal "a long id" 400 "$(status "/data/$(printf 'a%.0s' {1..65})")"
check_equal "no id" 404 "$(status /data/)"
lab_curl http://198.18.1.11/metrics >"$LAB_DIR/metrics"
check "promtool likes the metrics" promtool check metrics <"$LAB_DIR/metrics"
check "they tell of fallbacks" grep -q '^webapp_fallbacks_total{app="store"} [1-9]' "$LAB_DIR/metrics"
check_equal "and of shards" 3 "$(grep -c '^webapp_shard_up.* 1$' "$LAB_DIR/metrics")"
check "it ends by SIGTERM" lab_end b1 TERM
checks_done

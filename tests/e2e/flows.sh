#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flows are listed and counted: who they are of, with filters, and 8 Mi of them without keeping the
# agent from its work.
# alone: measures how long the agent keeps others waiting
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LIMIT=8388608

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start --flows $LIMIT || exit 1
lab_service nat "tcp://$LAB_VIP4:80" "1 2 3" || bail "the service in mode nat comes up"
lab_service l2 "tcp://[$LAB_VIP6]:80" "1 2 3" --mode l2 --timeout-closing 30m ||
	bail "the service in mode l2 comes up"

# rows FLAG...: the lines of `lbctl flows` but for their head.
rows() {
	lbctl flows "$@" | tail -n +2
}

# counted FILTER FLAG...: what jq makes of `lbctl flows --count`.
counted() {
	local filter=$1
	shift
	lbctl --json flows --count "$@" | jq -r "$filter"
}
all='[.services[].backends[] | .embryonic + .established + .closing] | add'

# --- a few, with their addresses ---

check_equal "at first there are none" 0 "$(rows | wc -l)"
lab_exec client sh -c "for i in \$(seq 1 30); do curl -s -m 5 $LAB_URL4/ -g $LAB_URL6/; done" >/dev/null
check_equal "every flow is listed" 60 "$(rows | wc -l)"
check_equal "of one service" 30 "$(rows nat | wc -l)"
check_equal "and the other" 30 "$(rows l2 | wc -l)"
check_equal "they are counted" 60 "$(counted "$all")"
check_matches "mode nat knows the addresses" \
	'^nat +198\.18\.1\.1[123]:80 +closing +[0-9]+m?s  198\.18\.0\.2:[0-9]+ -> tcp://198\.18\.0\.10:80, from 198\.18\.0\.1:[0-9]+$' \
	"$(rows nat | head -n 1)"
check_equal "all of the lines are like that" 30 \
	"$(rows nat | grep -cE '  198\.18\.0\.2:[0-9]+ -> tcp://198\.18\.0\.10:80, from 198\.18\.0\.1:[0-9]+$')"
check_equal "each is there once" 30 "$(rows nat | awk '{print $5}' | sort -u | wc -l)"
check_equal "the other modes know a fingerprint" 30 "$(rows l2 | grep -cE '  #[0-9a-f]{8}$')"
check_equal "lbctl show counts the same in mode l2" \
	"$(lbctl --json show l2 | jq -c '[.backends[]."new-flows"]')" \
	"$(counted '[.services[].backends[].closing] | tojson' l2)"

# --- filters ---

for i in 1 2 3; do
	check_equal "flows of backend $i" "$(rows nat | grep -c "198.18.1.1$i:80")" \
		"$(rows nat "198.18.1.1$i" | wc -l)"
done
check_equal "of a state" 0 "$(rows --flow-state established | wc -l)"
check_equal "of another" 60 "$(rows --flow-state closing | wc -l)"
check_equal "of clients" 30 "$(rows --client 198.18.0.0/24 | wc -l)"
check_equal "of clients that there are not" 0 "$(rows --client 198.19.0.0/16 | wc -l)"
check_equal "of an age" 0 "$(rows --min-age 1h | wc -l)"
check_equal "up to an age" 60 "$(rows --max-age 1h | wc -l)"
check_equal "no more than asked for" 7 "$(rows --limit 7 | wc -l)"
check_equal "one at a time gives the same" "$(rows nat | awk '{print $5}' | sort)" "$(
	cursor=
	for i in $(seq 1 40); do
		page=$(lab_api GET "/v1/flows?service=nat&limit=1${cursor:+&cursor=$cursor}")
		jq -r '.flows[].client' <<<"$page"
		cursor=$(jq -r '.next // empty' <<<"$page")
		[ -n "$cursor" ] || break
	done | sort
)"
check_matches "clients of mode l2 are refused" 'only flows of mode nat' \
	"$(lbctl flows l2 --client 198.18.0.0/24 2>&1)"
check_matches "so is a backend that there is not" 'no such backend' \
	"$(lbctl flows nat 198.18.1.19 2>&1)"
for query in service=none state=none min-age=5 limit=0 limit=1001 count=maybe cursor=x \
	client=198.18.0.0/33 "service=nat&client=nobody"; do
	check_matches "?$query is refused" '^40[04]$' \
		"$(lab_api GET "/v1/flows?$query" -o /dev/null -w '%{http_code}')"
done

# --- 8 Mi of them ---

tool=$(lab_tool e2e/flowfill) || bail "flowfill is compiled"
lbctl rm service nat >/dev/null
cleared() {
	[ "$(counted "$all" l2)" = 30 ] && [ "$(lbctl --json status | jq .used.flows)" = 30 ]
}
check "the other service's entries are cleared" wait_until 30 cleared
read -r _ words _ backends _ established _ closing < <("$tool" "$LAB_PINS/maps/flows")
check_equal "the table is full" "$LIMIT 3" "$words $backends"

# How long calls for the agent's health take, in ms: 99 of 100 of them, and the longest.
latencies() {
	curl -s --unix-socket "$LAB_SOCKET" -w '%{time_total}\n' -o /dev/null \
		"http://lbagent/healthz?[1-3000]" | sort -g |
		awk '{ms[NR] = $1 * 1000} END {printf "%d %d\n", ms[int(NR * 0.99)], ms[NR]}'
}
begin=$(lab_now_ms)
lbctl --json flows --count >"$LAB_DIR/counted"
took=$(($(lab_now_ms) - begin))
check_equal "all are counted" "$established $closing" "$(jq -r \
	'[.services[].backends[]] | "\(map(.established) | add) \(map(.closing) | add)"' "$LAB_DIR/counted")"
check_between "each backend has its share" 0 4 "$(jq -r \
	'[.services[].backends[] | .established + .closing] | max - min' "$LAB_DIR/counted")"
(while :; do lbctl flows --count >/dev/null; done) &
counter=$!
read -r most longest < <(latencies)
{ kill "$counter" && wait "$counter"; } 2>/dev/null
echo "# $words flows counted in $took ms; meanwhile the longest of 3000 other calls took $longest ms"
promise "8 Mi flows are counted; 99 of 100 other calls meanwhile, ms" 100 "$most"
check_equal "the closing ones alone" "$closing" "$(counted "$all" l2 --flow-state closing)"
check_equal "a list of a few of many ends soon" 10 "$(rows --limit 10 | wc -l)"
known() {
	[ "$(lbctl --json status | jq .used.flows)" = $LIMIT ]
}
check "the agent's own round counts them too" wait_until 20 known
checks_done

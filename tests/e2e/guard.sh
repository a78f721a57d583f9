#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hostile traffic: sources that are denied or not allowed, lists that are swapped under load, sources
# and services over their limits; and that all of it is told.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

# What GUARD_PREFIXES says, for a long list by hand.
prefixes=${GUARD_PREFIXES:-200000}
# The lab's client, and an address that it has beside its own.
denied=198.18.0.66
client=198.18.0.2

# fetch [CURL-ARG...]: one request to the VIP; prints its status
fetch() {
	lab_exec client curl -s -o /dev/null -m 2 -w '%{http_code}' "$@" "http://$LAB_VIP4/"
}

is_refused() {
	[ "$(fetch -m 0.3 "$@")" = 000 ]
}

is_served() {
	[ "$(fetch "$@")" = 200 ]
}

# flood [CURL-ARG...]: 30 requests at once, a connection each
flood() {
	lab_exec client curl -s -o /dev/null -m 1 --parallel --parallel-immediate --parallel-max 30 "$@" \
		"http://$LAB_VIP4/?[1-30]"
	true
}

unpinged() {
	! lab_exec client ping -c 1 -W 1 -I $denied "$LAB_VIP4" >/dev/null
}

dropped() {
	lbctl --json show web | jq ".drops.$1 // 0"
}

# long FILE SEED: a list of $prefixes prefixes that no client of the lab is in
long() {
	awk -v n="$prefixes" -v seed="$2" 'BEGIN {
		print "# a long list"
		for (i = 0; i < n; i++)
			printf "%d.%d.%d.%d/32\n", 20 + seed + i / 16777216, i / 65536 % 256, i / 256 % 256, i % 256
	}' >"$1"
}

lab_up || exit 1
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" --check none || bail "the service comes up"
lab_exec client ip address add $denied/32 dev eth0 || bail "the client gets a second address"

# --- lists of a service ---

check "without lists everybody is served" is_served --interface $denied
lbctl set service web --source-deny "$denied,198.18.200.0/24" >/dev/null || bail "a list is set"
check "a source on the deny list is not served" is_refused --interface $denied
check "another one is" is_served
check_matches "its packets are counted for the service" '^[1-9]' "$(dropped denied)"
check_matches "explain names the prefix" "denied by prefix $denied/32 of its deny list" \
	"$(lbctl explain tcp $denied:4242 "$LAB_VIP4:80")"
lbctl set service web --source-deny '' --source-allow $client >/dev/null || bail "an allow list is set"
check "with an allow list, who is on it is served" is_served
check "nobody else is" is_refused --interface $denied
lbctl set service web --source-deny $client >/dev/null || bail "both are set"
check "deny wins" is_refused
lbctl set service web --source-deny '' --source-allow '' >/dev/null || bail "the lists are ended"
check "without lists everybody is served again" is_served --interface $denied

# --- files ---

list=$LAB_DIR/deny.txt
printf '198.18.200.0/24\n%s # the one\n' $denied >"$list"
lbctl set service web --source-deny "$list" >/dev/null || bail "a file is set"
check "a source in the file is not served" is_refused --interface $denied
before=$(lbctl --json show web | jq 'del(.packets, .bytes, .drops, .backends)')
printf '198.18.200.0/24\nnobody\n' >"$list"
out=$(lbctl reload 2>&1)
check_matches "a bad line is refused by file and line" "$list: line 2: not a prefix" "$out"
check "and the list is the one of before" is_refused --interface $denied
rm "$list"
check_matches "so is a file that is missing" "$list: No such file" "$(lbctl reload 2>&1)"
check "other changes go on" lbctl set backend web 198.18.1.11 --weight 2
check "and back" lbctl set backend web 198.18.1.11 --weight 1
out=$(lbctl set service web --source-allow "$LAB_DIR/none" 2>&1)
check_matches "one that never was is refused" "source-allow: $LAB_DIR/none: No such file" "$out"
check_equal "all of that has changed nothing" "$before" \
	"$(lbctl --json show web | jq 'del(.packets, .bytes, .drops, .backends)')"

# --- a long list, swapped under load ---

long "$list" 0
began=$(lab_now_ms)
check "a list of $prefixes prefixes is loaded" lbctl reload
took=$(($(lab_now_ms) - began))
check_equal "it is whole when the command returns" "$prefixes" \
	"$(lbctl --json show web | jq '."source-prefixes".deny')"
echo "# $prefixes prefixes: loaded in $took ms"
echo nobody >>"$list"
wrong="$list: line $((prefixes + 2)): not a prefix"
check_matches "a bad line at its end is refused by reload" "$wrong" "$(lbctl reload 2>&1)"
check_matches "and to whoever sets it" "$wrong" "$(lbctl set service web --source-allow "$list" 2>&1)"
check_equal "which changes nothing" "$prefixes 0" \
	"$(lbctl --json show web | jq -r '."source-prefixes" | "\(.deny) \(.allow)"')"
long "$list" 0
lab_wrk -t1 -c8 -d6s -H "$LAB_FRESH" "$LAB_URL4/" >"$LAB_DIR/wrk" 2>&1 &
wrk=$!
for round in 1 2 3; do
	long "$list" $round
	lbctl reload >/dev/null || not_ok "reload $round under load"
done
wait $wrk
served=$(lab_served "$LAB_DIR/wrk")
check_matches "meanwhile clients are served" '^[1-9]' "$served"
promise "a list swapped under load: failed requests of $served" 0 "$(lab_errors "$LAB_DIR/wrk")"

lbctl rm service web >/dev/null || bail "the service goes"
lab_service web "tcp://$LAB_VIP4:80" "1 2" --check none --source-allow "$list" || bail "it is there again"
check "a new service takes nobody before its long list is there" is_refused
lbctl set service web --source-allow '' --source-deny "$list" >/dev/null || bail "the list is another"

# --- kill -9, restart ---

printf '%s\n' $denied >"$list"
lbctl reload >/dev/null || bail "a short list is loaded"
lab_agent_kill
check "without the agent the list holds" is_refused --interface $denied
rm "$list"
lab_agent_start || exit 1
check "an agent that finds no file keeps the list that there is" is_refused --interface $denied
check_matches "and says so" 'sources-failed' "$(lbctl events)"
lbctl set service web --source-deny '' >/dev/null || bail "the list is ended"
check "then it ends" is_served --interface $denied

# --- limits ---

lbctl set service web --source-rate-flows 5 --source-prefix-ipv4 32 >/dev/null || bail "a rate is set"
flood --interface $denied
check_matches "a source that begins too many flows is held back" '^[1-9]' "$(dropped source_flows)"
check "another one is not" is_served
lbctl set service web --source-rate-flows 0 --source-rate-packets 10 >/dev/null || bail "a rate is set"
flood --interface $denied
check_matches "so is one that sends too many packets" '^[1-9]' "$(dropped source_packets)"
lbctl set service web --source-rate-packets 0 --max-new-flows 5 >/dev/null || bail "a ceiling is set"
flood
check_matches "above its ceiling a service takes no new flows" '^[1-9]' "$(dropped service_flows)"
lbctl set service web --max-new-flows 0 >/dev/null || bail "the ceiling is ended"
check "without it, it does" is_served

# --- export, apply, plan ---

lbctl set service web --source-deny "$denied" --max-new-flows 1000 --source-rate-flows 100 \
	--source-prefix-ipv6 56 >/dev/null || bail "all of it is set"
lbctl export >"$LAB_DIR/export.json"
check_matches "plan shows what a list would change" "source-deny $denied -> 198.18.200.0/24" \
	"$(lbctl plan set service web --source-deny 198.18.200.0/24)"
lbctl set service web --source-deny '' --max-new-flows 0 >/dev/null || bail "some of it is ended"
check "apply brings it back" lbctl apply -f "$LAB_DIR/export.json"
check_equal "and export is the same as before" "$(cat "$LAB_DIR/export.json")" "$(lbctl export)"
check "as it was asked for" is_refused --interface $denied
lbctl set service web --source-deny '' --source-rate-flows 0 >/dev/null || bail "all is ended"

# --- for all services ---

lab_agent_stop
lab_agent_start --source-deny $denied || exit 1
check "a source that no service takes is not served" is_refused --interface $denied
check "nor are its pings answered" unpinged
check "others are" is_served
check_matches "it has its own reason" 'denied_global +[1-9]' "$(lbctl status)"

# --- damaged headers ---

lab_agent_stop
lab_agent_start --bad-checksum drop || exit 1
check "packets are whole, and are served" is_served
lab_exec client nft add table ip damage
lab_exec client nft 'add chain ip damage out { type filter hook postrouting priority 300; }'
lab_exec client nft add rule ip damage out ip daddr "$LAB_VIP4" ip checksum set 0x1234
check "a packet with a damaged IPv4 header is not taken" is_refused
check "nor is a ping" unpinged
check_matches "both have their own reason" 'bad_checksum +[2-9]' "$(lbctl status)"
lab_exec client nft delete table ip damage

checks_done

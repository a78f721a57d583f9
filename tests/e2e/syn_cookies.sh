#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SYN cookies with direct return: the balancer answers, lbnode on the backends makes the connections.
# What clients get is what they would have got; of a flood of forged SYNs nothing gets to a backend.
LAB_BACKENDS=2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

keys=$LAB_DIR/cookie-keys
first=000102030405060708090a0b0c0d0e0f second=ffeeddccbbaa99887766554433221100

# put_keys KEY...: the one file of all hosts
put_keys() {
	(umask 077 && printf '%s\n' "$@" >"$keys")
}

nodes_up() {
	lab_nodes_up --mode ipip --mode gue --cookie-key-file "$keys" >/dev/null
}

# node_count OUTCOME: packets of which lb_syncookie on all backends said so
node_count() {
	local i
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_node "$i" show
	done | awk -v name="$1" '$1 == name && $3 == "packets" && !/bytes/ {n += $2} END {print n + 0}'
}

answered() {
	lab_metric 'lb_replies_total{kind="cookie"}'
}

lab_up || exit 1
if ! bpftool btf dump file /sys/kernel/btf/vmlinux format raw 2>/dev/null |
	grep -q "'bpf_sk_assign_tcp_reqsk'"; then
	skip "SYN cookies" "this kernel lets no program make connections; Linux 6.9 does"
	exit 0
fi
put_keys $first
nodes_up || bail "lbnode prepares the backends"
for ((i = 1; i <= LAB_BACKENDS; i++)); do
	lab_backend_start "$i" nginx || exit 1
done

# --- who may ask for them ---

lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" --mode ipip || bail "the service comes up"
out=$(lbctl set service web --syn-cookies always 2>&1)
check_matches "without a key the agent refuses" \
	'syn-cookies: lbagent has no key that its backends know, too' "$out"
lab_agent_stop && lab_agent_start --cookie-key-file "$keys" && lab_wait_up web || exit 1

# --- connections ---

lab_ports client 2000 65535
# try NAME URL: requests with a connection each, all answered by a cookie
try() {
	local name=$1 url=$2 out=$LAB_DIR/wrk.out made
	made=$(node_count made)
	lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$url/" -- 1000 >"$out"
	check_equal "$name: 1000 requests, a connection each, none failed" 0 "$(lab_errors "$out")"
	check_equal "$name: every backend served" 2 "$(grep -c '^served ' "$out")"
	# Some use the ports of a former connection again: such a SYN goes to the backend.
	check "$name: most are made of cookies" [ $(($(node_count made) - made)) -ge 500 ]
}

lbctl set service web --syn-cookies always >/dev/null || bail "cookies are asked for"
try "ipip" "$LAB_URL4"
lbctl set service web --mode gue >/dev/null && lab_wait_up web
try "gue" "$LAB_URL4"
lbctl set service web --mode l2 >/dev/null && lab_wait_up web
try "l2" "$LAB_URL4"
lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2" --mode ipip --syn-cookies always ||
	bail "the service of IPv6 comes up"
try "ipip, IPv6" "$LAB_URL6"
lbctl set service web --mode ipip >/dev/null && lab_wait_up web

# --- what a client gets ---

connected() {
	lab_exec client ss -Htn state established dst "$LAB_VIP4" | grep -q .
}

head -c 8000000 /dev/urandom >"$LAB_DIR/large"
sum=$(sha256sum <"$LAB_DIR/large")
lab_exec client sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn'
# From a port that no former connection had: the SYN of such a one goes to the backend.
lab_ports client 1024 1999
lab_spawn client held bash -c "exec 3<>/dev/tcp/$LAB_VIP4/80; sleep 60"
wait_until 5 connected || bail "a connection is made"
out=$(lab_exec client ss -Htino dst "$LAB_VIP4")
for word in 'ts' 'sack' 'ecn' 'wscale:7,'; do
	check_matches "a client gets $word" "(^|[ \t])$word" "$out"
done
lab_ports client 2000 65535
lab_end held TERM
check_equal "8 MB arrive as they are" "$sum" "$(lab_curl "$LAB_URL4/large" | sha256sum)"
check_equal "and go there" 200 \
	"$(lab_curl -o /dev/null -w '%{http_code}' --data-binary "@$LAB_DIR/large" "$LAB_URL4/")"
lab_exec client sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_timestamps'
check_equal "a client without timestamps is served" "$sum" \
	"$(lab_curl "$LAB_URL4/large" | sha256sum)"
lab_exec client sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_timestamps'

# --- keys ---

# rekey KEY...: on all hosts
rekey() {
	put_keys "$@" && nodes_up && kill -HUP "$(lab_pid lbagent)"
}

# more_made N: lb_syncookie has made more connections than that
more_made() {
	[ "$(node_count made)" -gt "$1" ]
}

made=$(node_count made)
lab_spawn client load wrk -s "$LAB_TOP/tests/lab/bodies.lua" --timeout 2s -t1 -c20 -d60s \
	-H "$LAB_FRESH" "$LAB_URL4/"
wait_until 5 more_made "$made"
check "all hosts learn the next key" rekey $first $second
made=$(node_count made)
wait_until 5 more_made "$made"
check "which then is the first" rekey $second $first
made=$(node_count made)
check "the next key makes cookies that are taken" wait_until 5 more_made $((made + 100))
lab_end load INT
check_equal "while keys change no connection fails" 0 "$(lab_errors "$LAB_DIR/load.log")"
check "and then alone" rekey $second
check_matches "without the former key clients are served" '^b[12]$' "$(lab_curl "$LAB_URL4/")"

# --- floods ---

entries() {
	lab_metric 'lb_flow_table_entries{state="embryonic"}'
}

forged=100000
before=$(lab_total web packets) answers=$(answered)
check "a flood is sent" lab_flowhold flood "$LAB_VIP4" $forged
check_between "its SYNs are answered, nearly all" $((forged * 9 / 10)) $forged \
	$(($(answered) - answers))
promise "SYN cookies: packets to backends of $forged forged SYNs" 0 $(($(lab_total web packets) - before))
promise "SYN cookies: flow entries of $forged forged SYNs" 0 "$(entries)"
lab_flowhold flood "$LAB_VIP4" $((3 * forged)) &
load=$!
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 300 >"$LAB_DIR/wrk.flood"
check "the flood lasted as long as the requests" kill -0 "$load"
check_equal "clients in the flood are served" 0 "$(lab_errors "$LAB_DIR/wrk.flood")"

# --- at need ---

cookies_are() {
	[ "$(lab_metric 'lb_service_syn_cookies{service="web"}')" = "$1" ]
}

wait "$load"
lbctl set service web --syn-cookies auto --syn-cookies-above 500 >/dev/null ||
	bail "cookies are asked for at need"
check "at need: they are off" wait_until 15 cookies_are 0
answers=$(answered)
check_matches "at need: a client is served" '^b[12]$' "$(lab_curl "$LAB_URL4/")"
check_equal "at need: without a cookie" 0 $(($(answered) - answers))
before=$(lab_total web packets)
lab_flowhold flood "$LAB_VIP4" 20000
check "at need: a flood turns them on" cookies_are 1
check_at_most "at need: no more SYNs than those get to backends" 1500 \
	$(($(lab_total web packets) - before))
check_matches "at need: a client is served then" '^b[12]$' "$(lab_curl "$LAB_URL4/")"
check "at need: they are off when it is over" wait_until 15 cookies_are 0

# --- all is taken back ---

lab_nodes_down >/dev/null
check_equal "lbnode takes its program away" "" \
	"$(lab_exec b1 tc filter show dev eth0 ingress)$(ls "$LAB_DIR/bpf/b1-cookies" 2>/dev/null)"
checks_done

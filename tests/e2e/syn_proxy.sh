#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SYN cookies in mode nat: the balancer shakes hands with the client and then with the backend, and
# neither can tell. Of a flood of forged SYNs nothing gets to a backend.
LAB_BACKENDS=2
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

answered() {
	lab_metric 'lb_replies_total{kind="cookie"}'
}

# sysctl_on_backends NAME VALUE
sysctl_on_backends() {
	local i
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_exec "b$i" sh -c "echo $2 >/proc/sys/net/ipv4/$1"
	done
}

# A server that speaks first, as those of mail and many databases do.
speaks_first() {
	cat <<-END
		daemon off; master_process off;
		pid $LAB_DIR/first.$1.pid;
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		events {}
		stream { server { listen 2525; return "220 $1\n"; } }
	END
}

lab_up || exit 1
(umask 077 && echo 000102030405060708090a0b0c0d0e0f >"$LAB_DIR/cookie-keys")
for ((i = 1; i <= LAB_BACKENDS; i++)); do
	lab_backend_start "$i" nginx || exit 1
	speaks_first "b$i" >"$LAB_DIR/first.$i.conf"
	lab_spawn "b$i" "first.$i" nginx -e "$LAB_DIR/first.$i.log" -c "$LAB_DIR/first.$i.conf"
	wait_until 10 lab_listening "b$i" 2525 || bail "a server that speaks first"
done
lab_agent_start --cookie-key-file "$LAB_DIR/cookie-keys" || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" --syn-cookies always || bail "the service comes up"
lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2" --syn-cookies always || bail "that of IPv6"
lab_service mail "tcp://$LAB_VIP4:2525" "1 2" --syn-cookies always || bail "that of mail"

# --- connections ---

lab_ports client 2000 65535
# try NAME URL: requests with a connection each, answered by a cookie
try() {
	local name=$1 url=$2 out=$LAB_DIR/wrk.out before
	before=$(answered)
	lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$url/" -- 2000 >"$out"
	check_equal "$name: 2000 requests, a connection each, none failed" 0 "$(lab_errors "$out")"
	check_equal "$name: every backend served" 2 "$(grep -c '^served ' "$out")"
	check "$name: most began by a cookie" [ $(($(answered) - before)) -ge 1000 ]
	lab_wrk -t1 -c50 -d2s "$url/" >"$out"
	check_equal "$name: 50 connections kept open, no request failed" 0 "$(lab_errors "$out")"
}

try IPv4 "$LAB_URL4"
try IPv6 "$LAB_URL6"

# What a client waits for: the round trips of both handshakes, not somebody's timer.
greeted() {
	lab_exec client bash -c "exec 3<>/dev/tcp/$LAB_VIP4/2525 && read -r -t 5 line <&3 && echo \"\$line\""
}
begin=$(lab_now_ms)
for ((i = 0; i < 10; i++)); do
	check_matches "a server that speaks first is heard" '^220 b[12]$' "$(greeted)"
done
check_at_most "ten of them, milliseconds" 1500 $(($(lab_now_ms) - begin))

# --- what a client gets ---

connected() {
	lab_exec client ss -Htn state established dst "$LAB_VIP4" | grep -q .
}

# From a port that no former connection had: the SYN of such a one goes to the backend.
lab_ports client 1024 1999
lab_spawn client held bash -c "exec 3<>/dev/tcp/$LAB_VIP4/80; sleep 60"
wait_until 5 connected || bail "a connection is made"
out=$(lab_exec client ss -Htino dst "$LAB_VIP4")
for word in 'ts' 'sack' 'wscale:7,'; do
	check_matches "a client gets $word" "(^|[ \t])$word" "$out"
done
lab_ports client 2000 65535
lab_end held TERM

head -c 8000000 /dev/urandom >"$LAB_DIR/large"
sum=$(sha256sum <"$LAB_DIR/large")

# both_ways NAME URL: 8 MB down and up
both_ways() {
	local got
	got=$(lab_exec client curl -sS --max-time 60 "$2/large" | sha256sum)
	check_equal "$1: 8 MB arrive as they are" "$sum" "$got"
	check_equal "$1: and go there" 200 "$(lab_exec client curl -sS --max-time 60 -o /dev/null \
		-w '%{http_code}' --data-binary "@$LAB_DIR/large" "$2/")"
}

both_ways IPv4 "$LAB_URL4"
both_ways IPv6 "$LAB_URL6"

# What is lost is acknowledged selectively, by numbers that are the other side's.
lab_exec client nft -f - <<-'END'
	table inet loss {
		chain in { type filter hook input priority 0; meta l4proto tcp numgen random mod 50 == 0 drop; }
		chain out { type filter hook output priority 0; meta l4proto tcp numgen random mod 50 == 0 drop; }
	}
END
both_ways "2 % lost" "$LAB_URL4"
check "it was" lab_exec client nft list table inet loss
lab_exec client nft delete table inet loss

lab_exec client sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_timestamps'
both_ways "a client without timestamps" "$LAB_URL4"
lab_exec client sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_timestamps'
sysctl_on_backends tcp_sack 0
both_ways "backends without SACK" "$LAB_URL4"
sysctl_on_backends tcp_sack 1

# --- backends that do not come up to what was promised ---

# A reset may come before curl has looked whether it is connected.
ended="reset by peer|Couldn't connect"
lbctl set service web --check none >/dev/null || bail "nobody looks after the backends"
sysctl_on_backends tcp_timestamps 0
# From a port that no connection had before: whose entry lives on needs no cookie.
out=$(lab_curl --local-port 10000-10100 "$LAB_URL4/" 2>&1)
check_matches "a backend without timestamps: the client is reset" "$ended" "$out"
sysctl_on_backends tcp_timestamps 1
check_matches "with them it is served" '^b[12]$' "$(lab_curl "$LAB_URL4/")"
lbctl drain backend web "$(lab_address "tcp://$LAB_VIP4:80" 2)" >/dev/null || bail "one backend is left"
lab_backend_kill 1
out=$(lab_curl "$LAB_URL4/" 2>&1)
check_matches "a backend whose server is gone: the client is reset" "$ended" "$out"
lab_backend_start 1 nginx || exit 1
lbctl set backend web "$(lab_address "tcp://$LAB_VIP4:80" 2)" --state up >/dev/null
lbctl set service web --check tcp >/dev/null && lab_wait_up web

# --- floods ---

# Connections of before say their last words for some seconds: nginx waits so long for the rest of
# an upload that it has answered.
silent() {
	local before
	before=$(lab_total web packets)
	sleep 1.5
	[ "$(lab_total web packets)" = "$before" ]
}

forged=100000
check "all is silent" wait_until 20 silent
before=$(lab_total web packets) answers=$(answered)
check "a flood is sent" lab_flowhold flood "$LAB_VIP4" $forged
check_between "its SYNs are answered, nearly all" $((forged * 9 / 10)) $forged \
	$(($(answered) - answers))
promise "SYN cookies, mode nat: packets to backends of $forged forged SYNs" 0 \
	$(($(lab_total web packets) - before))
lab_flowhold flood "$LAB_VIP4" $((3 * forged)) &
load=$!
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 300 >"$LAB_DIR/wrk.flood"
check "the flood lasted as long as the requests" kill -0 "$load"
check_equal "clients in the flood are served" 0 "$(lab_errors "$LAB_DIR/wrk.flood")"
wait "$load"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Slow, greedy and unreadable clients of the TCP listener: each is ended in time, none keeps the
# agent's memory, its loop, its checks or the Unix socket from anybody else.
LAB_BACKENDS=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

slowly=$(lab_tool e2e/slowly) || exit 1

lab_up || exit 1
lab_backend_start 1 || exit 1
sources=()
for i in {101..105}; do
	ip -n "$LAB-client" address add "198.18.0.$i/15" dev eth0 || exit 1
	sources+=("198.18.0.$i")
done
server=198.18.0.1:9480
token=$(openssl rand -hex 16)
(umask 077 && echo "$token" >"$LAB_DIR/tokens")

# agent FLAG...: started anew, with one backend that is checked ten times a second
agent() {
	lab_agent_stop
	lab_agent_start --listen "$server" --token-file "$LAB_DIR/tokens" "$@" || exit 1
	pid=$(lab_pid lbagent)
	lab_wait_up web || exit 1
}

lab_agent_start || exit 1
lbctl add service web --vip "tcp://$LAB_VIP4:80" --check tcp --check-interval 100ms --fall 2 \
	--backend 198.18.1.11 >/dev/null || bail "a service is added"
agent

resident() {
	awk '/^VmRSS/ {print $2}' "/proc/$pid/status"
}

checks_made() {
	lab_api GET /metrics | sed -n 's/^lb_health_checks_total{service="web".*result="pass"} //p'
}

# by_tcp ARG...: curl on the client's host, for its status or its error
by_tcp() {
	lab_exec client curl -sS --max-time 10 -o /dev/null -w '%{http_code}' "$@" 2>&1
}

# slow MODE COUNT [SOURCE...]: begins that many slow clients, from five addresses or from these
slow() {
	local mode=$1 count=$2
	shift 2
	: >"$LAB_DIR/$mode.log"
	lab_spawn client "$mode" "$slowly" "$mode" "$server" "$count" 60 "${@:-${sources[@]}}"
	wait_until 30 grep -q opened "$LAB_DIR/$mode.log" || bail "slow clients are there"
}

# kept MODE: how long the server has kept the last of them, when all are gone
kept() {
	wait_until 45 lab_gone "$1" || bail "slow clients end"
	sed -n 's/.*closed.* longest //p' "$LAB_DIR/$1.log"
}

# unhurt NAME: while slow clients are there, the agent does all that it does without them
unhurt() {
	local slowest begin checks
	slowest=$(for _ in {1..50}; do
		lab_api GET /v1/services/web -o /dev/null -w '%{time_total}\n' |
			awk '{printf "%d\n", $1 * 1000}'
	done | sort -n | sed -n 48p)
	check_at_most "$1: the Unix socket answers 48 times of 50 within, ms" 100 "$slowest"
	checks=$(checks_made)
	begin=$(lab_now_ms)
	sleep 2
	checks=$(($(checks_made) - checks))
	check_between "$1: checks go on at their pace, per 100 intervals" 75 125 \
		$((checks * 10000 / ($(lab_now_ms) - begin)))
}

# --- silence, over TLS and without ---

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$LAB_DIR/key" -out "$LAB_DIR/cert" -days 2 \
	-subj /CN=lb 2>/dev/null
chmod 600 "$LAB_DIR/key"
agent --tls-cert "$LAB_DIR/cert" --tls-key "$LAB_DIR/key"
slow silent 200
unhurt "200 clients without a TLS handshake"
check_equal "200 clients without a TLS handshake: another has one" 200 \
	"$(by_tcp -k "https://$server/healthz")"
check_between "200 clients without a TLS handshake: kept for, ms" 14000 18500 "$(kept silent)"

# --- a request's head or body, a byte a second; an answer that nobody takes ---

agent
before=$(resident)
slow head 80
slow body 80
slow deaf 80
unhurt "240 slow clients"
check_between "clients with endless heads are kept for, ms" 14000 18500 "$(kept head)"
check_between "clients with endless bodies are kept for, ms" 28000 34000 "$(kept body)"
check_between "clients that take no answer are kept for, ms" 14000 42000 "$(kept deaf)"
check_at_most "slow clients cost memory, KiB" 16384 $(($(resident) - before))

# --- as many connections as there may be ---

slow head 320
unhurt "more clients than connections"
lab_end head KILL
check_equal "more clients than connections: then others come in" 200 "$(by_tcp "http://$server/healthz")"
slow head 200 198.18.0.101
check_equal "one address with 128 connections is refused another" 000 \
	"$(by_tcp --interface 198.18.0.101 "http://$server/healthz" | tail -c 3)"
check_equal "other addresses are not" 200 "$(by_tcp "http://$server/healthz")"
lab_end head KILL

# --- sizes ---

before=$(resident)
check_equal "a body of 300 MB without a token is refused by its head" 401 \
	"$(head -c 300M /dev/zero | by_tcp -T - -H 'Transfer-Encoding:' -H "Content-Length: 300000000" \
		-X POST "http://$server/v1/services")"
check_matches "one of unknown length is not read for long" '401|000|55|56' \
	"$(head -c 300M /dev/zero | by_tcp -T - -H 'Expect:' -X POST "http://$server/v1/services")"
check_equal "with a token, 2 MB are too much" 413 "$(head -c 2M /dev/zero |
	by_tcp --data-binary @- -H "Authorization: Bearer $token" "http://$server/v1/services")"
check_equal "but not of a whole configuration" "no 413" "$(head -c 2M /dev/zero |
	by_tcp --data-binary @- -H "Authorization: Bearer $token" -X PUT "http://$server/v1/config" |
	sed '/413/!s/.*/no 413/')"
check_equal "of that, 17 MB are" 413 "$(head -c 17M /dev/zero |
	by_tcp --data-binary @- -H "Authorization: Bearer $token" -X PUT "http://$server/v1/config")"
check_at_most "large bodies cost memory, KiB" 24576 $(($(resident) - before))
check_equal "a long header is refused" 431 \
	"$(by_tcp -H "X-Long: $(head -c 60000 /dev/zero | tr '\0' x)" "http://$server/healthz")"
check_equal "a long URL is refused" 414 \
	"$(by_tcp "http://$server/v1/$(head -c 60000 /dev/zero | tr '\0' x)")"

# --- what cannot be read, and many requests at once ---

# raw COMMAND: its output to the server, the answer on standard output
raw() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_exec client timeout 10 bash -c \
		'exec 3<>"/dev/tcp/198.18.0.1/9480"; eval "$0" >&3; timeout 5 cat <&3' "$1" 2>/dev/null |
		tr -d '\0'
}

raw 'head -c 100000 /dev/urandom' >/dev/null
raw 'printf "GET / HTTP/9.9\r\n\r\n"' >/dev/null
raw 'printf "POST /v1/services HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n"' >/dev/null
raw 'printf "POST /v1/services HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"' >/dev/null
check_equal "fifty requests at once get fifty answers" 50 "$(raw \
	'for i in {1..50}; do printf "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"; done' |
	grep -o 'HTTP/1.1 200' | wc -l)"
check "the agent lives" lab_running lbagent

# --- large answers that nobody takes; each takes the loop some milliseconds ---

for i in {1..250}; do
	printf '{"name": "s%d", "vip": ["tcp://198.19.1.%d:1", "tcp://198.19.1.%d:2",
		"tcp://198.19.1.%d:3", "tcp://198.19.1.%d:4"], "check": "none"}' "$i" "$i" "$i" "$i" "$i" |
		lab_api POST /v1/services -o /dev/null -d @- || bail "many services are added"
done
check_between "an answer is large, bytes" 100000 1000000 "$(lab_api GET /v1/services | wc -c)"
before=$(resident)
slow greedy 256
unhurt "256 clients that ask for much"
check_at_most "answers that nobody takes cost memory, KiB" 98304 $(($(resident) - before))
check_equal "by TCP /healthz is answered" 200 "$(by_tcp "http://$server/healthz")"
lab_end greedy KILL
unhurt "after all that"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Health checks of every kind against real servers: who is up, and what is said of who is not.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

# shellcheck disable=SC2034 # lab.sh reads it
LAB_BACKENDS=2
tls=$LAB_DIR/tls
backend=198.18.1.11

# --- certificates: an authority, and what it signs ---

# sign NAME DAYS SUBJECT-ALT-NAME: tls/NAME.pem and its key. DAYS below 0: has expired.
sign() {
	local from until
	from=$(date -u -d '-10 days' +%Y%m%d%H%M%SZ)
	until=$(date -u -d "$2 days" +%Y%m%d%H%M%SZ)
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$tls/$1.key" -out "$tls/$1.csr" 2>/dev/null || return
	printf 'subjectAltName=%s\n' "$3" >"$tls/$1.ext"
	openssl ca -batch -notext -config "$tls/ca.conf" -startdate "$from" -enddate "$until" \
		-extfile "$tls/$1.ext" -in "$tls/$1.csr" -out "$tls/$1.pem" 2>/dev/null
}

make_certificates() {
	mkdir -p "$tls" && : >"$tls/index" && echo 01 >"$tls/serial" || return
	cat >"$tls/ca.conf" <<-CONF
		[ca]
		default_ca = lab
		[lab]
		database = $tls/index
		serial = $tls/serial
		new_certs_dir = $tls
		certificate = $tls/ca.pem
		private_key = $tls/ca.key
		default_md = sha256
		policy = any
		unique_subject = no
		[any]
		commonName = supplied
	CONF
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj '/CN=the lab' -addext basicConstraints=critical,CA:TRUE \
		-keyout "$tls/ca.key" -out "$tls/ca.pem" 2>/dev/null || return
	sign good 30 DNS:www.example.test && sign expired -1 DNS:www.example.test &&
		sign other 30 DNS:other.example.test && sign prober 30 DNS:prober.example.test
}

# https_server PORT CERTIFICATE [DIRECTIVE...]
https_server() {
	local port=$1 certificate=$2
	shift 2
	cat <<-CONF
		server {
			listen $port ssl; listen [::]:$port ssl;
			ssl_certificate $tls/$certificate.pem; ssl_certificate_key $tls/$certificate.key;
			$*
			location / { return 200 "\$ssl_server_name \$request_method \$http_x_probe\n"; }
		}
	CONF
}

start_nginx() {
	{
		lab_nginx_conf b1 | sed '$d'
		https_server 443 good
		https_server 444 expired
		https_server 445 other
		https_server 446 good "ssl_client_certificate $tls/ca.pem; ssl_verify_client on;"
		echo '}'
	} >"$LAB_DIR/b1.conf"
	lab_spawn b1 b1 nginx -e "$LAB_DIR/b1.error.log" -c "$LAB_DIR/b1.conf"
	wait_until 10 lab_listening b1 446
}

# --- what is expected ---

# try NAME STATUS REASON FLAG...: a service with these flags, whose one backend gets this status
# with a reason that matches.
try() {
	local name=$1 status=$2 reason=$3 got
	shift 3
	lbctl add service s --vip "tcp://$LAB_VIP4:80" --check-interval 500ms --fall 1 --rise 1 "$@" \
		--backend "${TARGET:-$backend}" >"$LAB_DIR/out" 2>&1 ||
		{ not_ok "$name" "$(cat "$LAB_DIR/out")" && return; }
	wait_until 10 is_known s
	got=$(lbctl --json show s | jq -r '.backends[0] | "\(.status) \(.reason)"')
	check_matches "$name" "^$status $reason\$" "$got"
	lbctl rm service s >/dev/null
}

is_known() {
	lbctl --json show "$1" | jq -e '.backends[0].status | . == "up" or . == "down"'
}

lab_up || exit 1
make_certificates || bail "certificates are made"
start_nginx || bail "nginx listens"
lab_backend_start 1 nsd || exit 1
echo=$(lab_tool lab/udp_echo) || exit 1
lab_spawn b1 udp_echo "$echo" 7

# --- programs ---

checks=$LAB_DIR/checks
mkdir -p "$checks"
# script NAME: from what is read.
script() {
	{ echo '#!/bin/sh' && cat; } >"$checks/$1" && chmod 755 "$checks/$1"
}
script ok <<<"echo \"\$LB_SERVICE \$LB_BACKEND_ADDRESS \$LB_BACKEND_PORT \$*\" >$LAB_DIR/environment"
script full <<<'echo "disk full"; exit 2'
script hang <<<"echo \$\$ >>$LAB_DIR/hung; sleep 1000"
script fork <<<"sleep 1000 & echo \$! >>$LAB_DIR/forked"
script fds <<<"exec ls /proc/self/fd >$LAB_DIR/fds"

lab_agent_start --check-commands "$checks" || exit 1

# --- http ---

try "http: passes" up "" --check http --check-path /health
try "http: a body that matches" up "" --check http --check-path /health --check-body '^ok$'
try "http: a body that does not" down 'HTTP body does not match \^fine\$' \
	--check http --check-path /health --check-body '^fine$'
try "http: a status that is not wanted" down 'HTTP status 200, wanted 204' \
	--check http --check-status 204
try "http: HEAD" up "" --check http --check-method HEAD
try "http: POST" up "" --check http --check-method POST

# --- an error of one backend's socket is not another's ---

lbctl add service s --vip "tcp://$LAB_VIP4:80" --check http --check-path /health --fall 1 \
	--check-interval 200ms --check-timeout 5s --backend "$backend" --backend 198.18.1.99 >/dev/null
reason_of() {
	lab_backend s "$1:80" .reason
}
unreachable() {
	[ "$(reason_of 198.18.1.99)" = "connect: No route to host" ]
}
# of pass|fail: such checks of the backend that lives
of() {
	lab_api GET /metrics |
		sed -n "s/^lb_health_checks_total{service=\"s\",backend=\"$backend:80\",.*result=\"$1\"} //p"
}
passed() {
	[ "$(of pass)" -ge "$1" ]
}
check "nobody answers ARP: that is told" wait_until 20 unreachable
check "another backend is checked on" wait_until 15 passed $(($(of pass) + 20))
check_equal "and passes each time" 0 "$(of fail)"
lbctl rm service s >/dev/null

# --- https ---

https=(--check https --check-ca "$tls/ca.pem" --check-sni www.example.test)
try "https: verified" up "" "${https[@]}" --check-port 443
try "https: the name is in the hello, the header and the method arrive" up "" "${https[@]}" \
	--check-port 443 --check-method OPTIONS --check-header 'X-Probe: sluice' \
	--check-body '^www.example.test OPTIONS sluice$'
try "https: expired" down 'TLS: certificate has expired' "${https[@]}" --check-port 444
try "https: another name" down "TLS: .*name 'www.example.test'.*" "${https[@]}" --check-port 445
try "https: nobody vouches for it" down 'TLS: unable to get local issuer certificate' \
	--check https --check-sni www.example.test --check-port 443
try "https: no certificate of ours" down '(HTTP status 400, wanted 200-399|TLS: .*certificate.*)' \
	"${https[@]}" --check-port 446
try "https: a certificate of ours" up "" "${https[@]}" --check-port 446 \
	--check-cert "$tls/prober.pem" --check-key "$tls/prober.key"
try "https: not TLS at all" down 'TLS: wrong version number' "${https[@]}" --check-port 80
try "https: not verified" up "" --check https --check-insecure true --check-port 444
check_matches "https: the log says that nothing is verified" \
	'level=warn msg="health checks do not verify certificates" service=s' "$(cat "$LAB_LOG")"

lbctl add service s --vip "tcp://$LAB_VIP4:80" "${https[@]}" --check-port 443 --check-interval 200ms \
	--backend "$backend" >/dev/null
lab_wait_status s "$backend:80" up
lbctl set service s --check-insecure true >/dev/null
check_matches "lbctl show says so, too" 'check https /, certificate NOT VERIFIED, every 200ms' \
	"$(lbctl show s)"
lbctl set service s --check-insecure false >/dev/null
check_matches "and no longer when it is" 'check https / every 200ms' "$(lbctl show s)"
mv "$tls/ca.pem" "$tls/away.pem"
lab_wait_status s "$backend:80" down
check_equal "https: a file that goes away is named" \
	"check-ca $tls/ca.pem: No such file or directory" "$(lab_backend s "$backend:80" .reason)"
mv "$tls/away.pem" "$tls/ca.pem"
check "https: and all is well when it is back" lab_wait_status s "$backend:80" up
lbctl rm service s >/dev/null

# --- udp ---

try "udp: a reply as expected" up "" --check udp --check-port 7 --check-payload 'ping\x00' \
	--check-expect ping
try "udp: another reply" down 'unexpected reply: "ping"' --check udp --check-port 7 \
	--check-payload ping --check-expect pong
try "udp: any reply" up "" --check udp --check-port 7 --check-payload x
try "udp: nobody listens" down 'UDP: port unreachable' --check udp --check-port 9
# What is no DNS message goes unanswered.
try "udp: nobody replies" down 'timeout after 300ms: no reply' --check udp --check-port 53 \
	--check-payload x --check-timeout 300ms
lbctl add service six --vip "udp://[$LAB_VIP6]:53" --check udp --check-port 7 --check-payload x \
	--backend '[2001:db8::1:11]' >/dev/null
check "udp: IPv6" lab_wait_status six '[2001:db8::1:11]:53' up
lbctl set service six --check icmp >/dev/null
lbctl set backend six '[2001:db8::1:11]' --state maint >/dev/null
lbctl set backend six '[2001:db8::1:11]' --state up >/dev/null
check "icmp: IPv6" lab_wait_status six '[2001:db8::1:11]:53' up
lbctl set service six --check dns --check-port 53 --check-name www.example.test --check-type AAAA \
	--check-expect 2001:db8::10 >/dev/null
lbctl set backend six '[2001:db8::1:11]' --state maint >/dev/null
lbctl set backend six '[2001:db8::1:11]' --state up >/dev/null
check "dns: IPv6" lab_wait_status six '[2001:db8::1:11]:53' up
lbctl rm service six >/dev/null

# --- dns ---

dns=(--check dns --check-port 53)
try "dns: an answer" up "" "${dns[@]}" --check-name www.example.test
try "dns: the answer wanted" up "" "${dns[@]}" --check-name who.example.test --check-type TXT \
	--check-expect b1
try "dns: another answer" down 'DNS: A of www.example.test is 198.18.0.10, wanted 198.18.0.11' \
	"${dns[@]}" --check-name www.example.test --check-expect 198.18.0.11
try "dns: NXDOMAIN" down 'DNS: NXDOMAIN for nobody.example.test' "${dns[@]}" \
	--check-name nobody.example.test
try "dns: no such record" down 'DNS: no MX record for www.example.test' "${dns[@]}" \
	--check-name www.example.test --check-type MX
try "dns: not theirs" down 'DNS: REFUSED for example.org' "${dns[@]}" --check-name example.org
try "dns: SOA" up "" "${dns[@]}" --check-name example.test --check-type SOA

# --- icmp ---

try "icmp: passes" up "" --check icmp
lab_exec b1 sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip -n "$LAB-b1" route add unreachable 198.18.200.0/24
ip -n "$LAB-lb" route add 198.18.200.0/24 via "$backend"
TARGET=198.18.200.1
try "icmp: a router says that there is no way" down 'ICMP: No route to host' --check icmp \
	--check-timeout 5s
TARGET=

# --- exec ---

try "exec: passes" up "" --check exec --check-command "$checks/ok -a b" --check-port 3306
check_equal "exec: knows whom to check" "s $backend 3306 -a b" "$(cat "$LAB_DIR/environment")"
try "exec: fails, and says why" down 'exit status 2: disk full' --check exec \
	--check-command "$checks/full"
try "exec: inherits nothing" up "" --check exec --check-command "$checks/fds"
check_equal "exec: has only what it was given" "0 1 2 3" "$(xargs <"$LAB_DIR/fds")"
try "exec: hangs" down 'timeout after 300ms: the command has not ended' --check exec \
	--check-command "$checks/hang" --check-timeout 300ms
try "exec: leaves a process behind" up "" --check exec --check-command "$checks/fork"

# nothing_left FILE: no process whose number is in it.
nothing_left() {
	local pid
	while read -r pid; do
		! grep -Eqs '^State:[[:space:]]+[^Z]' "/proc/$pid/status" || return
	done <"$1"
}
check "exec: what hung is gone" wait_until 5 nothing_left "$LAB_DIR/hung"
check "exec: what was left behind, too" wait_until 5 nothing_left "$LAB_DIR/forked"

# A hundred that hang at once: at most 64 run, and the agent answers as ever.
: >"$LAB_DIR/hung"
{
	printf '{"name":"s","vip":"tcp://%s:80","check":"exec","check-command":"%s",' \
		"$LAB_VIP4" "$checks/hang"
	printf '"check-timeout":"3s","backends":['
	for ((i = 1; i <= 100; i++)); do
		printf '{"address":"198.18.200.%d"}%s' "$i" "$([ "$i" = 100 ] || echo ,)"
	done
	printf ']}'
} >"$LAB_DIR/many.json"
lab_api POST /v1/services --data-binary "@$LAB_DIR/many.json" -o /dev/null
hung() {
	[ "$(wc -l <"$LAB_DIR/hung")" -ge 60 ]
}
check "exec: many run at once" wait_until 10 hung
check_between "exec: but at most 64" 60 64 "$(wc -l <"$LAB_DIR/hung")"
before=$(lab_now_ms)
lab_api GET /v1/status -o /dev/null
check_at_most "exec: and the agent answers meanwhile, in ms" 1000 $(($(lab_now_ms) - before))
lbctl rm service s >/dev/null
check "exec: they are gone when nobody asks for them" wait_until 10 nothing_left "$LAB_DIR/hung"

# --- by the clients' way: to the VIP on each backend ---

# via NAME FLAG...: both backends of mode l2 are up by the VIP, and down when they do not hold it.
via() {
	local name=$1
	shift
	lbctl add service v --vip "udp://$LAB_VIP4:53" --mode l2 --check-interval 300ms --fall 2 --rise 2 \
		"$@" --backend 198.18.1.11 --backend 198.18.1.12 >/dev/null
	check "$name: both are up" lab_wait_up v
	check_equal "$name: by the VIP" "vip vip" \
		"$(lbctl --json show v | jq -r '[.backends[]."check-via"] | join(" ")')"
	lab_node 2 down >/dev/null
	check "$name: who does not hold the VIP is down" lab_wait_status v 198.18.1.12:53 down
	check "$name: and the other is not" lab_status_is v 198.18.1.11:53 up
	lab_node 2 up --interface eth0 --vip "$LAB_VIP4" --vip "$LAB_VIP6" >/dev/null
	check "$name: and is up again when it does" lab_wait_status v 198.18.1.12:53 up
	lbctl rm service v >/dev/null
}
lab_exec b1 sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
lab_nodes_up >/dev/null || bail "the backends hold the VIP"
lab_spawn b2 udp_echo2 "$echo" 7
via "icmp by the VIP" --check icmp
via "udp by the VIP" --check udp --check-port 7 --check-payload x
lab_nodes_down >/dev/null

# --- fast while changing ---

lbctl add service s --vip "tcp://$LAB_VIP4:80" --backend "$backend" --check http \
	--check-interval 3s --check-fast-interval 100ms --check-timeout 500ms --fall 3 --rise 3 >/dev/null
lab_wait_status s "$backend:80" up
before=$(lab_now_ms)
lab_backend_kill 1
lab_wait_status s "$backend:80" down
# 3 s until the first failure, at most, and two more: 200 ms. By the interval it would be 6 s more.
check_at_most "a dead backend is out after an interval and two fast ones, in ms" 4500 \
	$(($(lab_log_time "backend down" "$backend:80" "$before") - before))
lbctl rm service s >/dev/null
check "the agent lives" lab_running lbagent
checks_done

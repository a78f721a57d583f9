# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The namespace lab of demo and e2e tests. Source it; then lab_up, use it, and leave: lab_down
# runs by itself when the shell ends, however it ends.
#
#   client ─┐                                 ┌─ b1 ... b4
#           ├── br0 in the switch namespace ──┤
#   lb ─────┘                                 └─ (one link each, eth0 inside)
#
#   client  198.18.0.2/15           2001:db8::2/64
#   lb      198.18.0.1              2001:db8::1         VIPs: 198.18.0.10 to .13, 2001:db8::10 to ::13
#   bN      198.18.1.1N             2001:db8::1:1N
#
# There is no way out of it: no namespace of a lab has a link to any other. Namespaces are named
# after the lab (LAB, by default after the shell's pid), so labs can live beside each other.
# Everything else of a lab is in LAB_DIR, with a BPF file system of its own for the pins.

set -u

LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=$(cd "$LAB_TOP" && mkdir -p "${O:-build}" && cd "${O:-build}" && pwd)
LAB_HOME=/run/sluice-lab
LAB=${LAB:-sl$$}
LAB_DIR=$LAB_HOME/$LAB
LAB_BACKENDS=${LAB_BACKENDS:-4}
LAB_SOCKET=$LAB_DIR/lbagent.sock
LAB_PINS=$LAB_DIR/bpf/sluice
LAB_LOG=$LAB_DIR/lbagent.log
LAB_VIP4=198.18.0.10
LAB_VIP6=2001:db8::10
# shellcheck disable=SC2034 # these are for scripts
LAB_URL4=http://$LAB_VIP4 LAB_URL6=http://[$LAB_VIP6]
# shellcheck disable=SC2034
LAB_FRESH='Connection: close' # a header: one connection, and so one flow, for each request

lab_fail() {
	echo "lab: $*" >&2
	return 1
}

# wait_until SECONDS CMD...: runs CMD until it succeeds; fails when time is up, which on a slow machine
# is SLOWER times as long. It looks again after 20 ms and a tenth of the time so far, 250 ms at most:
# whoever waits for long leaves the processor to what he waits for.
wait_until() {
	# CMD sees these, so they have names that nobody has.
	local wait_begin=${EPOCHREALTIME//[!0-9]/} wait_limit=$(($1 * ${SLOWER:-1} * 1000000)) waited
	local wait_pause
	shift
	until "$@" >/dev/null 2>&1; do
		waited=$((${EPOCHREALTIME//[!0-9]/} - wait_begin))
		[ "$waited" -lt "$wait_limit" ] || return 1
		printf -v wait_pause '0.%06d' $((waited < 2300000 ? 20000 + waited / 10 : 250000))
		sleep "$wait_pause"
	done
}

lab_now_ms() {
	echo $((${EPOCHREALTIME//[!0-9]/} / 1000))
}

# lab_tool NAME [CC-ARG...]: builds tests/NAME.c, unless that is done; prints where the program is.
lab_tool() {
	local tool=$LAB_BUILD/tests/$1 source=$LAB_TOP/tests/$1.c
	shift
	# find also says so if there is no program yet.
	if [ -n "$(find "$source" "$LAB_TOP/common" "$LAB_TOP/bpf" -newer "$tool" 2>&1)" ]; then
		mkdir -p "${tool%/*}"
		# In one step: a lab beside this one may run it, or build it too.
		${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -iquote "$LAB_TOP/common" \
			-iquote "$LAB_TOP/bpf" -o "$tool.$$" "$source" "$LAB_TOP/common/parse.c" \
			"$LAB_TOP/common/error.c" "$@" && mv "$tool.$$" "$tool" || return
	fi
	echo "$tool"
}

# --- the network ---

# lab_exec NAME CMD...: runs CMD in the namespace of client, lb, switch or bN. Only the network
# is another one: ip netns exec would also hide mounts below /sys.
lab_exec() {
	local name=$1
	shift
	nsenter --net="/run/netns/$LAB-$name" -- "$@"
}

# lab_settle NAME: the sysctls that every namespace of the lab has, before any link exists.
lab_settle() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_exec "$1" sh -c '
		cd /proc/sys/net
		for conf in all default; do
			echo 0 >ipv4/conf/$conf/rp_filter
			echo 0 >ipv6/conf/$conf/accept_dad
			echo 0 >ipv6/conf/$conf/accept_ra
			echo 0 >ipv6/conf/$conf/disable_ipv6
		done
		for file in bridge/bridge-nf-call-*; do
			[ ! -w "$file" ] || echo 0 >"$file"
		done'
	# Clients open many connections; the balancer needs the ports below for mode nat.
	[ "$1" = lb ] || lab_ports "$1" 1024 65535
	ip -n "$LAB-$1" link set lo up
}

# lab_ports NAME FIRST LAST: the ports of the connections that it opens from now on.
lab_ports() {
	lab_exec "$1" sh -c "echo $2 $3 >/proc/sys/net/ipv4/ip_local_port_range"
}

# lab_plug NAME ADDR4 ADDR6: makes the namespace and links it to the switch. Checksums are
# computed by the sender: a forwarded frame must be right as it is, for it is not fixed later.
lab_plug() {
	local name=$1
	ip netns add "$LAB-$name" && lab_settle "$name" || return
	ip link add eth0 netns "$LAB-$name" type veth peer name "$name" netns "$LAB-switch" || return
	lab_exec "$name" ethtool -K eth0 tx off >/dev/null || return
	lab_exec switch ethtool -K "$name" tx off >/dev/null || return
	[ -z "${LAB_MTU:-}" ] || ip -n "$LAB-$name" link set eth0 mtu "$LAB_MTU" || return
	[ -z "${LAB_MTU:-}" ] || ip -n "$LAB-switch" link set "$name" mtu "$LAB_MTU" || return
	ip -n "$LAB-switch" link set "$name" master br0 up || return
	ip -n "$LAB-$name" address add "$2/15" dev eth0 || return
	ip -n "$LAB-$name" address add "$3/64" dev eth0 nodad || return
	ip -n "$LAB-$name" link set eth0 up
}

# The VIPs are addresses of the balancer, so that its kernel answers ARP and neighbour
# solicitations for them; deprecated ones, so that it never picks one as its own source.
lab_vips() {
	local i
	for i in 0 1 2 3; do
		ip -n "$LAB-lb" address add "198.18.0.1$i/32" dev eth0 preferred_lft 0 || return
		ip -n "$LAB-lb" address add "2001:db8::1$i/128" dev eth0 nodad preferred_lft 0 || return
	done
}

# lab_pass LINK: on the switch's end of a balancer's link; pass.bpf.c says why.
lab_pass() {
	local object=$LAB_DIR/pass.bpf.o
	[ -e "$object" ] || ${CLANG:-clang} -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
		-c "$LAB_TOP/tests/lab/pass.bpf.c" -o "$object" || return
	lab_exec switch ip link set dev "$1" xdpdrv object "$object" section xdp.frags
}

lab_switch() {
	ip netns add "$LAB-switch" && lab_settle switch || return
	ip -n "$LAB-switch" link add br0 type bridge \
		stp_state 0 forward_delay 0 mcast_snooping 0 || return
	ip -n "$LAB-switch" link set br0 up
}

lab_build() {
	local i
	lab_switch || return
	lab_plug client 198.18.0.2 2001:db8::2 || return
	lab_plug lb 198.18.0.1 2001:db8::1 || return
	lab_vips || return
	lab_pass lb || return
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_plug "b$i" "198.18.1.1$i" "2001:db8::1:1$i" || return
	done
	mkdir "$LAB_DIR/bpf" && mount -t bpf bpf "$LAB_DIR/bpf"
}

# --- the lab as a whole ---

# Labs whose shell was killed before it could clean up.
lab_sweep() {
	local dir owner
	for dir in "$LAB_HOME"/*/; do
		owner=$(cat "$dir/owner" 2>/dev/null) || continue
		kill -0 "$owner" 2>/dev/null || lab_remove "$(basename "$dir")"
	done
}

# Fails, too, if the lab that was the last takes away LAB_HOME just then.
lab_claim() {
	mkdir -p "$LAB_HOME" && mkdir "$LAB_DIR"
}

# lab_up [keep]: builds the lab, and sees to it that it goes with this shell; with keep it stays
# until somebody calls lab_down.
lab_up() {
	[ "$(id -u)" -eq 0 ] || lab_fail "needs root, to make network namespaces" || return
	lab_sweep
	[ ! -e "$LAB_DIR" ] || lab_fail "$LAB is open already; close it first" || return
	wait_until 5 lab_claim || lab_fail "$LAB_DIR cannot be made" || return
	if [ "${1:-}" != keep ]; then
		echo "$$" >"$LAB_DIR/owner"
		trap lab_down EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
	fi
	lab_build && return
	lab_down
	lab_fail "cannot build the namespaces"
}

# lab_remove LAB: ends every process in the lab's namespaces and takes away all that lab_up made.
# May be called at any time, more than once, and from another shell.
lab_remove() {
	local path pids
	for path in /run/netns/"$1"-*; do
		[ -e "$path" ] || continue
		pids=$(ip netns pids "${path##*/}")
		# shellcheck disable=SC2086 # a list
		[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
		ip netns delete "${path##*/}"
	done
	# An agent that was killed holds it while it gives back its maps; what is left then, the next
	# sweep takes.
	! mountpoint -q "$LAB_HOME/$1/bpf" || wait_until 10 umount "$LAB_HOME/$1/bpf" || return 0
	rm -rf "${LAB_HOME:?}/$1"
	rmdir "$LAB_HOME" 2>/dev/null
	return 0
}

lab_down() {
	lab_remove "$LAB"
}

# --- processes ---

# lab_spawn NAME LABEL CMD...: runs CMD in the background in a namespace, output to LABEL.log,
# pid to LABEL.pid. A session of its own keeps the terminal's Ctrl-C for the script.
lab_spawn() {
	local name=$1 label=$2
	shift 2
	(exec nsenter --net="/run/netns/$LAB-$name" -- setsid "$@" \
		</dev/null >>"$LAB_DIR/$label.log" 2>&1) &
	echo $! >"$LAB_DIR/$label.pid"
	disown
}

lab_pid() {
	cat "$LAB_DIR/$1.pid" 2>/dev/null
}

lab_running() {
	local pid
	pid=$(lab_pid "$1") && kill -0 "$pid" 2>/dev/null
}

lab_gone() {
	! lab_running "$1"
}

# lab_end LABEL SIGNAL: sends the signal and waits until the process is gone.
lab_end() {
	local pid
	pid=$(lab_pid "$1") || return 0
	kill -"$2" "$pid" 2>/dev/null
	wait_until 10 lab_gone "$1" || lab_fail "$1 (pid $pid) does not end by SIG$2" || return
	rm -f "$LAB_DIR/$1.pid"
}

# --- the agent ---

lab_ready_lines() {
	grep -c 'msg="\?ready"\?' "$LAB_LOG" 2>/dev/null
}

lab_agent_up() {
	lab_gone lbagent || [ "$(lab_ready_lines)" -gt "$1" ]
}

# lab_agent_start [FLAG...]: returns when the agent serves. LAB_INTERFACE says where, if not at eth0,
# and LAB_AGENT which binary, if not the one that was built.
lab_agent_start() {
	local before agent=${LAB_AGENT:-$LAB_BUILD/lbagent}
	[ -x "$agent" ] || lab_fail "$agent is missing; run make build" || return
	before=$(lab_ready_lines)
	LIBXDP_BPFFS=$LAB_DIR/bpf lab_spawn lb lbagent "$agent" \
		--interface "${LAB_INTERFACE:-eth0}" \
		--state-dir "$LAB_DIR/state" --socket "$LAB_SOCKET" --bpffs "$LAB_PINS" \
		--listen 127.0.0.1:9480 "$@"
	wait_until 20 lab_agent_up "${before:-0}" && lab_running lbagent && return
	lab_fail "lbagent does not start; its last lines:"
	tail -n 20 "$LAB_LOG" >&2
	return 1
}

lab_agent_stop() {
	lab_end lbagent TERM
}

lab_agent_kill() {
	lab_end lbagent KILL
}

lbctl() {
	"$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" "$@"
}

# lab_api METHOD PATH [CURL-ARG...]: the bare API.
lab_api() {
	local method=$1 path=$2
	shift 2
	curl -sS --max-time 10 --unix-socket "$LAB_SOCKET" -X "$method" "$@" "http://lbagent$path"
}

# lab_backend SERVICE ADDR:PORT [FILTER]: a backend as JSON, or what a jq filter makes of it.
lab_backend() {
	lbctl --json show "$1" |
		jq -r --arg address "$2" ".backends[] | select(.address == \$address) | ${3:-.}"
}

lab_status_is() {
	[ "$(lab_backend "$1" "$2" .status)" = "$3" ]
}

# lab_wait_status SERVICE ADDR:PORT STATUS [SECONDS]
lab_wait_status() {
	wait_until "${4:-10}" lab_status_is "$1" "$2" "$3" ||
		lab_fail "backend $2 of $1 is $(lab_backend "$1" "$2" .status), not $3"
}

lab_all_up() {
	lbctl --json show "$1" | jq -e '(.backends | length > 0) and all(.backends[]; .status == "up")'
}

# lab_backends_are SERVICE N: so many, all of them up.
lab_backends_are() {
	[ "$(lbctl --json show "$1" | jq '.backends | length')" = "$2" ] && lab_all_up "$1"
}

lab_wait_up() {
	wait_until 15 lab_all_up "$1" ||
		lab_fail "not every backend of $1 is up: $(lbctl show "$1" 2>&1)"
}

# lab_count_runs: has the kernel count what BPF programs cost, until the lab is closed.
lab_count_runs() {
	local tool
	tool=$(lab_tool lab/statistics) || return
	lab_spawn lb statistics "$tool"
	wait_until 5 grep -q ready "$LAB_DIR/statistics.log"
}

# --- the backends ---

# One process, so that one signal ends it as a power cut would.
lab_nginx_conf() {
	cat <<-CONF
		daemon off; master_process off;
		pid $LAB_DIR/$1.nginx.pid; error_log $LAB_DIR/$1.error.log;
		worker_rlimit_nofile 16384;
		events { worker_connections 8192; multi_accept on; }
		http {
			access_log off;
			client_body_temp_path $LAB_DIR/$1.tmp; proxy_temp_path $LAB_DIR/$1.tmp;
			fastcgi_temp_path $LAB_DIR/$1.tmp; uwsgi_temp_path $LAB_DIR/$1.tmp;
			scgi_temp_path $LAB_DIR/$1.tmp;
			keepalive_requests 1000000;
			client_max_body_size 0;
			server {
				listen 80 backlog=4096; listen [::]:80 backlog=4096;
				location / { return 200 "$1\n"; }
				location = /health { return 200 "ok\n"; }
				location = /status { stub_status; }
				location = /large { root $LAB_DIR; }
			}
		}
	CONF
}

# An answer must come from the address that was asked, so each is bound by itself. The limit on
# answers to one client is off: the balancer is one client for all.
lab_nsd_conf() {
	local address
	echo "server:"
	for address in "198.18.1.1${1#b}" "2001:db8::1:1${1#b}" "$LAB_VIP4" "$LAB_VIP6"; do
		lab_exec "$1" ip -o address show | grep -qF " $address/" && echo "  ip-address: $address"
	done
	cat <<-CONF
		  username: ""
		  chroot: ""
		  zonesdir: "$LAB_DIR"
		  pidfile: "$LAB_DIR/$1.nsd.pid"
		  xfrdfile: "$LAB_DIR/$1.xfrd"
		  zonelistfile: "$LAB_DIR/$1.zonelist"
		  database: ""
		  rrl-ratelimit: 0
		  ipv4-edns-size: 4096
		  ipv6-edns-size: 4096
		remote-control:
		  control-enable: no
		zone:
		  name: "example.test"
		  zonefile: "$1.zone"
	CONF
}

lab_zone() {
	local i
	cat <<-ZONE
		\$ORIGIN example.test.
		@ 60 IN SOA ns.example.test. admin.example.test. 1 3600 600 86400 60
		@ 60 IN NS ns.example.test.
		ns 60 IN A 198.18.0.10
		www 60 IN A 198.18.0.10
		www 60 IN AAAA 2001:db8::10
		who 60 IN TXT "$1"
	ZONE
	# An answer of some 3000 bytes: fragments.
	for ((i = 0; i < 15; i++)); do
		printf 'large 60 IN TXT "%0200d"\n' "$i"
	done
}

lab_listening() {
	lab_exec "$1" ss -Hltn "sport = :$2" | grep -q .
}

# lab_backend_start N [hello|nginx|nsd] [FLAG...]: serves port 80 (nsd: 53) on every address of bN.
lab_backend_start() {
	local name=b$1 label=b$1 kind=${2:-hello} port=80
	shift $(($# < 2 ? $# : 2))
	case $kind in
	hello)
		lab_spawn "$name" "$name" "$LAB_BUILD/hello" --name "$name" --listen 80 "$@"
		;;
	nginx)
		lab_nginx_conf "$name" >"$LAB_DIR/$name.conf"
		lab_spawn "$name" "$name" nginx -e "$LAB_DIR/$name.error.log" -c "$LAB_DIR/$name.conf" "$@"
		;;
	nsd)
		port=53 label=$name.nsd
		lab_nsd_conf "$name" >"$LAB_DIR/$label.conf"
		lab_zone "$name" >"$LAB_DIR/$name.zone"
		lab_spawn "$name" "$label" nsd -d -c "$LAB_DIR/$label.conf" "$@"
		;;
	*)
		lab_fail "$kind: not a kind of backend (hello, nginx, nsd)"
		return
		;;
	esac
	wait_until 10 lab_listening "$name" "$port" && return
	lab_fail "$kind in $name does not listen on port $port:"
	cat "$LAB_DIR/$label.log" >&2
	return 1
}

# lab_load N LOAD: what lbnode reports for bN from now on.
lab_load() {
	echo "$2" >"$LAB_DIR/b$1.load.new" && mv "$LAB_DIR/b$1.load.new" "$LAB_DIR/b$1.load"
}

# lab_report_start N [WORD...]: lbnode report in bN, by what this program says, or what lab_load does.
lab_report_start() {
	local name=b$1 words=() word
	shift
	[ $# -gt 0 ] || set -- /bin/cat "$LAB_DIR/$name.load"
	for word in "$@"; do
		words+=(--exec "$word")
	done
	lab_spawn "$name" "$name.report" "$LAB_BUILD/lbnode" report --listen '[::]:9481' "${words[@]}"
	wait_until 10 lab_listening "$name" 9481 || lab_fail "lbnode report in $name does not listen"
}

# Kill -9: the host lives on and refuses connections.
lab_backend_kill() {
	lab_end "b$1" KILL
}

# lab_backend_link N up|down: down is the host gone without a word.
lab_backend_link() {
	ip -n "$LAB-switch" link set "b$1" "$2"
}

# lab_node N up|down|show [FLAG...]: lbnode in bN, with pins of its own: the namespaces share one
# BPF file system, which hosts do not.
lab_node() {
	local name=b$1 verb=$2
	shift 2
	[ "$verb" != up ] || set -- --bpffs "$LAB_DIR/bpf/$name" "$@"
	lab_exec "$name" "$LAB_BUILD/lbnode" "$verb" "$@" --state "$LAB_DIR/$name.lbnode.json"
}

# lab_nodes_up [FLAG...]: prepares every backend to answer as the VIPs itself, for mode l2 if no flag
# says otherwise.
lab_nodes_up() {
	local i
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_node "$i" up --interface eth0 --vip "$LAB_VIP4" --vip "$LAB_VIP6" "$@" || return
	done
}

lab_nodes_down() {
	local i
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		lab_node "$i" down || return
	done
}

# lab_address VIP N: the address of bN in the VIP's family, as in a URL.
lab_address() {
	case $1 in
	*\[*) echo "[2001:db8::1:1$2]" ;;
	*) echo "198.18.1.1$2" ;;
	esac
}

# --- hosts that the autoscaler may use ---

# What is started on a host; a script may say otherwise before lab_launcher.
lab_launcher_start() {
	local host=$1
	shift
	lab_backend_start "$host" hello "$@"
}

# lab_launcher HOSTS [FLAG...]: answers drivers/lab, in the background, until the lab is closed. It
# starts hello with these flags in the first of HOSTS ("2 3 4") that is free. While the file `hold` is
# in LAB_DIR/launcher requests wait; while `broken` is, no launch succeeds.
lab_launcher() {
	local dir=$LAB_DIR/launcher
	mkdir -p "$dir/requests" "$dir/answers" "$dir/hosts"
	(
		trap '' INT
		trap - EXIT
		while [ -d "$dir/requests" ]; do
			lab_launcher_turn "$dir" "$@"
			sleep 0.05
		done
	) >"$LAB_DIR/launcher.log" 2>&1 &
	disown
}

lab_launcher_turn() {
	local dir=$1 request action service id answer status
	shift
	for request in "$dir"/requests/*; do
		[ ! -e "$dir/hold" ] || return
		[[ $request =~ /[0-9]+$ ]] || continue
		read -r action service id <"$request" || continue
		rm -f "$request"
		answer=$(lab_launcher_"$action" "$dir" "$id" "$@" 2>&1)
		status=$?
		echo "$service: $action $id: $status $answer"
		printf '%d\n%s\n' "$status" "$answer" >"$dir/answer.new"
		mv "$dir/answer.new" "$dir/answers/${request##*/}" || return
	done
}

# lab_launched DIR ID: the host that serves as ID.
lab_launched() {
	grep -lxF -- "$2" "$1"/hosts/* 2>/dev/null | sed 's|.*/||'
}

lab_launcher_up() {
	local dir=$1 id=$2 hosts=$3 host
	shift 3
	host=$(lab_launched "$dir" "$id")
	for host in $host $hosts; do
		[ -e "$dir/broken" ] && echo "broken on purpose" && return 1
		[ ! -e "$dir/hosts/$host" ] || [ "$(cat "$dir/hosts/$host")" = "$id" ] || continue
		lab_running "b$host" || lab_launcher_start "$host" "$@" || return
		echo "$id" >"$dir/hosts/$host"
		echo "{\"address\": \"198.18.1.1$host:80\"}"
		return
	done
	echo "no host is free"
	return 1
}

# One that is gone already is stopped just as well.
lab_launcher_down() {
	local dir=$1 host
	host=$(lab_launched "$dir" "$2")
	[ -n "$host" ] || return 0
	lab_end "b$host" TERM && rm -f "$dir/hosts/$host"
}

# lab_service NAME VIP "N..." [FLAG...]: adds a service with these backends; returns when all of
# them are up.
lab_service() {
	local name=$1 vip=$2 backends=$3 i
	shift 3
	lbctl add service "$name" --vip "$vip" "$@" >/dev/null || return
	for i in $backends; do
		lbctl add backend "$name" "$(lab_address "$vip" "$i")" >/dev/null || return
	done
	lab_wait_up "$name"
}

# lab_wrk ARG...: wrk as the client, counting who served (bodies.lua).
lab_wrk() {
	lab_exec client wrk -s "$LAB_TOP/tests/lab/bodies.lua" --timeout "$((2 * ${SLOWER:-1}))s" "$@"
}

# lab_metric SERIES: its value, as Prometheus would see it.
lab_metric() {
	lab_exec lb curl -sS http://127.0.0.1:9480/metrics | awk -v name="$1" '$1 == name {print $2}'
}

# lab_total SERVICE FIELD: the sum over its backends.
lab_total() {
	lbctl --json show "$1" | jq --arg field "$2" '[.backends[][$field]] | add'
}

# lab_served FILE [NAME]: answers in wrk's output, by one backend or by all.
lab_served() {
	awk -v name="${2:-}" '$1 == "served" && (name == "" || $2 == name) {n += $3}
		END {print n + 0}' "$1"
}

# lab_errors FILE: failed requests in wrk's output.
lab_errors() {
	awk '$1 == "errors" {n = $2; seen = 1} END {print seen ? n : "unknown"}' "$1"
}

# lab_log_time MESSAGE BACKEND AFTER: when the agent said so, in ms since 1970, not before AFTER.
lab_log_time() {
	local line ms
	while read -r line; do
		ms=$(date -d "$(sed -E 's/.*ts=([^ ]+).*/\1/' <<<"$line")" +%s%3N)
		[ "$ms" -lt "$3" ] || { echo "$ms" && return; }
	done < <(grep -F "msg=\"$1\"" "$LAB_LOG" | grep -E "backend=${2//./\\.}( |\$)")
	return 1
}

# lab_curl ARG...: curl as the client.
lab_curl() {
	lab_exec client curl -sS --max-time $((5 * ${SLOWER:-1})) "$@"
}

# --- many flows ---

# lab_flowhold establish|check|flood VIP FLOWS: flowhold.c between the client and all backends. A flood
# asks nothing of them, and opens nothing there: while a packet socket of protocol IP is open, the
# kernel clones what comes in and loses what lb_syncookie has found.
lab_flowhold() {
	local mode=$1 vip=$2 flows=$3 tool i backends=()
	tool=$(lab_tool e2e/flowhold) || return
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		[ "$mode" != flood ] || break
		backends+=(--backend "/run/netns/$LAB-b$i")
	done
	"$tool" "$mode" --vip "$vip" --client "/run/netns/$LAB-client" \
		--mac "$(ip -n "$LAB-lb" -j link show eth0 | jq -r '.[0].address')" \
		"${backends[@]}" --flows "$flows" --owners "$LAB_DIR/owners"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks by the clients' way: through the tunnel, to the VIP on that backend, whatever rp_filter is
# and whether or not the balancer holds the VIP itself; and a balancer that is a backend too.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
lab_up || exit 1
lab_backend_start 1 hello || exit 1
lab_backend_start 2 hello || exit 1
lab_agent_start || exit 1
fast=(--check-interval 100ms --check-timeout 500ms --rise 1 --fall 2)

# add NAME VIP MODE OUTER [FLAG...]: with both backends, at addresses of family OUTER
add() {
	local name=$1 vip=$2 mode=$3 outer=$4 flags=()
	shift 4
	case $mode in gue?) flags=(--gue-variant "${mode#gue}") ;; esac
	lbctl add service "$name" --vip "$vip" --mode "${mode%[01]}" "${flags[@]}" "${fast[@]}" "$@" >/dev/null &&
		lbctl add backend "$name" "$(address "$outer" 1)" "$(address "$outer" 2)" >/dev/null &&
		lab_wait_up "$name"
}

# address FAMILY N
address() {
	if [ "$1" = 4 ]; then echo "198.18.1.1$2"; else echo "[2001:db8::1:1$2]"; fi
}

reason() {
	lab_backend web "$1" .reason
}

reason_matches() {
	lab_status_is web "$1" down && reason "$1" | grep -Eq -- "$2"
}

# vip_address VERB NS DEV FAMILY: adds or deletes the VIP there
vip_address() {
	if [ "$4" = 4 ]; then
		ip -n "$LAB-$2" address "$1" "$LAB_VIP4/32" dev "$3"
	else
		ip -n "$LAB-$2" address "$1" "$LAB_VIP6/128" dev "$3" nodad
	fi
}

# filters: how many tc filters eth0 has
filters() {
	{
		lab_exec lb tc filter show dev eth0 ingress
		lab_exec lb tc filter show dev eth0 egress
	} | grep -c handle
}

filters_are() {
	[ "$(filters)" = "$1" ]
}

# How the filters are told apart from others: id and handle
filter_ids() {
	lab_exec lb tc filter show dev eth0 egress | grep -o 'handle 0x[0-9a-f]*\| id [0-9]*'
}

ids_are_not() {
	[ "$(filter_ids)" != "$1" ]
}

# not_up LBCTL SERVICE: the backends that are not, and why
not_up() {
	local answer
	answer=$("$1" --json show "$2" 2>&1) || { echo "$answer" && return; }
	jq -r '.backends[] | select(.status != "up") | "\(.address) is \(.status): \(.reason)"' <<<"$answer"
}

is_checked_by() {
	[ "$(lab_backend web 198.18.1.11:80 '."check-via"')" = "$1" ]
}

# passed SOCKET: how many checks of this agent have passed so far
passed() {
	curl -sS --max-time 10 --unix-socket "$1" http://lbagent/metrics |
		awk '/^lb_health_checks_total.*result="pass"/ {n += $2} END {print n + 0}'
}

passed_is() {
	[ "$(passed "$1")" -ge "$2" ]
}

# try MODE INNER OUTER
try() {
	local mode=$1 inner=$2 outer=$3 name="$1, IPv$2 in IPv$3" vip=tcp://$LAB_VIP4:80 second
	[ "$inner" = 4 ] || vip=tcp://[$LAB_VIP6]:80
	[ "$mode" != l2 ] || name="l2, IPv$inner"
	second=$(address "$outer" 2):80

	add web "$vip" "$mode" "$outer" || bail "$name: both backends come up"
	check_equal "$name: both are checked by the VIP" "vip vip" \
		"$(lbctl --json show web | jq -r '[.backends[]."check-via"] | join(" ")')"
	vip_address del b2 lo "$inner"
	check "$name: a backend without the VIP is down, and says so" wait_until 10 reason_matches \
		"$second" "^via VIP ${vip//[\[\]]/.}: .*lbnode up|^via VIP .*(Connection refused|No route to host|Host is unreachable)"
	check_matches "$name: the other is not" '^up ' \
		"$(lab_backend web "$(address "$outer" 1):80" '"\(.status) \(.reason)"')"
	lbctl set service web --check-via address >/dev/null
	check "$name: checked by its address it is up all the same" lab_wait_status web "$second" up
	lbctl set service web --check-via auto >/dev/null
	check "$name: and down again by the VIP" lab_wait_status web "$second" down
	vip_address add b2 lo "$inner"
	check "$name: with the VIP it is back" lab_wait_status web "$second" up
	check_equal "$name: no check counts as a client's packet" 0 \
		"$(lbctl --json show web | jq '.packets + ([.backends[].packets] | add)')"
	lbctl rm service web >/dev/null
}

for mode in l2 ipip gue0 gue1; do
	lab_nodes_up --mode "${mode%[01]}" >/dev/null || bail "$mode: lbnode prepares the backends"
	for inner in 4 6; do
		try "$mode" "$inner" "$inner"
		[ "$mode" = l2 ] || try "$mode" "$inner" $((10 - inner))
	done
	[ "$mode" = gue1 ] || lab_nodes_down >/dev/null
done
check "with the last service the filters go" wait_until 5 filters_are 0
check_equal "and the qdisc" "" "$(lab_exec lb tc qdisc show dev eth0 clsact)"

# --- reverse-path filters, and a VIP that is the balancer's own or not (mode gue stands prepared) ---

set_rp_filter() {
	lab_exec lb sh -c "echo $1 >/proc/sys/net/ipv4/conf/all/rp_filter
		echo $1 >/proc/sys/net/ipv4/conf/eth0/rp_filter"
}

for own in yes no; do
	[ "$own" = yes ] || vip_address del lb eth0 4
	for filter in 0 1 2; do
		set_rp_filter "$filter"
		check "rp_filter $filter, the balancer holds the VIP: $own" \
			add web "tcp://$LAB_VIP4:80" gue0 4
		lbctl rm service web >/dev/null
		check "rp_filter $filter, the same by IPv6 outside" add web "tcp://$LAB_VIP4:80" gue0 6
		lbctl rm service web >/dev/null
	done
done
vip_address add lb eth0 4
set_rp_filter 0

# --- what exactly is checked ---

lab_nodes_down >/dev/null
lab_nodes_up >/dev/null || bail "lbnode prepares the backends for l2"
lab_backend_kill 2
lab_spawn b2 b2 "$LAB_BUILD/hello" --name b2 --listen "$LAB_VIP4:80" --listen 8080
wait_until 10 lab_listening b2 80
check "a server bound to the VIP alone is up" add web "tcp://$LAB_VIP4:80" l2 4 --check http
lbctl set service web --check-via address >/dev/null
check "by its address it is down, the usual way" \
	wait_until 10 reason_matches 198.18.1.12:80 '^connect: Connection refused$'
lbctl set service web --check-via auto >/dev/null
check "and up again" lab_wait_status web 198.18.1.12:80 up
lab_exec client curl -s -X PUT "http://198.18.1.12:8080/health?status=503" >/dev/null
lbctl set service web --check-path /health >/dev/null
check "what it says is heeded, by the VIP" wait_until 10 reason_matches 198.18.1.12:80 \
	"^via VIP tcp://$LAB_VIP4:80: HTTP status 503"
lbctl set service web --check-path / >/dev/null
check "and when it is well again" lab_wait_status web 198.18.1.12:80 up
lab_backend_kill 2
check "a server that is gone is told from a VIP that is gone" wait_until 10 reason_matches \
	198.18.1.12:80 "^via VIP tcp://$LAB_VIP4:80: connect: Connection refused; does the server listen"
lab_backend_start 2 hello || bail "server b2 does not start"
check "check-port names another port of the VIP" lbctl set service web --check-port 81
check "which nobody serves" wait_until 10 reason_matches 198.18.1.11:80 \
	"^via VIP tcp://$LAB_VIP4:81: connect: Connection refused"
lbctl set service web --check-port 0 >/dev/null
lab_wait_up web || bail "both are up again"

# --- beside clients and others' filters ---

lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 3000 >"$LAB_DIR/out"
check_equal "3000 requests of clients meanwhile, none failed" 0 "$(lab_errors "$LAB_DIR/out")"
check_matches "nat refuses check-via vip" 'in mode nat no packet' \
	"$(lbctl add service no --vip "tcp://$LAB_VIP4:81" --check-via vip 2>&1)"

check "another's filter" lab_exec lb tc filter add dev eth0 egress pref 49 \
	bpf da bytecode '1,6 0 0 4294967295,'
check "is beside ours" filters_are 3
lab_exec lb tc qdisc del dev eth0 clsact
check "filters that were taken off come back" wait_until 15 filters_are 2
check "and the backends are up" wait_until 15 lab_all_up web
before=$(filter_ids)
lab_agent_kill
check "filters outlive the agent" filters_are 2
lab_agent_start || exit 1
check "after its restart both are up" wait_until 15 lab_all_up web
check "and are checked" wait_until 5 is_checked_by vip
check "the programs are not the old ones" wait_until 5 ids_are_not "$before"
check_equal "the new programs are in the place of the old" "$(grep handle <<<"$before")" \
	"$(filter_ids | grep handle)"
check_equal "not beside them" 2 "$(filters)"

# --- two agents, whose checks leave by the same interface ---

ip link add eth1 netns "$LAB-lb" type veth peer name lb1 netns "$LAB-switch"
ip -n "$LAB-lb" link set eth1 up
lab_spawn lb second "$LAB_BUILD/lbagent" --interface eth1 --state-dir "$LAB_DIR/second" \
	--socket "$LAB_DIR/second.sock" --bpffs "$LAB_DIR/bpf/second" --listen none
second() {
	"$LAB_BUILD/lbctl" --socket "$LAB_DIR/second.sock" "$@"
}
second_is_up() {
	second --json show other | jq -e '(.backends | length > 0) and all(.backends[]; .status == "up")'
}
wait_until 60 second status
second add service other --vip "tcp://$LAB_VIP4:80" --mode l2 "${fast[@]}" \
	--backend 198.18.1.11 --backend 198.18.1.12 >/dev/null
check "a second agent's backends are up" wait_until 10 second_is_up
check_equal "its filters are beside ours" 4 "$(filters)"
check_equal "each agent marks its checks by a number of its own" 2 \
	"$(lab_exec lb ss -Hxa | grep -o '@sluice-probes-[0-9]*' | sort -u | wc -l)"
for socket in "$LAB_SOCKET" "$LAB_DIR/second.sock"; do
	check "checks pass beside the other agent's, ${socket##*/}" wait_until 10 passed_is "$socket" $(($(passed "$socket") + 20))
done
check_none "and ours are up" "$(not_up lbctl web)"
check_none "and its" "$(not_up second other)"
lab_end second TERM
check "it goes" lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_DIR/bpf/second"
check_equal "and ours stay" 2 "$(filters)"
check_matches "with the qdisc" clsact "$(lab_exec lb tc qdisc show dev eth0)"
ip -n "$LAB-lb" link del eth1
check_none "and are up" "$(not_up lbctl web)"

# --- the balancer as a backend ---

lab_spawn lb lb "$LAB_BUILD/hello" --name lb --listen 80
wait_until 10 lab_listening lb 80
# Indices rest after a restart until no flow can name them.
wait_until 10 lbctl add backend web 198.18.0.1
check "the balancer itself is a backend" lab_wait_status web 198.18.0.1:80 up
check_equal "checked by the VIP" vip "$(lab_backend web 198.18.0.1:80 '."check-via"')"
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 3000 >"$LAB_DIR/out"
check_equal "3000 requests to all three, none failed" 0 "$(lab_errors "$LAB_DIR/out")"
check_between "it serves its share" 800 1200 "$(lab_served "$LAB_DIR/out" lb)"
# wrk has gone beyond the limit when it stops, and tells all requests in its own sum.
made=$(awk '$2 == "requests" && $3 == "in" {print $1}' "$LAB_DIR/out")
check_between "which is counted as its own, of $made" $((made * 4 / 15)) $((made * 2 / 5)) \
	"$(lab_backend web 198.18.0.1:80 '."new-flows"')"
lbctl drain backend web 198.18.0.1 >/dev/null
lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$LAB_URL4/" -- 500 >"$LAB_DIR/out"
check_equal "drained it serves nobody" 0 "$(lab_served "$LAB_DIR/out" lb)"
lbctl set backend web 198.18.0.1 --state up >/dev/null
lab_end lb KILL
check "its server is gone: down, by the VIP" wait_until 10 reason_matches 198.18.0.1:80 \
	"^via VIP tcp://$LAB_VIP4:80: connect: Connection refused"
vip_address del lb eth0 4
lbctl set service web --check none >/dev/null
check "a balancer that does not hold the VIP cannot serve it" lab_wait_status web 198.18.0.1:80 no-neighbour
check_matches "and says what to type" "ip address add $LAB_VIP4/32 dev lo" "$(reason 198.18.0.1:80)"
vip_address add lb eth0 4
check "with the VIP it can" lab_wait_status web 198.18.0.1:80 up
lbctl rm service web >/dev/null
lbctl add service web --vip "tcp://$LAB_VIP4:80" "${fast[@]}" >/dev/null
lbctl add backend web 198.18.0.1 >/dev/null
check "in mode nat it is refused" lab_wait_status web 198.18.0.1:80 no-neighbour
check_matches "with the way out" 'use mode l2, ipip or gue' "$(reason 198.18.0.1:80)"
lbctl rm service web >/dev/null

# --- the end ---

add web "tcp://$LAB_VIP4:80" l2 4 || bail "both come up once more"
lab_agent_stop || exit 1
check_equal "the agent is stopped, filters are there" 2 "$(filters)"
check "--unload" lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS"
check_equal "leaves no filter" 0 "$(filters)"
check_equal "and no qdisc" "" "$(lab_exec lb tc qdisc show dev eth0 clsact)"
check "and no pin" [ ! -e "$LAB_PINS" ]
checks_done

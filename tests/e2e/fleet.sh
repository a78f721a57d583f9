#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two balancers, then three, behind a router with ECMP, by real BGP sessions with BFD: who announces
# what, who is withdrawn and when, what it costs clients, and whether the balancers agree.
# alone: it measures times
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"
. "$(dirname "$0")/../lab/fleet.sh"

STRICT=198.19.100.11
LAB_LOG=/dev/null

lab_up || exit 1
LAB_LOG=$LAB_DIR/lb1.log
lab_nodes_up --vip "$STRICT" >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
(umask 077 && echo 5b5b000011112222 >"$LAB_DIR/seed")

# --- configurations ---

# services ORDER: as jq sorts them, or the other way round.
services() {
	jq -n --arg vip4 "$LAB_VIP4" --arg vip6 "$LAB_VIP6" --arg strict "$STRICT" "
		def web(\$name; \$vip; \$addresses): {name: \$name, vip: [\$vip], mode: \"l2\",
			\"check-interval\": \"200ms\", \"check-timeout\": \"500ms\", fall: 2, rise: 1,
			backends: [\$addresses[] | {address: ., weight: (if endswith(\"12\") then 3 else 1 end)}]};
		def four(\$n): [\$n[] | \"198.18.1.1\(.)\"];
		{services: ([
			web(\"web\"; \"tcp://\(\$vip4):80\"; four([1, 2, 3]) | $1),
			web(\"six\"; \"tcp://[\(\$vip6)]:80\"; [\"2001:db8::1:11\", \"2001:db8::1:13\"] | $1),
			(web(\"strict\"; \"tcp://\(\$strict):80\"; four([1, 2]) | $1)
				+ {\"announce-min\": \"100%\"})] | $1)}"
}

# configure N ORDER
configure() {
	services "$2" | fleet_lbctl "$1" apply -f - >/dev/null &&
		wait_until 10 fleet_all_up "$1" web && wait_until 10 fleet_all_up "$1" six &&
		wait_until 10 fleet_all_up "$1" strict
}

# join N ORDER [FLAG...]: a balancer begins to serve and to announce.
join() {
	local n=$1 order=$2
	shift 2
	fleet_agent_start "$n" "$@" || return
	configure "$n" "$order" || return
	fleet_bgp_config "$n" --for bird --peer 2001:db8::fe >"$LAB_DIR/lb$n.bird.conf" || return
	fleet_bird_start "lb$n"
}

fleet_router_conf >"$LAB_DIR/router.bird.conf"
fleet_bird_start router || bail "the router starts"
join 1 . || bail "the first balancer joins"
join 2 reverse --drain-on-stop 1500ms || bail "the second balancer joins"

check "BIRD takes the configuration that lbctl makes" bird -p -c "$LAB_DIR/lb1.bird.conf"
LAB_LOG=$LAB_DIR/router.bird.log
fleet_wait_hops "$LAB_VIP4" 2 || bail "the router spreads over two balancers"
ok "the router spreads over two balancers"
check "of IPv6 too" fleet_wait_hops "$LAB_VIP6" 2
check "and so it does for the VIP of the strict service" fleet_wait_hops "$STRICT" 2
check_equal "nobody looks for routes in the table itself" "" \
	"$(ip -n "$LAB-lb1" rule show | grep -w "$FLEET_TABLE")"
check_equal "the metrics say so" 1 "$(
	fleet_metric 1 "lb_vip_announced{service=\"web\",vip=\"tcp://$LAB_VIP4:80\"}"
)"

# --- traffic, and agreement ---

lab_curl -H "$LAB_FRESH" "$LAB_URL4/?[1-60]" -o /dev/null || not_ok "requests by the router"
lab_curl -H "$LAB_FRESH" "$LAB_URL6/?[1-20]" -o /dev/null || not_ok "requests of IPv6"
check "both balancers get flows" [ "$(fleet_packets 1 web)" -gt 50 -a "$(fleet_packets 2 web)" -gt 50 ]

sockets=("$LAB_DIR/lb1.sock" "$LAB_DIR/lb2.sock")
check_matches "they agree, whatever the order in which they were told" '^web +agree' \
	"$("$LAB_BUILD/lbctl" fleet "${sockets[@]}")"
check_equal "on all services" '[true,true,true,true]' \
	"$("$LAB_BUILD/lbctl" --json fleet "${sockets[@]}" | jq -c '[.agree, (.services[] | .agree)]')"
check_equal "by the same digests in the metrics" \
	"$(fleet_metric 1 'lb_service_table_digest{service="web"}')" \
	"$(fleet_metric 2 'lb_service_table_digest{service="web"}')"

differ() {
	"$LAB_BUILD/lbctl" --json fleet "${sockets[@]}" |
		jq -r --arg name "$1" '.services[] | select(.service == $name) | [.differ, .words[]?] | join(" ")'
}
differs() {
	[ "$(differ "$1")" = "$2" ]
}
fleet_lbctl 2 set backend web 198.18.1.11 --weight 2 >/dev/null
fleet_lbctl 2 set service six --rise 3 >/dev/null
check_equal "what one was told and the other was not is found" "configuration backends" "$(differ web)"
check_equal "by name" "configuration rise" "$(differ six)"
check_matches "and said" 'web: configuration differs: backends' \
	"$("$LAB_BUILD/lbctl" fleet "${sockets[@]}" 2>&1)"
fleet_lbctl 2 set backend web 198.18.1.11 --weight 1 >/dev/null
fleet_lbctl 2 set service six --rise 1 >/dev/null
check_equal "and gone when it is mended" "" "$(differ web)$(differ six)"
# What the checks of one say, those of the other do not.
lab_exec b3 ip route add blackhole 198.18.0.2
check "momentary health is told from it" wait_until 10 differs web health
lab_exec b3 ip route del blackhole 198.18.0.2
check "and passes" wait_until 10 differs web ""

# --- below the minimum ---

lab_backend_kill 2
took=$(fleet_until fleet_hops_are "$STRICT" 0)
# fall x check-interval + check-timeout, and what BGP takes.
promise "a service below its minimum is withdrawn from the router within 1000 ms" 1000 "$took"
check_equal "others stay" 2 "$(fleet_hops "$LAB_VIP4")"
check_matches "show says why" "not announced $STRICT/32: service strict: 1 of 2 backends healthy, announce-min is 100%" \
	"$(fleet_lbctl 1 show strict)"
lab_backend_start 2 hello || exit 1
wait_until 10 fleet_all_up 1 strict
check_matches "it is not announced as soon as it is healthy, but after a hold-down" \
	"healthy enough, to be announced in [34] s" "$(fleet_lbctl 1 show strict)"

# --- withdrawn on demand, under load ---

# A flow that moves to another balancer stays with its backend only where both have the same table.
settled() {
	fleet_all_up 1 web && fleet_all_up 2 web && fleet_agree "${sockets[@]}"
}

# load SECONDS: new connections by wrk, in the background; loaded: its errors.
load() {
	wait_until 10 settled || not_ok "the balancers agree before the load"
	lab_wrk -t1 -c8 "-d$1s" -H "$LAB_FRESH" "$LAB_URL4/" >"$LAB_DIR/wrk" 2>&1 &
	wrk=$!
	lab_wrk -t1 -c4 "-d$1s" "$LAB_URL4/" >"$LAB_DIR/wrk.kept" 2>&1 &
	kept=$!
	sleep 0.5
}
# loaded WHAT: 0 failed on new connections and on kept ones.
loaded() {
	wait "$wrk" "$kept"
	promise "$1: 0 requests failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
	check_equal "$1: 0 failed on connections that were there" 0 "$(lab_errors "$LAB_DIR/wrk.kept")"
	check "of many" [ "$(lab_served "$LAB_DIR/wrk")" -gt 100 ]
}

load 3
fleet_lbctl 1 withdraw >"$LAB_DIR/withdraw" || not_ok "lbctl withdraw"
took=$(fleet_until fleet_not_by "$LAB_VIP4" 1)
check_at_most "the router hears of lbctl withdraw" 1000 "$took"
check_matches "status says so" "table 100: withdrawn, 0 of 3" "$(fleet_lbctl 1 status)"
check_equal "metrics too" 1 "$(fleet_metric 1 lb_withdrawn)"
sleep 0.5
fleet_lbctl 1 announce >/dev/null || not_ok "lbctl announce"
took=$(fleet_until fleet_goes_by "$LAB_VIP4" 1)
check_at_most "and of lbctl announce, without a hold-down" 1000 "$took"
loaded "a balancer withdrawn and announced under load"

# --- the agent killed ---

routes_are() {
	[ "$(fleet_routes 1)" = "$1" ]
}
check "the strict service's hold-down has passed" wait_until 10 routes_are 3
ip -n "$LAB-router" monitor route >"$LAB_DIR/monitor" 2>&1 &
monitor=$!
load 3
lab_end lb1 KILL
check_equal "the agent's end by kill -9 withdraws nothing" 3 "$(fleet_routes 1)"
sleep 0.3
fleet_agent_start 1 || exit 1
sleep 0.5
loaded "an agent killed with -9, and started again, under load"
kill "$monitor"
check_equal "and no route flapped" 0 "$(grep -c "$LAB_VIP4" "$LAB_DIR/monitor")"

# --- stopped with a drain ---

load 4
before=$(lab_now_ms)
lab_end lb2 TERM || not_ok "SIGTERM ends the agent"
took=$(($(lab_now_ms) - before))
check_between "SIGTERM drains for as long as it was told" 1400 4000 "$took"
check "its routes are gone" fleet_not_by "$LAB_VIP4" 2
loaded "a balancer stopped by SIGTERM with a drain, under load"

# --- a third ---

join 3 'sort_by(.name? // .)' || bail "a third balancer joins"
fleet_agent_start 2 || exit 1
fleet_wait_hops "$LAB_VIP4" 3 || bail "the router spreads over three balancers"
ok "the router spreads over three balancers"
lab_curl -H "$LAB_FRESH" "$LAB_URL4/?[1-60]" -o /dev/null || not_ok "requests by three"
check "the third gets flows" [ "$(fleet_packets 3 web)" -gt 30 ]
sockets+=("$LAB_DIR/lb3.sock")
check "and all three agree" wait_until 5 fleet_agree "${sockets[@]}"

# --- a machine that dies ---

sleep 0.5 # BFD sessions have settled on their pace
ip -n "$LAB-switch" link set lb3 down
took=$(fleet_until fleet_not_by "$LAB_VIP4" 3)
promise "BFD finds a dead balancer within 600 ms" 600 "$took"
check_matches "the fleet says that it is missed" 'lb9.sock +unreachable' \
	"$("$LAB_BUILD/lbctl" fleet "$LAB_DIR/lb1.sock" "$LAB_DIR/lb9.sock" 2>&1)"

# --- back above the minimum ---

check "what was below its minimum is announced again" fleet_wait_hops "$STRICT" 2
check_matches "which the events tell" 'vip-announced .*strict' "$(fleet_lbctl 1 events)"

# --- FRR in BIRD's place ---

frr=$LAB_DIR/frr
vtysh() {
	lab_exec lb2 vtysh --vty_socket "$frr" "$@"
}
frr_start() {
	lab_spawn lb2 "frr.$1" "/usr/lib/frr/$1" --vty_socket "$frr" -z "$frr/zserv.api" \
		-i "$frr/$1.pid" -P 0 "${@:2}"
	wait_until 5 [ -S "$frr/$1.vty" ]
}
frr_bfd_up() {
	vtysh -c 'show bfd peers' | grep -q 'Status: up'
}
frr_all() {
	frr_start zebra && frr_start bfdd --bfdctl "$frr/bfdd.sock" && frr_start bgpd -p 179
}
if [ -x /usr/lib/frr/bgpd ]; then
	install -d -o frr -g frr -m 755 "$frr"
	lab_end lb2.bird TERM
	check "without its BIRD a balancer gets nothing" wait_until 5 fleet_not_by "$LAB_VIP4" 2
	fleet_bgp_config 2 --for frr >"$frr/frr.conf"
	frr_all || not_ok "FRR starts" "$(cat "$LAB_DIR"/frr.*.log)"
	check "FRR takes the configuration that lbctl makes" vtysh -C -f "$frr/frr.conf"
	vtysh -f "$frr/frr.conf" >"$LAB_DIR/vtysh.log" 2>&1 || not_ok "vtysh loads it" "$(cat "$LAB_DIR/vtysh.log")"
	check "and announces what lbagent has put there" wait_until 15 fleet_goes_by "$LAB_VIP4" 2
	check "equally with BIRD's" fleet_wait_hops "$LAB_VIP4" 2
	check "with BFD" wait_until 10 frr_bfd_up
	fleet_lbctl 2 withdraw >/dev/null
	if wait_until 15 fleet_not_by "$LAB_VIP4" 2; then
		ok "and withdraws it"
	else
		not_ok "and withdraws it" "$(fleet_lbctl 2 status
			fleet_ways router "$LAB_VIP4"
			vtysh -c "show ip route table $FLEET_TABLE" -c 'show bgp ipv4 unicast' -c 'show bgp summary'
			tail -n 20 "$LAB_DIR/router.bird.log" "$LAB_DIR"/frr.*.log)"
	fi
else
	skip "FRR in BIRD's place" "frr is not installed"
fi

# --- the end ---

lab_end lb1 KILL
lab_exec lb1 "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_DIR/bpf/lb1" --state-dir "$LAB_DIR/state1" ||
	not_ok "lbagent --unload"
check_equal "lbagent --unload leaves no route" 0 "$(fleet_routes 1)"
checks_done

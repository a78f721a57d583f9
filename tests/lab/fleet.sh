# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A fleet of balancers behind a router that knows them by BGP. Source it behind lab.sh; lab_up then
# builds this network instead of the lab's own:
#
#   client ── router ── br0 in the switch namespace ──┬── lb1 lb2 lb3, each with an agent and a BIRD
#                                                     └── b1 b2 b3
#
#   client  198.19.0.2/24      2001:db8:1::2/64
#   router  198.19.0.254, 198.18.0.254     2001:db8:1::fe, 2001:db8::fe     AS 65000
#   lbN     198.18.0.N/16      2001:db8::N/64                               AS 65001
#   bN      198.18.1.1N/16     2001:db8::1:1N/64
#
# VIPs are of 198.19.100.0/24 and 2001:db8:100::/64, which nobody has and no route leads to but those
# that BGP brings. The router spreads flows over all who announce a VIP (ECMP, by ports too).

LAB_BACKENDS=3
FLEET_BALANCERS=3
FLEET_TABLE=100
LAB_VIP4=198.19.100.10
LAB_VIP6=2001:db8:100::10
# shellcheck disable=SC2034 # for scripts
LAB_URL4=http://$LAB_VIP4 LAB_URL6=http://[$LAB_VIP6]

# fleet_link NAME ADDR4 ADDR6 NAME-OF-LINK: a link of namespace NAME to the switch.
fleet_link() {
	ip link add "$4" netns "$LAB-$1" type veth peer name "$1" netns "$LAB-switch" || return
	lab_exec "$1" ethtool -K "$4" tx off >/dev/null || return
	lab_exec switch ethtool -K "$1" tx off >/dev/null || return
	ip -n "$LAB-switch" link set "$1" master br0 up || return
	ip -n "$LAB-$1" address add "$2/16" dev "$4" || return
	ip -n "$LAB-$1" address add "$3/64" dev "$4" nodad || return
	ip -n "$LAB-$1" link set "$4" up
}

# fleet_host NAME ADDR4 ADDR6: a host at the switch, whose way out is the router.
fleet_host() {
	ip netns add "$LAB-$1" && lab_settle "$1" || return
	fleet_link "$1" "$2" "$3" eth0 || return
	ip -n "$LAB-$1" route add default via 198.18.0.254 || return
	ip -n "$LAB-$1" -6 route add default via 2001:db8::fe
}

fleet_router() {
	ip netns add "$LAB-router" && lab_settle router || return
	ip netns add "$LAB-client" && lab_settle client || return
	lab_exec router sh -c 'cd /proc/sys/net
		echo 1 >ipv4/ip_forward
		echo 1 >ipv6/conf/all/forwarding
		echo 1 >ipv4/fib_multipath_hash_policy
		echo 1 >ipv6/fib_multipath_hash_policy' || return
	fleet_link router 198.18.0.254 2001:db8::fe eth1 || return
	ip link add eth0 netns "$LAB-client" type veth peer name eth0 netns "$LAB-router" || return
	lab_exec client ethtool -K eth0 tx off >/dev/null || return
	lab_exec router ethtool -K eth0 tx off >/dev/null || return
	ip -n "$LAB-router" address add 198.19.0.254/24 dev eth0 || return
	ip -n "$LAB-router" address add 2001:db8:1::fe/64 dev eth0 nodad || return
	ip -n "$LAB-router" link set eth0 up || return
	ip -n "$LAB-client" address add 198.19.0.2/24 dev eth0 || return
	ip -n "$LAB-client" address add 2001:db8:1::2/64 dev eth0 nodad || return
	ip -n "$LAB-client" link set eth0 up || return
	ip -n "$LAB-client" route add default via 198.19.0.254 || return
	ip -n "$LAB-client" -6 route add default via 2001:db8:1::fe
}

fleet_balancer() {
	fleet_host "lb$1" "198.18.0.$1" "2001:db8::$1" || return
	lab_ports "lb$1" 32768 60999 || return
	lab_pass "lb$1"
}

# In place of lab.sh's.
lab_build() {
	local i
	lab_switch || return
	fleet_router || return
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		fleet_balancer "$i" || return
	done
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		fleet_host "b$i" "198.18.1.1$i" "2001:db8::1:1$i" || return
	done
	mkdir "$LAB_DIR/bpf" && mount -t bpf bpf "$LAB_DIR/bpf"
}

# --- agents ---

# fleet_lbctl N ARG...: lbctl of balancer N.
fleet_lbctl() {
	local n=$1
	shift
	"$LAB_BUILD/lbctl" --socket "$LAB_DIR/lb$n.sock" "$@"
}

fleet_serves() {
	! lab_running "lb$1" || [ "$(grep -c 'msg="\?ready"\?' "$LAB_DIR/lb$1.log")" -gt "$2" ]
}

# fleet_agent_start N [FLAG...]: returns when it serves.
fleet_agent_start() {
	local n=$1 before
	shift
	before=$(grep -c 'msg="\?ready"\?' "$LAB_DIR/lb$n.log" 2>/dev/null)
	lab_spawn "lb$n" "lb$n" "$LAB_BUILD/lbagent" --interface eth0 --state-dir "$LAB_DIR/state$n" \
		--socket "$LAB_DIR/lb$n.sock" --bpffs "$LAB_DIR/bpf/lb$n" --listen 127.0.0.1:9480 \
		--flows 65536 --nat-flows 1024 --fragments 64 --max-backends 64 --max-services 16 \
		--announce-table "$FLEET_TABLE" --seed-file "$LAB_DIR/seed" "$@"
	wait_until 20 fleet_serves "$n" "${before:-0}" && lab_running "lb$n" && return
	lab_fail "lbagent of lb$n does not start; its last lines:"
	tail -n 20 "$LAB_DIR/lb$n.log" >&2
	return 1
}

# fleet_packets N SERVICE: packets that balancer N has had for it.
fleet_packets() {
	fleet_lbctl "$1" --json show "$2" | jq .packets
}

# fleet_all_up N SERVICE
fleet_all_up() {
	fleet_lbctl "$1" --json show "$2" | jq -e 'all(.backends[]; .status == "up")'
}

# fleet_agree SOCKET...
fleet_agree() {
	"$LAB_BUILD/lbctl" --json fleet "$@" | jq -e .agree
}

# fleet_metric N SERIES
fleet_metric() {
	lab_exec "lb$1" curl -sS http://127.0.0.1:9480/metrics | awk -v name="$2" '$1 == name {print $2}'
}

# --- routes ---

fleet_router_conf() {
	local i
	cat <<-CONF
		log stderr all;
		router id 198.18.0.254;
		protocol device {
		}
		protocol bfd {
			interface "eth1" {
				interval 100 ms;
				multiplier 3;
			};
		}
		protocol kernel {
			merge paths on;
			ipv4 {
				export where source = RTS_BGP;
			};
		}
		protocol kernel {
			merge paths on;
			ipv6 {
				export where source = RTS_BGP;
			};
		}
		template bgp balancer {
			local as 65000;
			bfd on;
			hold time 9;
			connect delay time 1;
			connect retry time 2;
			error wait time 1, 2;
		}
	CONF
	for ((i = 1; i <= FLEET_BALANCERS; i++)); do
		cat <<-CONF
			protocol bgp lb$i from balancer {
				neighbor 198.18.0.$i as 65001;
				ipv4 {
					import all;
					export none;
				};
			}
			protocol bgp lb${i}_six from balancer {
				neighbor 2001:db8::$i as 65001;
				ipv6 {
					import all;
					export none;
				};
			}
		CONF
	done
}

# fleet_bgp_config N FLAG...: the configuration that lbctl makes for balancer N.
fleet_bgp_config() {
	local n=$1
	shift
	fleet_lbctl "$n" bgp-config --as 65001 --peer-as 65000 --peer 198.18.0.254 \
		--router-id "198.18.0.$n" --bfd "$@"
}

# fleet_bird_start NAME: BIRD in this namespace, by LAB_DIR/NAME.bird.conf.
fleet_bird_start() {
	lab_spawn "$1" "$1.bird" bird -f -c "$LAB_DIR/$1.bird.conf" -s "$LAB_DIR/$1.bird.ctl" \
		-P "$LAB_DIR/$1.bird.main"
	wait_until 5 birdc -s "$LAB_DIR/$1.bird.ctl" show status ||
		lab_fail "BIRD of $1 does not start: $(tail -n 5 "$LAB_DIR/$1.bird.log")"
}

# fleet_ways NAME VIP: the route that namespace NAME has to it.
fleet_ways() {
	local family=-4
	[[ $2 != *:* ]] || family=-6
	ip -n "$LAB-$1" "$family" route show "$2"
}

# fleet_hops VIP: to how many balancers the router sends this VIP's flows.
fleet_hops() {
	fleet_ways router "$1" | grep -c 'via '
}

# fleet_goes_by VIP N: is balancer N one of them?
fleet_goes_by() {
	fleet_ways router "$1" | grep -qE "via (198\.18\.0\.$2|2001:db8::$2) "
}

fleet_not_by() {
	! fleet_goes_by "$@"
}

fleet_hops_are() {
	[ "$(fleet_hops "$1")" = "$2" ]
}

# fleet_wait_hops VIP N [SECONDS]
fleet_wait_hops() {
	wait_until "${3:-10}" fleet_hops_are "$1" "$2" ||
		lab_fail "the router has $(fleet_hops "$1") ways to $1, not $2"
}

# fleet_routes N: how many routes balancer N has put into its table.
fleet_routes() {
	{ ip -n "$LAB-lb$1" route show table "$FLEET_TABLE" &&
		ip -n "$LAB-lb$1" -6 route show table "$FLEET_TABLE"; } 2>/dev/null | grep -c unreachable
}

# fleet_until CMD...: how many milliseconds until it succeeds, looked at each 10 ms or so, for at most
# ten seconds.
fleet_until() {
	local begin
	begin=$(lab_now_ms)
	until "$@" >/dev/null 2>&1; do
		[ $(($(lab_now_ms) - begin)) -lt $((10000 * ${SLOWER:-1})) ] || return
		sleep 0.005
	done
	echo $(($(lab_now_ms) - begin))
}

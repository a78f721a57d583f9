#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh [--short]   the same loads through Sluice (l2, nat), nftables DNAT, HAProxy, nginx's stream
#                        module, and through no balancer but a router, one after the other, round by
#                        round: requests, times and CPU a request.
#
# Each way has a balancer's namespace of its own, so all stand ready and only the one that is asked has
# anything to do:
#
#   client ─┐
#           ├── br0 ── b1 ... b4 (nginx)
#   router  nft  haproxy  nginx  lb (Sluice: two VIPs)
#
# What only routes or rewrites destinations must see the answers too. So for these the client has a
# source address each, and the backends a route to that address, back by the same way.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

ways=(none nft haproxy nginx nat l2)
loads=(keep-alive connection-each crowd)
rounds=$(by_form 1 7)
window=$(by_form 0.3 4)
crowd=$(by_form 300 10000)
backlog=16384 # of every queue of new connections, in every namespace
runs=$LAB_DIR/runs # a line of JSON each

backends=() servers=() # addresses; names and addresses
for ((i = 1; i <= LAB_BACKENDS; i++)); do
	backends+=("198.18.1.1$i")
	servers+=("b$i" "198.18.1.1$i")
done

# --- the ways ---

# host_of WAY: the namespace that it leads through
host_of() {
	case $1 in
	none) echo router ;;
	nat | l2) echo lb ;;
	*) echo "$1" ;;
	esac
}

# address_of HOST: its address
address_of() {
	case $1 in
	router) echo 198.18.0.21 ;;
	nft) echo 198.18.0.22 ;;
	haproxy) echo 198.18.0.23 ;;
	nginx) echo 198.18.0.24 ;;
	esac
}

# targets WAY: what the client asks
targets() {
	case $1 in
	none) echo "${backends[@]}" ;;
	l2) echo "$LAB_VIP4" ;;
	nat) echo 198.18.0.11 ;;
	*) address_of "$1" ;;
	esac
}

# plug HOST: a namespace for a way, with the kernel's limits as everywhere here
plug() {
	local address
	address=$(address_of "$1")
	lab_plug "$1" "$address" "2001:db8::${address##*.}" && limits "$1"
}

limits() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_exec "$1" sh -c 'cd /proc/sys/net/ipv4 && echo '$backlog' >../core/somaxconn &&
		echo '$backlog' >tcp_max_syn_backlog && echo 1 >tcp_tw_reuse'
}

# forward HOST SOURCE WHAT...: it forwards to WHAT what the client sends from SOURCE, and the answers.
# Otherwise hosts on one link are told to talk without it.
forward() {
	local host=$1 source=$2 what i
	shift 2
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_exec "$host" sh -c 'cd /proc/sys/net/ipv4 && echo 1 >ip_forward &&
		for conf in all eth0; do echo 0 >conf/$conf/send_redirects; done' || return
	ip -n "$LAB-client" address add "$source/32" dev eth0 || return
	for what; do
		ip -n "$LAB-client" route add "$what" via "$(address_of "$host")" src "$source" || return
	done
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		ip -n "$LAB-b$i" route add "$source" via "$(address_of "$host")" || return
	done
}

open_router() {
	plug router && forward router 198.18.0.3 "${backends[@]}"
}

# Connections are forgotten soon after their end, lest they fill its table.
open_nft() {
	local i map=
	plug nft && forward nft 198.18.0.4 || return
	ip -n "$LAB-client" route add "$(address_of nft)" dev eth0 src 198.18.0.4 || return
	for i in "${!backends[@]}"; do
		map+="${map:+, }$i : ${backends[i]}"
	done
	lab_exec nft nft -f - <<-RULES || return
		table ip balance {
			chain prerouting {
				type nat hook prerouting priority dstnat
				ip daddr $(address_of nft) tcp dport 80 \
					dnat to numgen inc mod ${#backends[@]} map { $map }
			}
		}
	RULES
	lab_exec nft sh -c 'echo 10 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait'
}

# A process for each core: so many descriptors as this crowd needs, one alone might not be granted.
open_haproxy() {
	local i
	plug haproxy || return
	{
		cat <<-CONF
			global
			    nbthread 1
			listen web
			    bind $(address_of haproxy):80 backlog $backlog
			    mode tcp
			    balance leastconn
			    timeout connect 5s
			    timeout client 1m
			    timeout server 1m
		CONF
		printf '    server %s %s:80 check\n' "${servers[@]}"
	} >"$LAB_DIR/haproxy.cfg"
	for ((i = 0; i < $(nproc); i++)); do
		lab_spawn haproxy "haproxy.$i" haproxy -db -f "$LAB_DIR/haproxy.cfg"
	done
	wait_until 10 listeners haproxy "$(nproc)"
}

# listeners HOST N: do so many sockets listen on port 80 there?
listeners() {
	[ "$(lab_exec "$1" ss -Hltn 'sport = :80' | wc -l)" -ge "$2" ]
}

open_nginx() {
	plug nginx || return
	cat >"$LAB_DIR/nginx.conf" <<-CONF
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		daemon off; worker_processes auto;
		pid $LAB_DIR/nginx.nginx.pid; error_log $LAB_DIR/nginx.error.log;
		events { worker_connections 20000; multi_accept on; }
		stream {
			upstream web {
				zone web 64k;
				least_conn;
				$(printf 'server %s:80; ' "${backends[@]}")
			}
			server { listen 80 reuseport backlog=$backlog; proxy_pass web; }
		}
	CONF
	lab_spawn nginx nginx nginx -e "$LAB_DIR/nginx.error.log" -c "$LAB_DIR/nginx.conf"
	wait_until 10 listeners nginx "$(nproc)"
}

open_sluice() {
	lab_nodes_up >"$LAB_DIR/nodes.log" && lab_agent_start || return
	lab_service l2 "tcp://$(targets l2):80" "$(seq -s ' ' "$LAB_BACKENDS")" --mode l2 &&
		lab_service nat "tcp://$(targets nat):80" "$(seq -s ' ' "$LAB_BACKENDS")" --mode nat
}

open_lab() {
	local i name
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		limits "b$i" && lab_backend_start "$i" nginx || return
	done
	limits client && limits lb || return
	for name in router nft haproxy nginx sluice; do
		"open_$name" || return
	done
}

# --- measuring ---

# look WAY: sets open and accepted, connections that the backends have and have had, and seen, as JSON:
# requests of each backend, packets that the way's host received, microseconds that the machine's CPUs
# worked, for whomever, and the time. One process sees it all, and so at nearly one moment.
look() {
	read -r open accepted seen < <(
		lab_exec "$(host_of "$1")" curl -sS --max-time 10 "${backends[@]/%//status}" \
			file:///proc/uptime file:///proc/stat file:///proc/self/net/dev | awk '
			/^Active/ {open += $3}
			/^ [0-9]+ [0-9]+ [0-9]+/ {accepted += $1; requests = requests (requests ? "," : "") $3}
			/^[0-9.]+ [0-9.]+$/ {us = $1 * 1000000}
			/^cpu / {cpu = ($2 + $3 + $4 + $7 + $8) * 10000}
			/^ *eth0:/ {packets = $3}
			END {printf "%d %d {\"requests\": [%s], \"packets\": %d, \"cpu_us\": %.0f, \"us\": %.0f}\n",
				open, accepted, requests, packets, cpu, us}'
	)
}

# quiet WAY: the status itself and checks are connections too.
quiet() {
	look "$1" && [ "$open" -le $((2 * LAB_BACKENDS)) ]
}

# accepted_since WAY BEFORE CONNECTIONS: have the backends accepted so many more?
accepted_since() {
	look "$1" && [ $((accepted - $2)) -ge "$3" ]
}

# connections LOAD
connections() {
	if [ "$1" = crowd ]; then echo "$crowd"; else echo 100; fi
}

# load_start WAY LOAD: wrk as the client, a thread for each backend so that without a balancer each
# asks one of them.
load_start() {
	local all close=()
	all=$(targets "$1")
	[ "$2" != connection-each ] || close=(-H "$LAB_FRESH")
	: >"$LAB_DIR/wrk.log"
	TARGETS=$all lab_spawn client wrk wrk -s "$SCENARIOS/compare.lua" -t "$LAB_BACKENDS" \
		-c "$(connections "$2")" -d 120s --timeout 60s "${close[@]}" "http://${all%% *}/"
}

# measure WAY LOAD ROUND: a line of runs. What happens until every connection was made once is no part
# of it, but for the times that wrk tells.
measure() {
	local way=$1 load=$2 round=$3 open accepted seen before
	wait_until 20 quiet "$way" || say "before $load by $way backends still have $open connections"
	load_start "$way" "$load"
	wait_until 30 accepted_since "$way" "$accepted" "$(connections "$load")" ||
		say "$load by $way: only $open connections stand after 30 s"
	before=$seen
	sleep "$window"
	look "$way"
	lab_end wrk INT || return
	jq -n -c --arg way "$way" --arg load "$load" --argjson round "$round" --argjson before "$before" \
		--argjson after "$seen" --argjson wrk "$(grep '^{' "$LAB_DIR/wrk.log")" '
		($after.us - $before.us) as $us
		| [$after.requests, $before.requests] | transpose | map(.[0] - .[1]) as $served
		| ($served | add) as $requests | {
			round: $round, load: $load, way: $way, served: $served,
			requests_per_s: ($requests * 1e6 / $us | round),
			cpu_us: (($after.cpu_us - $before.cpu_us) / $requests),
			packets: (($after.packets - $before.packets) / $requests)
		} + $wrk' >>"$runs"
}

# rounds of all loads and ways; the ways take turns in being first.
measure_all() {
	local round load turn way
	: >"$runs"
	for ((round = 1; round <= rounds; round++)); do
		for load in "${loads[@]}"; do
			for turn in "${!ways[@]}"; do
				way=${ways[(turn + round) % ${#ways[@]}]}
				measure "$way" "$load" "$round" || return
				tail -n 1 "$runs" | jq -r --arg rounds "$rounds" '"# round \(.round) of \($rounds), " +
					"\(.load) by \(.way): \(.requests_per_s) requests/s, \(.cpu_us | round) µs of CPU " +
					"each, p99 \(.p99_ms) ms, errors \(.errors | add)"'
			done
		done
	done
}

# --- the report ---

# summary: of all runs as one object; medians over the rounds, ratios to none in the same round.
summary() {
	jq -s --arg ways "${ways[*]}" --arg loads "${loads[*]}" --argjson rounds "$rounds" \
		--argjson window "$window" --argjson crowd "$crowd" '
		def figures: sort | {median: .[(length - 1) / 2 | floor], least: .[0], most: .[-1]};
		. as $all
		| def of_none(figure): map((. | figure) / (. as $run | $all[]
			| select(.way == "none" and .load == $run.load and .round == $run.round) | figure));
		{rounds: $rounds, seconds: $window, crowd: $crowd, results: [
			($loads | split(" ")[]) as $load | ($ways | split(" ")[]) as $way
			| map(select(.load == $load and .way == $way)) | {
				load: $load, way: $way, rounds: length,
				requests_per_s: map(.requests_per_s) | figures,
				requests_of_none: of_none(.requests_per_s) | figures,
				cpu_us: map(.cpu_us) | figures,
				cpu_of_none: of_none(.cpu_us) | figures,
				packets: map(.packets) | figures,
				p50_ms: map(.p50_ms) | figures,
				p99_ms: map(.p99_ms) | figures,
				answers: map(.answers) | add,
				served: [map(.served) | transpose[] | add],
				errors: (map(.errors | to_entries[]) | group_by(.key)
					| map({(.[0].key): map(.value) | add}) | add)
			}]}' "$runs"
}

report_rows() {
	jq -r '
		def to(digits): . * pow(10; digits) | round / pow(10; digits);
		def span(digits): "\(.median | to(digits)) (\(.least | to(digits))-\(.most | to(digits)))";
		["load", "way", "requests/s", "of none", "CPU us", "of none", "packets", "p50 ms", "p99 ms",
			"errors"],
		(.results[] | [.load, .way, (.requests_per_s | span(0)), (.requests_of_none | span(2)),
			(.cpu_us | span(1)), (.cpu_of_none | span(2)), (.packets.median | to(1)),
			(.p50_ms.median | to(2)), (.p99_ms.median | to(2)),
			(.errors | with_entries(select(.value > 0)) | if . == {} then 0
				else to_entries | map("\(.value) \(.key)") | join(", ") end)]) | @tsv' "$SCENARIO_REPORT.json"
}

report_chart() {
	jq -r '
		def row(figure): [.load, .way] + (figure | map(. * 100 | round / 100));
		("requests_of_none", "cpu_of_none") as $figure
		| {requests_of_none: "Requests a second, as a ratio to no balancer: more is better",
			cpu_of_none: "CPU a request, as a ratio to no balancer: less is better"}[$figure] as $panel
		| .results[] | [$panel] + row([.[$figure] | .median, .least, .most]) | @tsv' \
		"$SCENARIO_REPORT.json" |
		awk -v title="The same load by several ways" -f "$SCENARIOS/svg.awk" -f "$SCENARIOS/groups.awk" \
			>"$SCENARIO_REPORT.svg"
}

report() {
	summary | report_json
	report_chart
	{
		report_rows | report_table
		echo
		cat <<-WORDS
			Medians of $rounds rounds of $window s (least-most); keep-alive and connection-each with 100
			connections, crowd with $crowd. CPU: microseconds that all CPUs of the machine worked for a
			request, client and backends included. Packets: how many came to the way's host for a request.
		WORDS
	} | report_text "one load, several ways to the backends"
}

# wrong FILTER: loads and ways of which a jq filter holds
wrong() {
	jq -r ".results[] | select($1) | \"\\(.load) by \\(.way): served \\(.served), errors \\(.errors)\"" \
		"$SCENARIO_REPORT.json"
}

ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page
measure_all || bail "every way is measured"
report
check_none "every way carried every load in every round" "$(wrong ".rounds != $rounds or .answers == 0")"
check_none "no request failed" "$(wrong '(.errors | add) > 0')"
check_none "every backend served" "$(wrong '.served | min == 0')"
check_none "every request came through the host of its way" "$(wrong '.packets.least < 0.9')"
checks_done

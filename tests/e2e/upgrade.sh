#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Upgrades under load, to binaries that are really built: a changed program, a program that is
# broken, another ABI, tables of another size. No packet is lost, no flow forgotten unsaid.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=20000
variants=$LAB_BUILD/variants.$$

lab_up || exit 1
trap 'lab_down; rm -rf "$variants"' EXIT

# variant NAME: prints the folder of a copy of the sources and of what is built, to be changed.
variant() {
	local folder=$variants/$1
	mkdir -p "$folder/build/tests" || return
	cp -a "$LAB_TOP"/{Makefile,agent,bpf,common,tests} "$folder" || return
	cp -a "$LAB_BUILD"/{obj,gen,bpf} "$folder/build" || return
	cp -a "$LAB_BUILD/tests/record" "$folder/build/tests" || return
	echo "$folder"
}

# edit FOLDER FILE SED-SCRIPT: fails if that changes nothing.
edit() {
	sed -i.before -E "$3" "$1/$2" && ! cmp -s "$1/$2" "$1/$2.before"
}

# build FOLDER
build() {
	make -C "$1" --no-print-directory O=build build/lbagent >"$1/log" 2>&1 || {
		tail -n 20 "$1/log" >&2
		return 1
	}
}

build_all() {
	changed=$(variant changed) || return
	edit "$changed" bpf/ingress.bpf.c \
		's|^\tswitch \(parse_link\(|\tif (pkt.length > 1U << 30)\n\t\treturn XDP_ABORTED;\n&|' || return
	build "$changed" || return
	# Another ABI: only the number, which is what tells.
	abi=$(variant abi) && cp -a "$changed/build" "$changed/bpf" "$abi" || return
	edit "$abi" agent/dataplane_adopt.c 's|LB_ABI_VERSION,|LB_ABI_VERSION + 1,|' || return
	build "$abi" || return
	# As a compiler, a JIT or a kernel might: the sources are right, what runs is not.
	broken=$(variant broken) || return
	edit "$broken" bpf/ingress.bpf.c \
		's|^\t\treturn lb_ipv6\(|#ifdef __bpf__\n\t\treturn XDP_DROP;\n#endif\n&|' || return
	build "$broken"
}

build_all || bail "the variants are built"

for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
	lab_backend_start "$i" nsd || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" || bail "the service comes up"
lab_service dns "udp://$LAB_VIP4:53" "1 2 3" || bail "the UDP service comes up"
echo 'www.example.test A' >"$LAB_DIR/queries"

program() {
	ip -n "$LAB-lb" -j -d link show eth0 | jq -r ".[0].xdp.prog.$1"
}

link() {
	stat -c %i "$LAB_PINS/links/eth0"
}

meta() {
	bpftool -j map dump pinned "$LAB_PINS/maps/meta" | jq -c '.[0].value'
}

preflight() {
	lab_exec lb "$@" --interface eth0 --state-dir "$LAB_DIR/state" --bpffs "$LAB_PINS" --preflight
}

# upgrade NAME BINARY [FLAG...]: under load the agent is stopped and another started.
upgrade() {
	local name=$1 binary=$2 loads queries
	shift 2
	lab_wrk -t1 -c20 -d5s "$LAB_URL4/" >"$LAB_DIR/kept" &
	loads=$!
	lab_wrk -t1 -c10 -d5s -H "$LAB_FRESH" "$LAB_URL4/" -- 0 4 >"$LAB_DIR/fresh" &
	loads="$loads $!"
	# Datagrams are not sent again: a query lost is a packet lost.
	lab_exec client dnsperf -s "$LAB_VIP4" -d "$LAB_DIR/queries" -l 5 -c 40 -Q 3000 \
		>"$LAB_DIR/dnsperf" 2>&1 &
	loads="$loads $!"
	sleep 1
	lab_agent_stop
	LAB_AGENT=$binary check "$name: the new agent starts" lab_agent_start "$@"
	# shellcheck disable=SC2086 # a list
	wait $loads
	promise "$name: failed requests on kept connections" 0 "$(lab_errors "$LAB_DIR/kept")"
	promise "$name: failed requests on new connections" 0 "$(lab_errors "$LAB_DIR/fresh")"
	queries=$(awk '/Queries sent/ {print $3}' "$LAB_DIR/dnsperf")
	promise "$name: lost of $queries datagrams" 0 \
		"$(awk '/Queries lost/ {print $3}' "$LAB_DIR/dnsperf")"
	check_equal "$name: the load was real" yes \
		"$([ "$(lab_served "$LAB_DIR/kept")" -gt 500 ] && echo yes)"
}

# --- a changed program, the same ABI ---

tag=$(program tag)
link=$(link)
check "the former agent is asked what would be" preflight "$changed/build/lbagent"
upgrade "a changed program" "$changed/build/lbagent"
check_equal "the link is the one of before" "$link" "$(link)"
check "the program is another" test "$tag" != "$(program tag)"
# Of a processor's time, whatever else the machine does: the rest of a preflight is nothing.
seconds=$({ TIMEFORMAT='%U %S' && time preflight "$changed/build/lbagent" >/dev/null 2>&1; } 2>&1)
promise "the self-test of a new data plane, in ms of a processor" 1000 \
	"$(awk '{print int(1000 * ($1 + $2))}' <<<"$seconds")"

# --- a broken program ---

tag=$(program tag)
lab_wrk -t1 -c20 -d4s "$LAB_URL4/" >"$LAB_DIR/kept" &
load=$!
lab_agent_kill
LAB_AGENT=$broken/build/lbagent lab_agent_start >"$LAB_DIR/out" 2>&1
check_equal "a broken program: the agent does not start" 1 "$?"
check_matches "it names the case" \
	'fails its self-test: case \\"[^"]+\\", packet [0-9]+: XDP_DROP, not XDP_' "$(cat "$LAB_DIR/out")"
check_matches "and the way out" '--skip-self-test' "$(cat "$LAB_DIR/out")"
check_equal "the former program runs" "$tag" "$(program tag)"
preflight "$broken/build/lbagent" >"$LAB_DIR/out" 2>&1
check_equal "asked beforehand it says so, too" 1 "$?"
wait "$load"
promise "a broken program: failed requests" 0 "$(lab_errors "$LAB_DIR/kept")"
LAB_AGENT=$changed/build/lbagent lab_agent_start || bail "the right one starts again"

# --- another ABI, where flows matter: their slots have other owners by now ---

lab_agent_stop
lab_nodes_up >/dev/null || exit 1
LAB_AGENT=$changed/build/lbagent lab_agent_start || exit 1
lab_service held "tcp://198.18.0.11:80" "1 2 3" --mode l2 --check none || bail "a service for flows"
check_matches "$flows flows are established" "^flows $flows answered $flows moved 0\$" \
	"$(lab_flowhold establish 198.18.0.11 "$flows")"
lbctl add backend held 198.18.1.14 >/dev/null || bail "a fourth backend"

moved() {
	lab_flowhold check 198.18.0.11 "$flows" | awk -v flows="$flows" '$1 == "flows" {print flows - $4 + $6}'
}

before=$(meta)
preflight "$abi/build/lbagent" >"$LAB_DIR/out" 2>&1
check_equal "another ABI: nothing would be forgotten" 0 "$?"
check_matches "it says what becomes of flows" '^flows +carried over' "$(cat "$LAB_DIR/out")"
upgrade "another ABI" "$abi/build/lbagent"
check "the maps are new" test "$before" != "$(meta)"
promise "another ABI: lost or moved of $flows flows" 0 "$(moved)"
upgrade "back to the former ABI" "$changed/build/lbagent"
promise "back to the former ABI: lost or moved of $flows flows" 0 "$(moved)"

# --- killed at any moment of a start, to the one ABI and to the other ---

lab_wrk -t1 -c20 -d20s "$LAB_URL4/" >"$LAB_DIR/kept" &
load=$!
for delay in 0.1 0.3 0.4 0.5 0.55 0.6 0.65 0.7 0.75 0.8 0.9 1.1; do
	lab_agent_kill
	[ "${binary:-}" = "$abi" ] && binary=$changed || binary=$abi
	lab_spawn lb lbagent "$binary/build/lbagent" --interface eth0 --state-dir "$LAB_DIR/state" \
		--socket "$LAB_SOCKET" --bpffs "$LAB_PINS" --listen 127.0.0.1:9480
	sleep "$delay"
done
lab_agent_kill
LAB_AGENT=$changed/build/lbagent check "the agent starts after twelve were killed" lab_agent_start
wait "$load"
promise "killed while it starts: failed requests" 0 "$(lab_errors "$LAB_DIR/kept")"
promise "killed while it starts: lost or moved of $flows flows" 0 "$(moved)"
check_equal "no pin is left over" "" "$(ls -d "$LAB_PINS"/maps_new 2>/dev/null)"

# --- other sizes ---

upgrade "more --nat-flows and --max-services" "$changed/build/lbagent" \
	--nat-flows 300000 --max-services 300
promise "more --nat-flows and --max-services: lost or moved of $flows flows" 0 "$(moved)"
preflight "$changed/build/lbagent" --nat-flows 300000 --max-services 300 --flows 2097152 \
	>"$LAB_DIR/out" 2>&1
check_equal "more --flows: asked beforehand, it would lose" 3 "$?"
check_matches "and says what" '^flows +FORGOTTEN: --flows was 1048576 and is 2097152' \
	"$(cat "$LAB_DIR/out")"
lab_agent_stop
check "more --flows: the agent starts" lab_agent_start --nat-flows 300000 --max-services 300 \
	--flows 2097152
check_matches "having said it before" 'msg="flows are forgotten" reason="--flows was 1048576' \
	"$(tac "$LAB_LOG" | sed '0,/msg="\?ready/d')"
checks_done

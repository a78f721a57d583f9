# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Other binaries of the agent, really built from changed sources, and upgrades to them under load.
# Source it behind lab.sh and check.sh, with the lab up.

variants=$LAB_BUILD/variants.$$
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

# upgrade_setup: backends and services for the load of upgrade().
upgrade_setup() {
	local i
	for i in 1 2 3; do
		lab_backend_start "$i" hello || return
		lab_backend_start "$i" nsd || return
	done
	lab_agent_start || return
	lab_service web "tcp://$LAB_VIP4:80" "1 2 3" || return
	lab_service dns "udp://$LAB_VIP4:53" "1 2 3" || return
	echo 'www.example.test A' >"$LAB_DIR/queries"
}

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

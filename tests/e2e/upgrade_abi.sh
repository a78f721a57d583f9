#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Another ABI, other sizes, and an agent that is killed while it starts, all under load: flows are
# carried over, and what cannot be is said before it is forgotten.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

flows=20000

lab_up || exit 1
. "$(dirname "$0")/../lab/upgrade.sh"

# Only the number, which is what tells.
build_all() {
	local folder
	folder=$(variant abi) || return
	edit "$folder" agent/dataplane_adopt.c 's|LB_ABI_VERSION,|LB_ABI_VERSION + 1,|' || return
	build "$folder" || return
	abi=$folder/build/lbagent
}

build_all || bail "a variant of another ABI is built"
upgrade_setup || bail "the services come up"

# --- another ABI, where flows matter: their slots have other owners by now ---

lab_nodes_up >/dev/null || exit 1
lab_service held "tcp://198.18.0.11:80" "1 2 3" --mode l2 --check none || bail "a service for flows"
check_matches "$flows flows are established" "^flows $flows answered $flows moved 0\$" \
	"$(lab_flowhold establish 198.18.0.11 "$flows")"
lbctl add backend held 198.18.1.14 >/dev/null || bail "a fourth backend"

moved() {
	lab_flowhold check 198.18.0.11 "$flows" | awk -v flows="$flows" '$1 == "flows" {print flows - $4 + $6}'
}

before=$(meta)
preflight "$abi" >"$LAB_DIR/out" 2>&1
check_equal "another ABI: nothing would be forgotten" 0 "$?"
check_matches "it says what becomes of flows" '^flows +carried over' "$(cat "$LAB_DIR/out")"
upgrade "another ABI" "$abi"
check "the maps are new" test "$before" != "$(meta)"
promise "another ABI: lost or moved of $flows flows" 0 "$(moved)"
upgrade "back to the former ABI" "$LAB_BUILD/lbagent"
promise "back to the former ABI: lost or moved of $flows flows" 0 "$(moved)"

# --- killed at any moment of a start, to the one ABI and to the other ---

lab_wrk -t1 -c20 -d20s "$LAB_URL4/" >"$LAB_DIR/kept" &
load=$!
for delay in 0.1 0.3 0.4 0.5 0.55 0.6 0.65 0.7 0.75 0.8 0.9 1.1; do
	lab_agent_kill
	[ "${binary:-}" = "$abi" ] && binary=$LAB_BUILD/lbagent || binary=$abi
	lab_spawn lb lbagent "$binary" --interface eth0 --state-dir "$LAB_DIR/state" \
		--socket "$LAB_SOCKET" --bpffs "$LAB_PINS" --listen 127.0.0.1:9480
	sleep "$delay"
done
lab_agent_kill
mkdir -p "$LAB_PINS/maps_new" # what the thirteenth leaves that is killed as it pins its second map
bpftool map pin pinned "$LAB_PINS/maps/meta" "$LAB_PINS/maps_new/meta" 2>/dev/null
check "the agent starts after they were killed" lab_agent_start
wait "$load"
promise "killed while it starts: failed requests" 0 "$(lab_errors "$LAB_DIR/kept")"
promise "killed while it starts: lost or moved of $flows flows" 0 "$(moved)"
check_equal "no pin is left over" "" "$(ls -d "$LAB_PINS"/maps_new 2>/dev/null)"

# --- other sizes ---

upgrade "more --nat-flows and --max-services" "$LAB_BUILD/lbagent" \
	--nat-flows 300000 --max-services 300
promise "more --nat-flows and --max-services: lost or moved of $flows flows" 0 "$(moved)"
preflight "$LAB_BUILD/lbagent" --nat-flows 300000 --max-services 300 --flows 2097152 \
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

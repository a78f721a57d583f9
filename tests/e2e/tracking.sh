#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Connections of which most have no entry in the flow table live through twenty changes of backends
# and of the agent: nobody's is reset or moves but those of a backend that was killed.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

connections=400 downloads=6
idle=10 # seconds; so long a mark stays at least

crowd=$(lab_tool lab/crowd "$LAB_TOP/common/clock.c" -pthread) || exit 1
bpftool=${BPFTOOL:-/usr/sbin/bpftool}

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3 4; do
	lab_backend_start "$i" nginx || exit 1
done
# Clients of their own, so that one sees at each backend which of them it has.
for ((i = 1; i <= downloads; i++)); do
	ip -n "$LAB-client" address add "198.18.0.10$i/15" dev eth0 || exit 1
done
head -c 8000000 /dev/urandom >"$LAB_DIR/large"
lab_agent_start || exit 1
# Direct return: a packet that goes to another backend is answered by a reset. With idle times that
# let go the marks of its backends' coming soon.
lab_service web "tcp://$LAB_VIP4:80" "1 2 4" --mode l2 --check http --check-path /health \
	--check-interval 200ms --check-timeout 1s --fall 2 --rise 1 \
	--timeout-established 2s --timeout-embryonic 1s --timeout-closing 2s ||
	bail "the service comes up"

# map NAME FILTER: of a pinned map, what jq makes of its entries.
map() {
	"$bpftool" -j map dump pinned "$LAB_PINS/maps/$1" | jq "$2"
}

# How many services have marked slots.
marked() {
	map services '[.[].formatted.value | select(.tables.former != 0)] | length'
}

no_marks() {
	[ "$(marked)" = 0 ]
}

# Entries of the flow table but those of flows that have ended.
entries() {
	lab_exec lb curl -sS http://127.0.0.1:9480/metrics |
		awk '/^lb_flow_table_entries/ && !/closing/ {n += $2} END {print n + 0}'
}

# The sample is all flows until there are 64 Ki of them. An agent takes on the sample that its
# predecessor left behind, and doubles it once in an idle time: so two words in the shared memory,
# while no agent runs, are as good as a crowd of millions.
shrink_sample() {
	local value
	# sample_mask and counted_mask are its seventh word and its eighth, little-endian: 127.
	value=$(map switches '.[0].value | map(ltrimstr("0x")) | .[0:24] +
		["7f", "00", "00", "00", "7f", "00", "00", "00"] + .[32:] | join(" ")')
	# shellcheck disable=SC2086 # a list
	"$bpftool" map update pinned "$LAB_PINS/maps/switches" key hex 0 0 0 0 value hex ${value//\"/}
}

check "a new service's marks go" wait_until 15 no_marks
lbctl set service web --timeout-established ${idle}s --timeout-embryonic 5s --timeout-closing 2s \
	>/dev/null || bail "the idle times are set"
lab_agent_stop
check "the sample is small" shrink_sample
lab_agent_start || bail "the next agent starts"
lab_wait_up web || bail "the backends are up"

# --- connections ---

lab_spawn client crowd "$crowd" --connections $connections --seconds 120 --pause 700ms --timeout 8s \
	--threads 1 --errors "$LAB_DIR/errors" "$LAB_VIP4:80"
stands() {
	grep -q '"second":1,' "$LAB_DIR/crowd.log"
}
check "$connections connections stand" wait_until 30 stands || bail "the load is there"
settled() {
	sleep 1 # a round
	[ "$(entries)" -lt $((connections / 8)) ]
}
check "no slot is marked" no_marks
check "the flow table holds the sample's entries only" wait_until 10 settled
check_between "of $connections connections have entries" 1 $((connections / 8)) "$(entries)"

pids=()
for ((i = 1; i <= downloads; i++)); do
	lab_exec client curl -sS --max-time 120 --interface "198.18.0.10$i" --limit-rate 400k \
		-o "$LAB_DIR/got.$i" "$LAB_URL4/large" 2>"$LAB_DIR/curl.$i" &
	pids+=($!)
done

# --- twenty changes ---

changes=0
# change NAME CMD...: and some packets later the next.
change() {
	local name=$1
	shift
	changes=$((changes + 1))
	"$@" >"$LAB_DIR/change" 2>&1 || not_ok "$name" "$(cat "$LAB_DIR/change")"
	sleep 0.3
}

b() {
	echo "198.18.1.1$1:80"
}

restart() {
	"$1" && lab_agent_start
}

change "b3 joins" lbctl add backend web "$(b 3)"
lab_wait_up web
change "b1 gets more" lbctl set backend web "$(b 1)" --weight 7
change "b1 drains" lbctl set backend web "$(b 1)" --state drain
change "the agent is restarted" restart lab_agent_stop
change "b1 is back" lbctl set backend web "$(b 1)" --state up
change "b2 gets nothing" lbctl set backend web "$(b 2)" --weight 0
change "b3 drains" lbctl set backend web "$(b 3)" --state drain
change "the agent is killed" restart lab_agent_kill
change "b2 gets something" lbctl set backend web "$(b 2)" --weight 3
change "b3 is back" lbctl set backend web "$(b 3)" --state up
# Who was with b4 until now.
dead=()
for ((i = 1; i <= downloads; i++)); do
	[ -z "$(lab_exec b4 ss -Htn state established "src $LAB_VIP4 and dst 198.18.0.10$i")" ] ||
		dead[i]=yes
done
change "b4 dies" lab_backend_kill 4
lab_wait_status web "$(b 4)" down
change "b1 gets less" lbctl set backend web "$(b 1)" --weight 2
change "b4 is back" lab_backend_start 4 nginx
lab_wait_status web "$(b 4)" up
change "b1 comes second" lbctl set backend web "$(b 1)" --priority 1
change "b1 comes first again" lbctl set backend web "$(b 1)" --priority 0
change "the agent is killed again" restart lab_agent_kill
change "b4 gets more" lbctl set backend web "$(b 4)" --weight 5
change "by source" lbctl set service web --scheduler source
change "by flow" lbctl set service web --scheduler maglev
change "b2 is removed" lbctl rm backend web "$(b 2)"
check_equal "changes" 20 "$changes"
check "the last one lasts" lab_status_is web "$(b 2)" removing

# --- long after ---

# Longer than the marks of b2's slots say whose its connections are: now entries do.
sleep $((idle + 3))
check "b2 is being removed as long as it has connections" lab_status_is web "$(b 2)" removing
# Not those of b4, nor who came to it anew before its death was seen: nobody had answered him.
broken=$(grep -v -e '"backend":"b4"' -e '"refused".*"backend":""' "$LAB_DIR/errors")
promise "twenty changes: connections lost or moved, of $connections but a dead backend's" 0 \
	"$(grep -c . <<<"$broken")"
check_none "none but those of b4" "$broken"
check "b4's were" grep -q '"backend":"b4"' "$LAB_DIR/errors"
lost=
for ((i = 1; i <= downloads; i++)); do
	wait "${pids[i - 1]}" && cmp -s "$LAB_DIR/large" "$LAB_DIR/got.$i" && continue
	[ "${dead[i]:-no}" = yes ] || lost+=" $i: $(cat "$LAB_DIR/curl.$i")"
done
check_none "slow downloads lost" "$lost"

lab_end crowd TERM
gone() {
	[ -z "$(lab_backend web "$(b 2)")" ]
}
check "b2 leaves when its last connection has ended" wait_until 15 gone
check "nothing is marked any more" wait_until $((idle + 10)) no_marks
checks_done

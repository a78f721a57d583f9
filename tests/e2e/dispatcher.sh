#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The interface is shared with another XDP program by libxdp's dispatcher: the agent joins, is
# killed and replaced under load, and leaves; the other program stays all the while.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
export LIBXDP_BPFFS=$LAB_DIR/bpf
neighbour=$LAB_DIR/neighbour.bpf.o

loader() {
	lab_exec lb xdp-loader "$@"
}

# programs: names in the dispatcher, sorted, in one line; "none" if it is not a dispatcher.
programs() {
	loader status eth0 | awk '
		$1 == "eth0" {dispatcher = $2 == "xdp_dispatcher"}
		$1 == "=>" {print $3}
		END {if (!dispatcher) print "none"}' | sort | paste -sd ' '
}

# id NAME: of a program in the dispatcher
id() {
	loader status eth0 | awk -v name="$1" '$1 == "=>" && $3 == name {print $4}'
}

unload() {
	lab_exec lb "$LAB_BUILD/lbagent" --unload --bpffs "$LAB_PINS"
}

attached_by() {
	lbctl --json status | jq -r '.interfaces[] | select(.name == "eth0") |
		"\(.mode) \(."attached-by")"'
}

# share MODE: loads the other program
share() {
	loader load --mode "$1" eth0 "$neighbour"
}

${CLANG:-clang} -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
	-c "$LAB_TOP/tests/lab/neighbour.bpf.c" -o "$neighbour" || bail "the other program compiles"
if ! command -v xdp-loader >/dev/null; then
	skip "an interface is shared" "xdp-loader is not installed (Debian: xdp-tools)"
	exit 0
fi
check "the other program is loaded" share native
if [ "$(programs)" = none ]; then
	skip "an interface is shared" "this kernel, $(uname -r), refuses libxdp's dispatcher"
	checks_done
	exit
fi

for i in 1 2; do
	lab_backend_start "$i" hello || exit 1
done
other=$(id lab_neighbour)
if ! lab_agent_start 2>/dev/null && grep -q 'makes packets longer' "$LAB_LOG"; then
	skip "an interface is shared" "this kernel lets no program that makes packets longer join"
	exit 0
fi
check "the agent joins" lab_running lbagent
check_equal "both are in the dispatcher" "lab_neighbour lb_ingress" "$(programs)"
check_equal "the agent says so" "native dispatcher" "$(attached_by)"
lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "the service comes up"
lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2" || bail "the IPv6 service comes up"
check "IPv4 is served" lab_curl --fail "$LAB_URL4/"
check "IPv6 is served" lab_curl --fail "$LAB_URL6/"

first=$(id lb_ingress)
lab_wrk -t1 -c10 -d12s "$LAB_URL4/" >"$LAB_DIR/kept" &
loads=$!
lab_wrk -t1 -c5 -d12s -H "$LAB_FRESH" "$LAB_URL4/" -- 0 1 >"$LAB_DIR/fresh" &
loads="$loads $!"
check "the agent dies" lab_agent_kill
check_equal "its program stays" "$first" "$(id lb_ingress)"
check "a new agent starts under load" lab_agent_start
check_equal "there are still two programs" "lab_neighbour lb_ingress" "$(programs)"
check_equal "the other one is the one that was there" "$other" "$(id lab_neighbour)"
check_equal "ours is a new one" yes "$([ "$(id lb_ingress)" != "$first" ] && echo yes)"
# shellcheck disable=SC2086 # a list
wait $loads
check_equal "connections kept open: none failed" 0 "$(lab_errors "$LAB_DIR/kept")"
check_equal "new connections: none failed" 0 "$(lab_errors "$LAB_DIR/fresh")"
check_equal "the load was real" yes \
	"$([ "$(lab_served "$LAB_DIR/fresh")" -gt 100 ] && echo yes)"

# As if an agent had been killed before it pinned what it had attached.
rm "$LAB_PINS/dispatched/eth0"
lab_agent_kill
check "an agent starts though the pin is missing" lab_agent_start
check_equal "the unpinned program is replaced, too" "lab_neighbour lb_ingress" "$(programs)"

check "the agent stops" lab_agent_stop
check_equal "--unload says nothing" "" "$(unload 2>&1)"
check_equal "only the other program is left" lab_neighbour "$(programs)"
check_equal "it is the one that was there" "$other" "$(id lab_neighbour)"
check_equal "none of our pins is left" "" "$(ls "$LAB_PINS" 2>/dev/null)"

check "the agent joins again" lab_agent_start
lab_agent_kill
loader unload --all eth0
check "an agent starts after the dispatcher was taken away" lab_agent_start
check_equal "it is alone then" "native link" "$(attached_by)"
check "IPv4 is served again" lab_curl --fail "$LAB_URL4/"
check_equal "no pin of the dispatcher is left" "" "$(ls "$LAB_PINS/dispatched")"
lab_agent_stop
check "--unload" unload

check "the other program is loaded in generic mode" share skb
check "the agent joins" lab_agent_start
check_equal "in the dispatcher's mode" "generic dispatcher" "$(attached_by)"
check "IPv4 is served in generic mode" lab_curl --fail "$LAB_URL4/"

alone() {
	[[ $(attached_by) == *" link" ]]
}

loader unload --all eth0
check "the dispatcher is taken away below the agent: it attaches alone" wait_until 5 alone
check "IPv4 is served after that" wait_until 5 lab_curl --fail "$LAB_URL4/"
checks_done

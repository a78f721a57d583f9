#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `make monitor`, as a new user has it: one command from nothing to an agent's page and a Prometheus
# that has scraped it, on loopback ports of the root namespace (here of its own); again, and away.
LAB=slm$$
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/check.sh"
# shellcheck source-path=SCRIPTDIR/../lab
. "$(dirname "$0")/../lab/monitor.sh"

# free_port: one that nobody listens on.
free_port() {
	local port
	while port=$((20000 + RANDOM % 10000)) && [ -n "$(ss -Hltn "sport = :$port")" ]; do :; done
	echo "$port"
}

export LAB PAGE_PORT PROMETHEUS_PORT ALERTMANAGER_PORT NODE_PORT
PAGE_PORT=$(free_port) PROMETHEUS_PORT=$(free_port) ALERTMANAGER_PORT=$(free_port)
NODE_PORT=$(free_port)

open() {
	bash "$LAB_TOP/tests/lab/open.sh" "$@"
}

trap 'open down' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

get() {
	curl -sf --max-time 5 "http://127.0.0.1:$1"
}

# healthy JOB: at least one target, and every one was scraped.
healthy() {
	get "$PROMETHEUS_PORT/api/v1/targets?state=active" | jq -e --arg job "$1" '
		[.data.activeTargets[] | select(.scrapePool == $job) | .health] |
		length > 0 and all(. == "up")'
}

answers() {
	get "$PAGE_PORT/healthz" && get "$PROMETHEUS_PORT/-/ready" &&
		get "$ALERTMANAGER_PORT/-/ready" && get "$NODE_PORT/metrics"
}

# ours: what listens on the four ports.
ours() {
	local port
	for port in "$PAGE_PORT" "$PROMETHEUS_PORT" "$ALERTMANAGER_PORT" "$NODE_PORT"; do
		lab_port_holder "127.0.0.1:$port"
	done
}

pids() {
	cat "$LAB_DIR"/{page,prometheus,alertmanager,node_exporter,webhook}.pid
}

is_held() {
	[ -n "$(lab_port_holder "127.0.0.1:$1")" ]
}

test_taken() {
	local holder said
	systemd-socket-activate -l "127.0.0.1:$PROMETHEUS_PORT" true 2>/dev/null &
	holder=$!
	check "somebody has a port" wait_until 5 is_held "$PROMETHEUS_PORT"
	said=$(open monitor 2>&1)
	check_matches "that is refused, with who has it and the way out" \
		"127.0.0.1:$PROMETHEUS_PORT is taken by .* \\(pid $holder\\).*PROMETHEUS_PORT=N" "$said"
	check_equal "before anything is made" no "$([ -e "$LAB_DIR" ] && echo yes || echo no)"
	kill "$holder"
}

test_monitor() {
	local said before
	check "one command opens the lab and watches it" open monitor
	check "the page, Prometheus, Alertmanager and node_exporter answer" answers
	check "the agent was scraped" wait_until 20 healthy sluice
	check "the machine was scraped" wait_until 20 healthy node
	check "the servers were scraped" wait_until 20 healthy webapp
	before=$(pids)
	said=$(open monitor)
	check_matches "again: it says where all is" "http://127.0.0.1:$PROMETHEUS_PORT/" "$said"
	check_equal "and starts nothing twice" "$before" "$(pids)"
}

test_down() {
	check "monitor-down ends it" open monitor-down
	check_equal "only the page is left" 1 "$(ours | wc -l)"
	check "the lab works on" get "$PAGE_PORT/healthz"
	check "it can be watched again" open monitor
	check "lab-down ends all" open down
	check_equal "no port is held" "" "$(ours)"
	check_equal "nothing is left" "" "$(ls -d "$LAB_DIR" /run/netns/"$LAB"-* 2>/dev/null)"
}

test_taken
test_monitor
test_down
checks_done

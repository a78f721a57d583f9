#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the autoscaler measures by itself, on real traffic of known numbers: new flows, packets, the
# latency of checks, and how long handshakes took. By each, backends come and go.
LAB_BACKENDS=6
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/servers.sh"
. "$(dirname "$0")/../lab/check.sh"

requests=400 datagrams=2000 handshakes=40

lab_up || exit 1
drivers=$LAB_TOP/drivers launcher=$LAB_DIR/launcher
echo=$(lab_tool lab/udp_echo) || exit 1
lab_backend_start 1 hello || exit 1
lab_service_start b1 hello 81 --delay 300ms || exit 1
lab_spawn b1 udp_echo "$echo" 7
lab_backend_start 2 hello || exit 1
lab_launcher "3 4 5 6"
lab_agent_start --check-commands "$drivers" --handshake-sample 1 || exit 1

# service NAME VIP BACKEND METRIC FLAG...: one backend, two at most, and nothing in the way of
# decisions; by default the first sample is the only one.
service() {
	local name=$1 vip=$2 backend=$3 metric=$4
	shift 4
	lbctl add service "$name" --vip "$vip" --backend "$backend" --rise 1 \
		--timeout-closing 2s --timeout-udp 2s --scale on --scale-metric "$metric" \
		--scale-interval 1h --scale-window 1h --scale-max 2 --scale-up-cooldown 0ms --scale-down-cooldown 0ms \
		--scale-stabilization 0ms --scale-drain 3s --scale-pace 60 \
		--scale-driver "$drivers/lab" --scale-driver "$launcher" "$@" >/dev/null ||
		bail "the service $name is added"
}

scale() {
	lbctl --json scale "$1" | jq -r "$2"
}

scale_is() {
	[ "$(scale "$1" "$2")" = "$3" ]
}

# look SERVICE INTERVAL: a sample and a decision now, as whenever the interval becomes another one
look() {
	lbctl set service "$1" --scale-interval "$2" --scale-window "$2" >/dev/null
}

# rose SERVICE: the decision for one more
rose() {
	scale "$1" "[.decisions[] | select(.decision == \"up\")][0] | $2"
}

# --- rates: between two looks ---

service flows "tcp://$LAB_VIP4:80" 198.18.1.11:80 new-flows --check none --scale-target 1
service packets udp://198.18.0.11:7 198.18.1.11:7 packets --check none --scale-target 1
begun=$(lab_now_ms)
for name in flows packets; do
	check "$name: a first look" wait_until 10 scale_is $name .state.problem "a rate needs two looks"
done
lab_curl --max-time 60 -o /dev/null -w '%{http_code}\n' -H "$LAB_FRESH" \
	"$LAB_URL4/?[1-$requests]" >"$LAB_DIR/codes"
check_equal "so many requests, a connection each" $requests "$(grep -c '^200$' "$LAB_DIR/codes")"
# shellcheck disable=SC2016 # expanded by the inner shell
lab_exec client bash -c 'exec 3<>/dev/udp/198.18.0.11/7
	for ((i = 0; i < $1; i++)); do printf x >&3; done' _ $datagrams
# The rate times the seconds that it is of, as the script knows them
all_that() {
	rose "$1" ".value * ((.time[:19] + \"Z\" | fromdate) + (.time[20:23] | tonumber) / 1000 -
		$begun / 1000) | floor"
}
for name in flows packets; do
	look $name 30m
	check "$name: one more" wait_until 10 lab_backends_are $name 2
done
check_between "flows in all" $((requests / 2)) $((2 * requests)) "$(all_that flows)"
check_between "packets in all" $((datagrams / 2)) $((2 * datagrams)) "$(all_that packets)"
for name in flows packets; do
	look $name 1s
done

# --- the latency of checks ---

service probes tcp://198.18.0.12:80 198.18.1.11:81 probe-latency --check http --check-path / \
	--check-interval 200ms --check-timeout 5s --scale-up-above 0.2 --scale-down-below 0.1
look probes 1s
check "checks take long: one more" wait_until 15 lab_backends_are probes 2
check_between "the time of a check, ms" 300 2000 "$(rose probes '.value * 1000 | floor')"
lab_settings b1 81 '{"delay": "0ms"}' >/dev/null

# --- handshakes: those that meet a lost SYN take a second more ---

service late tcp://198.18.0.13:80 198.18.1.12:80 handshake-p95 --check none \
	--scale-up-above 0.5 --scale-down-below 0.4
check "handshakes: a first look" wait_until 10 \
	scale_is late .state.problem "a difference needs two looks"
look late 50m
check "without new connections there is no sample" wait_until 10 \
	scale_is late .state.problem "no handshake was timed meanwhile"
check_equal "and no change" 0 "$(scale late '.decisions | map(select(.decision != "hold")) | length')"
new_flows() {
	[ "$(lab_backend late 198.18.1.12:80 '."new-flows"')" -ge "$1" ]
}
lab_backend_link 2 down
lab_curl --max-time 20 -Z --parallel-immediate --parallel-max $handshakes -o /dev/null \
	-w '%{http_code}\n' -H "$LAB_FRESH" "http://198.18.0.13/?[1-$handshakes]" \
	>"$LAB_DIR/late" 2>/dev/null &
client=$!
check "$handshakes SYNs are lost" wait_until 10 new_flows $handshakes
lab_backend_link 2 up
wait $client
check_equal "they are repeated, and answered" $handshakes "$(grep -c '^200$' "$LAB_DIR/late")"
look late 30m
check "clients wait for long: one more" wait_until 15 lab_backends_are late 2
check_between "how long 95 % waited at most, ms" 1000 10000 "$(rose late '.value * 1000 | floor')"

# --- and down ---

look late 1s
(while [ ! -e "$LAB_DIR/stop" ]; do
	lab_curl -o /dev/null -H "$LAB_FRESH" 'http://198.18.0.13/?[1-10]'
	sleep 0.1
done) &
clients=$!
for name in flows packets probes late; do
	check "$name: one is enough again" wait_until 20 lab_backends_are $name 1
done
touch "$LAB_DIR/stop"
wait $clients
checks_done

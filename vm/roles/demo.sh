#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo, seen from the client: requests spread over both backends, one backend's machine dies,
# the other takes over, Prometheus has seen it; it boots again and is taken back.
#   vm/roles/demo.sh [REQUESTS]
# It says "now: end b2" and "now: start b2" when somebody outside is to do that, and waits until it
# shows. Cases as in tests/lab/check.sh.
set -u
. "$(dirname "$0")/addresses.sh"
. "$top/tests/lab/check.sh"
requests=${1:-10000}
patience=120 # seconds; an emulated machine may take them

# figure PATTERN: what the balancer's metrics say in the line that matches
figure() {
	curl -s --max-time 5 "http://$balancer:9480/metrics" | awk -v pattern="$1" '$0 ~ pattern {print $2}'
}

# up ADDRESS 0|1: does the balancer think so?
up() {
	[ "$(figure "^lb_backend_up.*backend=\"$1:80\"")" = "$2" ]
}

# prometheus_says QUERY VALUE
prometheus_says() {
	[ "$(curl -s --max-time 5 --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query |
		jq -r '.data.result[0].value[1]')" = "$2" ]
}

# load COUNT: so many requests, each on a connection of its own; leaves wrk's output in $out
load() {
	wrk -t1 -c10 -d"$((300 * slower))s" --timeout "$((10 * slower))s" -s "$top/tests/lab/bodies.lua" -H 'Connection: close' \
		"http://$vip/" -- "$1" 0 >"$out" 2>&1
	awk '$1 == "served" {print "  " $2 "  " $3}' "$out"
}

served() {
	awk '$1 == "served" {n += $3} END {print n + 0}' "$out"
}

failed() {
	awk '$1 == "errors" {print $2}' "$out"
}

out=$(mktemp)
check "the balancer has both backends" until_ok "$patience" up "${backends[0]}" 1
check "the second, too" until_ok "$patience" up "${backends[1]}" 1
check_equal "the program runs in the driver" native \
	"$(lbctl --url "http://$balancer:9480" --json status | jq -r '.interfaces[0].mode')"

load "$requests"
check_equal "$requests requests, each on a connection of its own: answered" "$requests" "$(served)"
check_equal "failed" 0 "$(failed)"
check_equal "by both" "b1 b2" "$(awk '$1 == "served" {print $2}' "$out" | sort | xargs)"
check "Prometheus scrapes the balancer" until_ok "$patience" prometheus_says 'up{job="sluice"}' 1

echo "now: end b2"
check "the balancer takes it out" until_ok "$patience" up "${backends[1]}" 0
load 1000
check_equal "1000 requests by the other: answered" 1000 "$(served)"
check_equal "failed, now" 0 "$(failed)"
check "Prometheus has seen it" until_ok "$patience" prometheus_says \
	"lb_backend_up{backend=\"${backends[1]}:80\"}" 0

echo "now: start b2"
until_ok $((2 * patience)) up "${backends[1]}" 1 || lbctl --url "http://$balancer:9480" show web
check "the balancer takes it back" up "${backends[1]}" 1
load 1000
check_equal "1000 requests: answered" 1000 "$(served)"
check_equal "failed, then" 0 "$(failed)"
check_equal "by both again" "b1 b2" "$(awk '$1 == "served" {print $2}' "$out" | sort | xargs)"
rm -f "$out"
checks_done

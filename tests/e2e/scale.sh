#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Thousands of backends, hundreds of services: by one apply each, in the time and memory promised.
# alone: measures times and processor time
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

slower=${SLOWER:-1} # promises are made for a machine that has nothing else to do
range=198.18.32.0/19

LAB_BACKENDS=1
lab_up || exit 1
lab_backend_start 1 hello || exit 1
# b1 answers for all of them.
ip -n "$LAB-b1" route add local $range dev lo
ip -n "$LAB-lb" route add $range via 198.18.1.11

# document SERVICES BACKENDS [WEIGHT]: so many, each with so many backends, no two of one address. The
# first backend of a service has that weight, the others 1. One host answers all checks: it is given time.
document() {
	awk -v services="$1" -v backends="$2" -v weight="${3:-1}" 'BEGIN {
		printf "{\"services\": ["
		for (s = 0; s < services; s++) {
			printf "%s{\"name\": \"s%d\", \"vip\": [\"tcp://198.18.64.%d:%d\"]," \
				"\"check-interval\": \"5s\", \"check-timeout\": \"10s\", \"backends\": [",
				s ? "," : "", s, 1 + s % 250, 80 + s / 250
			for (b = 0; b < backends; b++) {
				n = s * backends + b
				printf "%s{\"address\": \"198.18.%d.%d:80\", \"weight\": %d}",
					b ? "," : "", 32 + n / 250, 1 + n % 250, b ? 1 : weight
			}
			printf "]}"
		}
		print "]}"
	}'
}

up() {
	[ "$(lbctl --json show | jq '[.services[].backends[] | select(.status == "up")] | length')" = "$1" ]
}

# apply SERVICES BACKENDS [WEIGHT]: applies such a document; prints how many ms that took
apply() {
	local began
	document "$@" >"$LAB_DIR/document"
	began=$(lab_now_ms)
	lbctl apply -f "$LAB_DIR/document" --now >"$LAB_DIR/applied" || return
	echo $(($(lab_now_ms) - began))
}

# KiB of the agent's memory that are not maps: those lie in the kernel, as large as --flows and
# the like say, and show up once more where the agent looks at them.
resident() {
	awk '/^[0-9a-f]+-/ {map = /anon_inode:bpf-map/} /^Rss:/ && !map {n += $2} END {print n}' \
		"/proc/$(lab_pid lbagent)/smaps"
}

# What the agent has used so far. Others on the machine do not count.
processor_ms() {
	awk -v hz="$(getconf CLK_TCK)" '{printf "%d", ($14 + $15) * 1000 / hz}' \
		"/proc/$(lab_pid lbagent)/stat"
}

# The quickest of five builds, in microseconds: what disturbs the machine is not the table's.
table_us() {
	local weight
	for weight in 2 3 4 5 6; do
		lbctl set backend s0 198.18.32.1 --weight "$weight" >/dev/null
		lab_metric lb_table_build_seconds
	done | sort -g | awk 'NR == 1 {printf "%d", $1 * 1000000}'
}

lab_agent_start --max-services 512 --max-backends 8192 || exit 1
check "1,000 backends by one apply" apply 1 1000
check "1,000 backends come up" wait_until 20 up 1000
promise "a table of 1,000 backends, 65,537 slots: microseconds to build" $((3000 * slower)) \
	"$(table_us)"
promise "4,000 backends by one apply: ms" $((2000 * slower)) "$(apply 1 4000)"
check "4,000 backends come up" wait_until 20 up 4000
check_equal "export has them all" 4000 "$(lbctl --json export | jq '.services[0].backends | length')"
check_equal "and is no difference" "no difference" "$(lbctl export | lbctl apply -f -)"
check_at_most "one weight more by apply: ms" $((2000 * slower)) "$(
	began=$(lab_now_ms)
	lbctl --json export | jq '.services[0].backends[17].weight = 2' | lbctl apply -f - >/dev/null
	echo $(($(lab_now_ms) - began))
)"
promise "an agent with 4,000 backends: KiB resident besides maps" 65536 "$(resident)"

check "512 services by one apply" apply 512 8
check "their 4,096 backends come up" wait_until 30 up 4096

# scrapes: seconds that each of some scrapes took, in one format and the other, one a line
scrapes() {
	local accept
	for accept in text/plain application/openmetrics-text text/plain application/openmetrics-text; do
		lab_api GET /metrics -H "Accept: $accept" -o "$LAB_DIR/page" -w '%{time_total}\n' || return
	done
}

# quickest: of times in seconds, one a line, in ms
quickest() {
	sort -g | awk 'NR == 1 {printf "%.0f", $1 * 1000}'
}

# most_calls: within how many ms 99 of 100 calls of the API are answered, of 300 one after the other.
most_calls() {
	lab_api GET "/healthz?[1-300]" -o /dev/null -w '%{time_total}\n' | sort -gr |
		awk 'NR == 3 {printf "%.0f", $1 * 1000}'
}

promise "a scrape of 512 services and 4,096 backends: ms" $((200 * slower)) "$(scrapes | quickest)"
check_equal "it has a histogram of each backend" 4096 \
	"$(grep -c '^lb_backend_handshake_seconds_count' "$LAB_DIR/page")"
check "promtool finds no fault" promtool check metrics < <(lab_api GET /metrics)
# While one scrape follows the other: what the loop's other work has to wait.
(while scrapes >/dev/null; do :; done) &
scraper=$!
promise "99 of 100 other calls during such scrapes: ms" $((25 * slower)) "$(most_calls)"
kill $scraper && wait $scraper 2>/dev/null

before=$(processor_ms)
check "other weights for 512 services by one apply" apply 512 8 2
promise "512 services: ms of processor time for an apply that has all tables built" \
	$((2000 * slower)) $(($(processor_ms) - before))
lab_agent_kill
lab_agent_start --max-services 512 --max-backends 8192 || exit 1
check_equal "all backends are still up" 4096 "$(lbctl --json show |
	jq '[.services[].backends[] | select(.status == "up")] | length')"
checks_done

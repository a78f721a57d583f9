#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Mode nat with a connection for each request: ports come back, none runs out.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_backend_start 1 hello || exit 1
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" 1 || bail "the service comes up"

drops() {
	lab_api GET /v1/status | jq ".drops.$1"
}

# More connections to the one backend than there are ports to it.
out=$LAB_DIR/wrk
lab_wrk -t1 -c100 -d90s -H "$LAB_FRESH" "$LAB_URL4/" -- 150000 >"$out"
check_equal "150000 connections: none failed" 0 "$(lab_errors "$out")"
check_equal "150000 connections: all answered" 150000 "$(lab_served "$out")"
check_equal "no NAT port was missing" 0 "$(drops nat_ports)"
checks_done

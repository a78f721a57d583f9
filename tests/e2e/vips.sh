#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hundreds of VIPs: packets find each, also while others come and go.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

vips=500

LAB_BACKENDS=1
lab_up || exit 1
lab_backend_start 1 hello || exit 1
ip -n "$LAB-client" route add 198.18.64.0/24 via 198.18.0.1
lab_agent_start --max-services $vips --max-vips $vips || exit 1

# document SERVICES: so many, of a VIP each
document() {
	awk -v services="$1" 'BEGIN {
		printf "{\"services\": ["
		for (s = 0; s < services; s++)
			printf "%s{\"name\": \"s%d\", \"vip\": [\"tcp://198.18.64.%d:%d\"], \"check\": \"none\"," \
				"\"backends\": [{\"address\": \"198.18.1.11:80\"}]}",
				s ? "," : "", s, 1 + s % 250, 80 + int(s / 250)
		print "]}"
	}'
}

# served FIRST LAST PORT: how many of these addresses answer there
served() {
	lab_exec client curl -s --connect-timeout 2 -o /dev/null -w '%{http_code}\n' \
		"http://198.18.64.[$1-$2]:$3/" | grep -c '^200$'
}

# have_tables N: so many services, and each one's table is the one that it is to have; they are built
# one after the other
have_tables() {
	[ "$(lbctl --json show | jq '[.services[].backends[] | select(.share == 1)] | length')" = "$1" ]
}

document $vips >"$LAB_DIR/document"
check "$vips services by one apply" lbctl apply -f "$LAB_DIR/document"
check "each gets its table" wait_until 10 have_tables $vips
check_equal "those of one port are all found" 250 "$(served 1 250 80)"
check_equal "those of the other, too" 250 "$(served 1 250 81)"
document 300 >"$LAB_DIR/document"
check "200 go" lbctl apply -f "$LAB_DIR/document" --now
check_equal "the others are found" 250 "$(served 1 250 80)"
check_equal "on either port" 50 "$(served 1 50 81)"
lab_agent_kill
lab_agent_start --max-services $vips --max-vips $vips || bail "the next agent starts"
check_equal "by the next agent, too" 250 "$(served 1 250 80)"
document $vips >"$LAB_DIR/document"
check "200 come back" lbctl apply -f "$LAB_DIR/document"
check "each gets its table again" wait_until 10 have_tables $vips
check_equal "all are found" 250 "$(served 1 250 81)"
checks_done

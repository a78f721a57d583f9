#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# HTTP in mode nat: nginx as it comes, IPv4 and IPv6, long connections and short ones.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" nginx || exit 1
done
lab_agent_start || exit 1

# try FAMILY SERVICE URL: everything, over one family
try() {
	local family=$1 service=$2 url=$3 out=$LAB_DIR/wrk.$1 before after made
	check "$family: answered at the VIP" lab_curl --fail "$url/"

	before=$(lab_total "$service" new-flows)
	lab_wrk -t1 -c20 -d30s -H "$LAB_FRESH" "$url/" -- 3000 >"$out"
	check_equal "$family: 3000 requests, a connection each, none failed" 0 "$(lab_errors "$out")"
	check_equal "$family: every backend served" 3 "$(grep -c '^served ' "$out")"

	# wrk has gone a little beyond the limit when it stops, and has a connection open for each of
	# its 20 then; it began with one to see whether the server is there.
	after=$(lab_total "$service" new-flows)
	made=$(awk '$2 == "requests" && $3 == "in" {print $1}' "$out")
	check_between "$family: new flows are counted" "$made" $((made + 21)) $((after - before))

	lab_wrk -t2 -c100 -d2s "$url/" >"$out"
	check_equal "$family: 100 connections kept open, no request failed" 0 "$(lab_errors "$out")"
	check_equal "$family: every backend served those" 3 "$(grep -c '^served ' "$out")"

	check "$family: packets of the backends add up to the service's" jq -e '
		([.backends[].packets] | add) == .packets and ([.backends[].bytes] | add) == .bytes
		' <(lbctl --json show "$service")
	check "$family: 1 MB comes through unharmed" large "$url"
}

# A body of many full-size segments, compared by its sum.
large() {
	[ "$(lab_curl "$1/large" | sha256sum)" = "$(sha256sum <"$LAB_DIR/large")" ]
}

dd if=/dev/urandom of="$LAB_DIR/large" bs=1M count=1 status=none

if lab_service web "tcp://$LAB_VIP4:80" "1 2 3"; then
	try IPv4 web "$LAB_URL4"
else
	bail "IPv4: the service comes up"
fi
if lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2 3" --check http --check-path /health; then
	try IPv6 web6 "$LAB_URL6"
else
	bail "IPv6: the service comes up"
fi
checks_done

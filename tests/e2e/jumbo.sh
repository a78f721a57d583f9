#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Jumbo frames: packets longer than a page go through XDP whole, where the driver can do that.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
LAB_MTU=9000
lab_up || exit 1
for i in 1 2; do
	lab_backend_start "$i" nginx || exit 1
done
head -c 3000000 /dev/urandom >"$LAB_DIR/large"
lab_agent_start || exit 1

# mean_length: of the packets that clients sent to the service
mean_length() {
	lbctl --json show web | jq '.bytes / .packets | floor'
}

# try MODE VIP URL
try() {
	local mode=$1 name="$1, $2"
	[ "$mode" = nat ] || lab_nodes_up --mode "$mode" >/dev/null || bail "$name: lbnode"
	lab_service web "tcp://$2:80" "1 2" --mode "$mode" || bail "$name: the service comes up"
	check_equal "$name: an upload of 3 MB is taken" 200 "$(lab_curl --max-time 20 \
		-o /dev/null -w '%{http_code}' --data-binary "@$LAB_DIR/large" -H 'Expect:' "$3/")"
	check "$name: in packets longer than a page" [ "$(mean_length)" -gt 4096 ]
	check_equal "$name: a download of 3 MB is whole" "$(sha1sum <"$LAB_DIR/large")" \
		"$(lab_curl --max-time 20 "$3/large" | sha1sum)"
	lbctl rm service web >/dev/null
	[ "$mode" = nat ] || lab_nodes_down >/dev/null || bail "$name: lbnode down"
}

check "XDP is native" test "$(lbctl --json status | jq -r '.interfaces[0].mode')" = native
for mode in nat l2 ipip gue; do
	try "$mode" "$LAB_VIP4" "$LAB_URL4"
	try "$mode" "[$LAB_VIP6]" "$LAB_URL6"
done
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Weights of a fleet that follow load: two balancers with an etcd, of which one decides and both do the
# same; the one that decides dies, etcd dies, and a service that follows no more leaves nothing there.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"
. "$(dirname "$0")/../lab/fleet.sh"
. "$(dirname "$0")/../lab/etcd.sh"

FLEET_BALANCERS=2
WEIGHTS=/fleet/one/weights/web
etcd_lab "weights of a fleet that follow load"
for i in 1 2 3; do
	lab_load "$i" 0.4
	lab_report_start "$i" || exit 1
done

# field N BACKEND FILTER: of what balancer N says of a backend
field() {
	fleet_lbctl "$1" --json show web |
		jq -r --arg address "198.18.1.1$2" ".backends[] | select(.address | startswith(\$address)) | $3"
}
below() {
	field "$1" "$2" '."effective-weight"' | jq -e ". < $3"
}
above() {
	field "$1" "$2" '."effective-weight"' | jq -e ". > $3"
}
is() {
	[ "$(field "$1" "$2" '."effective-weight"')" = "$3" ]
}
leads() {
	[ "$(fleet_lbctl "$1" --json show web | jq '."load-state".leads')" = true ]
}
leaders() {
	local i n=0
	for i in 1 2; do
		! leads "$i" 2>/dev/null || n=$((n + 1))
	done
	echo "$n"
}
one_leads() {
	[ "$(leaders)" = 1 ]
}
agree() {
	fleet_agree "$LAB_DIR/lb1.sock" "$LAB_DIR/lb2.sock" &&
		[ "$(fleet_lbctl 1 --json show web | jq '."table-digest"')" = \
			"$(fleet_lbctl 2 --json show web | jq '."table-digest"')" ]
}
written() {
	etcdctl get "$WEIGHTS" --print-value-only | jq -e ".factors | $1"
}
gone() {
	[ -z "$(etcdctl get "$WEIGHTS" --print-value-only)" ]
}

etcd_start || bail "etcd starts"
agent 1 || bail "the first balancer starts"
agent 2 || bail "the second balancer starts"
fleet_lbctl 1 add service web --vip "tcp://$LAB_VIP4:80" --mode l2 --check-interval 300ms \
	--check-timeout 250ms --rise 1 --load on --load-interval 1s --load-budget 10 >/dev/null ||
	bail "a service is added"
for i in 1 2 3; do
	fleet_lbctl 1 add backend web "198.18.1.1$i" >/dev/null || not_ok "a backend is added"
done
check "backends are up at both" wait_until 15 fleet_all_up 1 web
check "at the other, too" wait_until 15 fleet_all_up 2 web
check "one of them decides" wait_until 10 one_leads
leader=$(leads 1 && echo 1 || echo 2) other=$((3 - leader))

# --- steps ---

lab_load 3 1.5
check "the loaded one gets less at the one that decides" wait_until 40 below "$leader" 3 0.7
check "and at the other" wait_until 5 below "$other" 3 0.8
check "what they do is what is written in etcd" wait_until 5 written '."198.18.1.13:80" < 800'
lab_load 3 0.4
rests() {
	fleet_lbctl "$leader" --json show web | jq -e '."load-state" | .acts | not'
}
check "of all alike it comes to rest" wait_until 40 rests
check "with the same tables" wait_until 10 agree
check_matches "events tell whose doing it was" 'load-step.*etcd' \
	"$(fleet_lbctl "$other" events --kind load-step)"

# --- the one that decides dies ---

lab_end "lb$leader" KILL
check "the other decides after that" wait_until 20 leads "$other"
before=$(field "$other" 3 '."effective-weight"')
lab_load 3 3
check "and goes on from where they were" wait_until 30 below "$other" 3 "$before"
agent "$leader" || not_ok "the first one starts again"
check "which then follows" wait_until 15 agree
check "and does not decide" wait_until 10 one_leads
lab_load 3 0.4
rests_at_other() {
	fleet_lbctl "$other" --json show web | jq -e '."load-state" | .acts | not'
}
check "they come to rest" wait_until 40 rests_at_other
check "and agree" wait_until 10 agree

# --- without etcd ---

etcd_kill
none_leads() {
	[ "$(leaders)" = 0 ]
}
check "without etcd nobody decides" wait_until 20 none_leads
before=$(field 1 3 '."effective-weight"')
lab_load 3 0.1
seen() {
	[ "$(field 1 3 .load.load)" = 0.1 ]
}
check "though all still hear of the load" wait_until 15 seen
check "and weights stay" is 1 3 "$before"
check "at the other, too" is 2 3 "$before"
etcd_start || bail "etcd starts again"
check "with etcd again one decides" wait_until 20 one_leads
check "and weights follow" wait_until 30 above 1 3 "$before"
check "everywhere" wait_until 10 above 2 3 "$before"

# --- the end ---

fleet_lbctl 2 set service web --load off >/dev/null || not_ok "weights shall not follow any more"
check "told not to follow, weights are whole" wait_until 10 is 1 3 1
check "at both" wait_until 10 is 2 3 1
check "and nothing of it is left in etcd" wait_until 15 gone
check "they agree" wait_until 10 agree
check_none "no agent has complained" "$(grep -h 'level=error' "$LAB_DIR"/lb?.log)"
checks_done

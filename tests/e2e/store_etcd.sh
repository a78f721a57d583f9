#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two balancers with their configuration in a real etcd: who changes what where, two at the same time,
# without etcd, with one that comes back, has forgotten, or has nonsense.
# alone: it measures times
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"
. "$(dirname "$0")/../lab/fleet.sh"
. "$(dirname "$0")/../lab/etcd.sh"

FLEET_BALANCERS=2

etcd_lab "a configuration in etcd"

etcd_start || bail "etcd starts"
agent 1 || bail "the first balancer starts"
agent 2 || bail "the second balancer starts"

check "a balancer connects to an etcd without a configuration" wait_until 5 store_is 1 connected true
check_equal "and has none of its" 0 "$(store_field 1 revision)"

# --- a change at one ---

fleet_lbctl 1 add service web --vip "tcp://$LAB_VIP4:80" --mode l2 --check-interval 300ms \
	--check-timeout 250ms --rise 1 >/dev/null || not_ok "a service is added"
took=$(fleet_until has_service 2 web)
promise "a change at one balancer reaches the other within 1000 ms" 1000 "$took"
for i in 1 2 3; do
	fleet_lbctl "$((i % 2 + 1))" add backend web "198.18.1.1$i" >/dev/null ||
		not_ok "a backend is added at lb$((i % 2 + 1))"
done
check "both have all, and so has etcd" wait_until 5 same
check "and backends are up at both" wait_until 10 fleet_all_up 1 web
check "at the other, too" wait_until 10 fleet_all_up 2 web
check_equal "by the same tables" true \
	"$("$LAB_BUILD/lbctl" --json fleet "$LAB_DIR/lb1.sock" "$LAB_DIR/lb2.sock" | jq .agree)"
check_equal "at the revision that etcd has" "$(etcd_revision)" "$(store_field 2 revision)"
check_matches "status says so" "$STORE: connected, revision $(etcd_revision)" "$(fleet_lbctl 1 status)"
check_equal "metrics say so" "1 1" \
	"$(fleet_metric 1 lb_store_connected) $(fleet_metric 1 lb_store_current)"
before=$(etcd_revision)
fleet_lbctl 1 export | fleet_lbctl 1 apply -f - >/dev/null || not_ok "lbctl apply of what there is"
check_equal "what changes nothing is not written" "$before" "$(etcd_revision)"
check_matches "events tell whose doing it was" 'backend-added.*web' "$(events 2)"

# --- changes at both ---

# churn N FIRST LAST: services of its own, one after the other.
churn() {
	local i
	for ((i = $2; i <= $3; i++)); do
		fleet_lbctl "$1" add service "s$i" --vip "tcp://198.19.100.$((100 + i)):80" --mode l2 \
			--check none >/dev/null || echo "add s$i at lb$1 failed"
	done
}
churn 1 1 6 >"$LAB_DIR/churn1" 2>&1 &
one=$!
churn 2 7 12 >"$LAB_DIR/churn2" 2>&1 &
wait "$one" "$!"
check_none "changes at both at once are all made" "$(cat "$LAB_DIR/churn1" "$LAB_DIR/churn2")"
check "and none is lost" wait_until 5 same
check_equal "of all" 13 "$(config 1 | jq '.services | length')"
for i in {1..12}; do
	fleet_lbctl $((i % 2 + 1)) rm service "s$i" >/dev/null || not_ok "service s$i goes"
done
check "and they go again" wait_until 5 same

# --- who had slots before ---

# had N WANTED: balancer N tells these of the service's former owners, the newest first
had() {
	[ "$(fleet_lbctl "$1" export | jq -r '.services[] | select(.name == "chance")
		| [."former-owners"[]? | [.[].address | sub("198.18.1.1(?<n>.):80"; .n)] | join("")] | join(" ")')" = "$2" ]
}
fleet_lbctl 1 add service chance --vip tcp://198.19.100.120:80 --mode gue --check none --second-chance on \
	--backend 198.18.1.11 --backend 198.18.1.12 >/dev/null || not_ok "a service with second chances is added"
check "that slots had nobody before is known to both" wait_until 5 had 2 ""
fleet_lbctl 2 add backend chance 198.18.1.13 >/dev/null || not_ok "a backend is added"
check "who owned them before is told by who was asked" had 2 12
check "and by the other" wait_until 5 had 1 12
fleet_lbctl 1 drain backend chance 198.18.1.11 >/dev/null || not_ok "a backend drains"
check "so with the next change" wait_until 5 had 2 "123 12"
check "both have the same, and so has etcd" wait_until 5 same
fleet_lbctl 2 rm service chance >/dev/null || not_ok "service chance goes"
check "at both" wait_until 5 same

set_weight() {
	fleet_lbctl "$1" set backend web 198.18.1.11 --weight "$2" >/dev/null
}
set_weight 1 3 &
one=$!
set_weight 2 4
second=$?
wait "$one"
first=$?
check_equal "who changes the same thing at the same time does so one after the other," "0 0" \
	"$second $first"
check "and all end alike" wait_until 5 same
fleet_lbctl 1 set backend web 198.18.1.11 --weight 1 >/dev/null
out=$({ fleet_lbctl 1 add service twice --vip tcp://198.19.100.99:80 --mode l2 2>&1 >/dev/null &
	fleet_lbctl 2 add service twice --vip tcp://198.19.100.99:80 --mode l2 2>&1 >/dev/null
	wait; })
check_matches "who adds what the other has just added is told" "twice" "$out"
fleet_lbctl 1 rm service twice >/dev/null
check "and it goes again" wait_until 5 same

# --- drains ---

fleet_lbctl 1 drain backend web 198.18.1.13 --deadline 1s >/dev/null || not_ok "a drain begins"
state_is() {
	[ "$(config "$1" | jq -r '.services[] | select(.name == "web") | .backends[] |
		select(.address | startswith("198.18.1.13")) | .state // "up"')" = "$2" ]
}
check "a drain is one at the other as well" wait_until 2 state_is 2 drain
check "and its end, too" wait_until 5 state_is 2 maint
check "everywhere" wait_until 2 same
fleet_lbctl 2 set backend web 198.18.1.13 --state up >/dev/null
check "and it is up again" wait_until 10 fleet_all_up 1 web

# --- without etcd ---

for i in 1 2; do
	fleet_lbctl "$i" export >"$LAB_DIR/before$i"
done
lab_exec router ip route add "$LAB_VIP4" via 198.18.0.1
lab_wrk -t1 -c4 -d6s -H "$LAB_FRESH" "$LAB_URL4/" >"$LAB_DIR/wrk" 2>&1 &
wrk=$!
etcd_kill
check "that etcd is gone is noticed" wait_until 3 store_is 1 connected false
check_matches "and said" 'NOT CONNECTED.*198.18.0.20' "$(fleet_lbctl 1 status)"
check_equal "in the metrics" "0 0" \
	"$(fleet_metric 1 lb_store_connected) $(fleet_metric 1 lb_store_current)"
check_equal "and once in the events" 1 "$(lines_of 1 store-lost)"
out=$(fleet_lbctl 1 set backend web 198.18.1.11 --weight 7 2>&1)
check_equal "a change fails" 1 "$?"
check_matches "and says why, and that nothing has changed" 'nothing has changed.*198.18.0.20' "$out"
check_equal "which is so" "$(cat "$LAB_DIR/before1")" "$(fleet_lbctl 1 export)"

lab_end lb1 KILL
check "a balancer starts without etcd" agent 1
check_equal "and serves the last configuration" "$(cat "$LAB_DIR/before1")" "$(fleet_lbctl 1 export)"
check "and says that etcd is missing" wait_until 5 store_is 1 connected false
check "though not within the first moment" wait_until 10 fleet_all_up 1 web
wait "$wrk"
promise "etcd killed, and a balancer restarted without it: 0 requests failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
check "of many" [ "$(lab_served "$LAB_DIR/wrk")" -gt 100 ]

# --- with etcd again, which has forgotten ---

etcd_start || bail "etcd starts again"
check "they connect again" wait_until 10 store_is 1 connected true
check "both" wait_until 10 store_is 2 connected true
check "a change goes through again" set_weight 1 5
check "to both" wait_until 2 weight_is 2 198.18.1.11 5

# One is cut off while etcd changes, and forgets.
ip -n "$LAB-switch" link set lb2 down
check "a connection that dies without a word is noticed" wait_until 15 store_is 2 connected false
for weight in 6 7 8; do
	set_weight 1 "$weight" || not_ok "a change goes on at the other"
done
etcdctl compact "$(etcd_revision)" >/dev/null || not_ok "etcd forgets"
ip -n "$LAB-switch" link set lb2 up
check "who was cut off catches up, though etcd has forgotten" wait_until 15 weight_is 2 198.18.1.11 8
check "and is connected" wait_until 10 store_is 2 connected true

# --- killed under churn ---

keep_changing() {
	local i
	for ((i = 0; i < 60; i++)); do
		set_weight "$1" "$((i % 9 + 1))" 2>/dev/null
	done
}
keep_changing 1 &
one=$!
keep_changing 2 &
two=$!
for i in 1 2 3; do
	sleep 0.3
	etcd_kill
	sleep 0.2
	etcd_start || bail "etcd starts under churn"
done
wait "$one" "$two"
check "etcd killed and restarted under changes: all end alike" wait_until 15 same
check "and a change goes through" set_weight 2 1
check "to both, again" wait_until 2 weight_is 1 198.18.1.11 1

# --- nonsense ---

good=$(etcd_config)
before=$(fleet_lbctl 1 export)
etcdctl put "$KEY" '{"services": [{"name": "web", "vip": ["nonsense"]}]}' >/dev/null
refused() {
	[ "$(store_field "$1" problem)" != null ]
}
check "a document that is none is refused" wait_until 3 refused 1
check "by all" wait_until 3 refused 2
check_matches "which is said" "is not in force here.*nonsense" "$(fleet_lbctl 1 status)"
check_matches "and told" "store-refused" "$(events 1)"
check_equal "what was in force stays" "$before" "$(fleet_lbctl 1 export)"
check_equal "metrics say it" "1 0" \
	"$(fleet_metric 1 lb_store_connected) $(fleet_metric 1 lb_store_current)"
out=$(set_weight 1 2 2>&1)
check_matches "a change meanwhile is refused, with the way out" "etcdctl put" "$out"
etcdctl put "$KEY" "$good" >/dev/null
check "a good one ends it" wait_until 3 store_is 1 problem null
check "and changes go on" set_weight 1 2

etcdctl del "$KEY" >/dev/null
check "a configuration that is deleted stays in force" wait_until 3 store_is 1 revision 0
check "at both" has_service 2 web
check "and the next change puts it back" set_weight 2 3
check "for all" wait_until 3 same

# --- by TLS, as a user ---

certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
		-keyout "$LAB_DIR/ca.key" -out "$LAB_DIR/ca.pem" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=etcd \
			-keyout "$LAB_DIR/etcd.key" -out "$LAB_DIR/etcd.csr" &&
		openssl x509 -req -in "$LAB_DIR/etcd.csr" -CA "$LAB_DIR/ca.pem" -CAkey "$LAB_DIR/ca.key" \
			-CAcreateserial -days 2 -out "$LAB_DIR/etcd.pem" \
			-extfile <(echo subjectAltName=IP:198.18.0.20)
} 2>/dev/null
grant() {
	etcdctl role add sluice && etcdctl role grant-permission sluice readwrite --prefix /fleet/one/ &&
		etcdctl user add balancer:pass:word && etcdctl user grant-role balancer sluice &&
		etcdctl user add root:secret && etcdctl user grant-role root root && etcdctl auth enable
}
tls=(--cert-file "$LAB_DIR/etcd.pem" --key-file "$LAB_DIR/etcd.key")
certificates || bail "certificates are made"
(umask 077 && echo balancer:pass:word >"$LAB_DIR/user" && echo balancer:wrong >"$LAB_DIR/wrong")
grant >/dev/null || bail "users are made"
as=(--user root:secret --cacert "$LAB_DIR/ca.pem")
check "who logs in as nobody is refused" wait_until 5 store_is 1 connected false
check_matches "and told why" "user name is empty|permission" "$(store_field 1 problem)"
check_matches "and the way out" "grant-permission ROLE readwrite /fleet/one/ --prefix" "$(store_field 1 hint)"

lab_end etcd TERM
ETCD=https://198.18.0.20:2379
etcd_start "${tls[@]}" || bail "etcd starts with TLS"
secure() {
	local n=$1
	shift
	lab_end "lb$n" TERM && fleet_agent_start "$n" --store "etcds://198.18.0.20:2379/fleet/one" "$@"
}
check "a balancer with another CA starts" secure 1 --store-user-file "$LAB_DIR/user"
check "but trusts nobody" wait_until 5 store_is 1 connected false
check_matches "and says so" "store-ca|certificate" "$(fleet_lbctl 1 --json status)"
secure 1 --store-ca "$LAB_DIR/ca.pem" --store-user-file "$LAB_DIR/wrong" || not_ok "a balancer starts"
check "one with the wrong password is refused" wait_until 5 store_is 1 connected false
hint_names() {
	store_field "$1" hint | grep -q "$2"
}
check "and told so" wait_until 5 hint_names 1 store-user-file
for i in 1 2; do
	secure "$i" --store-ca "$LAB_DIR/ca.pem" --store-user-file "$LAB_DIR/user" || not_ok "lb$i starts"
	check "balancer $i logs in by TLS" wait_until 5 store_is "$i" connected true
done
check "and changes go through" set_weight 1 5
check "to the other" wait_until 2 weight_is 2 198.18.1.11 5
# Its tokens are gone with it.
etcd_kill
etcd_start "${tls[@]}" || bail "etcd starts again"
check "a token that etcd has forgotten is asked for anew" wait_until 10 store_is 2 connected true
check "by both" wait_until 10 store_is 1 connected true
check "and changes go on" set_weight 2 6
check "to the other, too" wait_until 2 weight_is 1 198.18.1.11 6
etcdctl user revoke-role balancer sluice >/dev/null || not_ok "the role is taken away"
check "who has lost his rights is refused" wait_until 5 store_is 1 connected false
out=$(set_weight 1 7 2>&1)
check_matches "and says so" "permission denied" "$out"

check_none "no agent has complained of anything else" \
	"$(grep -h 'level=error' "$LAB_DIR"/lb?.log | grep -v 'store refused')"
checks_done

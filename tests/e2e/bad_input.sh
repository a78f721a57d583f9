#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input to lbctl and to the API: a clear error, the right status, and the state as it was.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_agent_start || exit 1
lbctl add service web --vip "tcp://$LAB_VIP4:80" --check none >/dev/null || bail "web is added"
lbctl add service dns --vip "udp://[$LAB_VIP6]:53" --check none >/dev/null || bail "dns is added"
lbctl add backend web 198.18.1.11 >/dev/null || bail "a backend is added"
# In the way of UDP replies over IPv6, of which there are none yet.
lbctl add service taken --vip "udp://[2001:db8::1]:2000" --check none >/dev/null ||
	bail "a service on the balancer's own address is added"
lab_wait_up web || exit 1

before=$(lbctl --json show)
file_before=$(sha256sum "$LAB_DIR"/state/*)

inputs=0

unchanged() {
	[ "$(lbctl --json show)" = "$before" ] && [ "$(sha256sum "$LAB_DIR"/state/*)" = "$file_before" ]
}

# cli STATUS PATTERN ARG...: lbctl refuses; the message matches
cli() {
	local status=$1 pattern=$2 output got
	shift 2
	inputs=$((inputs + 1))
	output=$(lbctl "$@" 2>&1 >/dev/null)
	got=$?
	if [[ $got =~ ^$status$ ]] && grep -Eqi -- "$pattern" <<<"$output" && unchanged; then
		ok "lbctl $*"
	else
		not_ok "lbctl $*" "wanted status $status and '$pattern', got $got: $output
$(unchanged || echo "the state has changed: $(lbctl --json show)")"
	fi
}

# api NAME STATUS PATTERN METHOD PATH [BODY]: the API refuses with a JSON error
api() {
	local name=$1 status=$2 pattern=$3 got
	shift 3
	inputs=$((inputs + 1))
	got=$(printf '%s' "${3:-}" | lab_api "$1" "$2" -o "$LAB_DIR/answer" -w '%{http_code}' \
		--data-binary @- -H 'Content-Type: application/json' -H 'Expect:')
	if [ "$got" = "$status" ] && jq -er .error "$LAB_DIR/answer" 2>/dev/null | grep -Eqi -- "$pattern" &&
		unchanged; then
		ok "API: $name"
	else
		not_ok "API: $name" "wanted $status and '$pattern', got $got: $(head -c 500 "$LAB_DIR/answer")
$(unchanged || echo "the state has changed: $(lbctl --json show)")"
	fi
}

# --- the command line ---

cli 2 'verb|usage|fly' fly
cli 2 'fly' add service x --fly
cli 2 'name|service' add service
cli 1 '198.18.0.300' add service x --vip tcp://198.18.0.300:80
cli 1 '70000' add service x --vip tcp://198.18.0.11:70000
cli 1 'sctp|protocol|tcp' add service x --vip sctp://198.18.0.11:80
cli 1 'tcp://198.18.0.10:80.*web|web.*tcp://198.18.0.10:80' add service x --vip "tcp://$LAB_VIP4:80"
cli 1 'twice|duplicate|already' add service x --vip tcp://198.18.0.11:80 --vip tcp://198.18.0.11:80
cli 1 'web' add service web --vip tcp://198.18.0.11:80
cli 1 'VIP tcp://198.18.0.1:2000 of service x: .*198.18.1.11:80 of service web.*1024-32767' \
	add service x --vip tcp://198.18.0.1:2000
cli 1 'nat-ports' add service x --vip 'tcp://198.18.0.1:*'
cli 1 'nat-ports' set service web --vip "tcp://$LAB_VIP4:80" --vip tcp://198.18.0.1:32767
cli 1 'backend .*:53 of service dns: .*udp://\[2001:db8::1\]:2000 of service taken' \
	add backend dns '[2001:db8::1:11]:53'
cli 1 'name' add service 'a b' --vip tcp://198.18.0.11:80
cli 1 'mode' add service x --vip tcp://198.18.0.11:80 --mode magic
cli 1 'there is no such choice' add service x --vip tcp://198.18.0.11:80 --scheduler random
cli 1 'SCTP.*CRC32c' add service x --vip sctp://198.18.0.11:2905
cli 1 'use mode l2, ipip or gue' add service x --vip sctp://198.18.0.11:2905 --mode nat
cli 1 'behind the prefix' add service x --vip tcp://198.18.0.11/24:80
cli 1 'not a prefix of 8 to 32' add service x --vip tcp://198.18.0.0/33:80
cli 1 'not a prefix of 8 to 128' add service x --vip 'tcp://[2001:db8::/7]:80'
cli 1 'belongs to service web' add service x --vip tcp://198.18.0.10/32:80
cli 1 'gue-variant' add service x --vip tcp://198.18.0.11:80 --mode gue --gue-variant 2
cli 1 'gue-port' set service web --gue-port 0
cli 1 'scale-driver: missing' set service web --scale on
cli 1 'scale-target: missing' set service web --scale dry-run --scale-metric packets
cli 1 'scale-promql: missing' set service web --scale-metric promql
cli 1 'not above' set service web --scale-up-above 0.2 --scale-down-below 0.6
cli 1 'scale-min: 11 is out of range' set service web --scale-min 11
cli 1 'scale-count: 11 is out of range' scale web 11
cli 1 'nope' scale nope
cli 2 'N\|auto|how many' scale web many
cli 2 'not a number from 1' scale web 0
cli 1 'tunnel-source' set service web --tunnel-source random
cli 1 'least-conn.*tracking all' set service web --scheduler least-conn --tracking none
cli 1 'tracking' add service x --vip tcp://198.18.0.11:80 --tracking some
cli 1 'when-down' set service web --when-down reject
cli 1 'too-big' set service web --too-big cut
cli 1 'timeout-udp.*out of range' set service web --timeout-udp 1s
cli 1 'quic-id-length.*UDP' set service web --quic-id-length 2
cli 1 'quic-id-length' set service dns --quic-id-length 16
cli 1 'quic-id.*quic-id-length' add backend web 198.18.1.12 --quic-id 00ff
cli 1 'quic-id' set backend web 198.18.1.11 --quic-id xy
cli 1 'priority' set backend web 198.18.1.11 --priority 256
cli 2 'priority or --sorry' set backend web 198.18.1.11 --priority 1 --sorry
cli 1 'mode ipip does not translate ports' add service x --mode ipip \
	--vip tcp://198.18.0.11:80 --backend 198.18.1.11:8080
cli 1 'address family' add service x --mode l2 --vip tcp://198.18.0.11:80 \
	--backend '[2001:db8::1:11]:80'
cli 1 'load: there is no such choice' set service web --load yes
cli 1 'load-interval.*out of range' set service web --load-interval 999ms
cli 1 'load-port: 0 is out of range' set service web --load-port 0
cli 1 'load-budget: 101 is out of range' set service web --load-budget 101
cli 1 'load-floor: 0 is out of range' set service web --load-floor 0
cli 1 'interval' add service x --vip tcp://198.18.0.11:80 --check-interval 500
cli 1 'interval' add service x --vip tcp://198.18.0.11:80 --check-interval 1ms
cli 1 'there is no such choice' set service web --check sctp
cli 1 'check-ca: /none.pem: No such file or directory' set service web --check https --check-ca /none.pem
cli 1 "check-ca: $LAB_TOP/README.md: has no certificate in it" \
	set service web --check https --check-ca "$LAB_TOP/README.md"
cli 1 'check-key.*is of no certificate' set service web --check-key /none.pem
cli 1 'check-sni.*no host name' set service web --check-sni 198.18.1.11
cli 1 'check-header: Host is not given here' set service web --check-header 'Host: example.org'
cli 1 'check-body.*Unmatched' set service web --check-body '('
cli 1 'check-body.*repeats too often' set service web --check-body '((a{1,200}){1,200}){1,200}'
cli 1 'check-payload.*backslash' set service web --check-payload '\q'
cli 1 'check-name: missing' set service web --check dns
cli 1 'check-name.*empty label' set service web --check-name example..org
cli 1 'check-expect.*no address' set service web --check dns --check-name a.test --check-expect x
cli 1 'check-command: missing' set service web --check exec
cli 1 'check-command: /bin/sh: is not in the directory of checks' \
	set service web --check exec --check-command /bin/sh --check-command=-c --check-command id
cli 1 'check-fast-interval.*out of range' set service web --check-fast-interval 2s
cli 2 'check-insecure: maybe is not true or false' set service web --check-insecure maybe
cli 1 'nope' add backend nope 198.18.1.11
cli 1 'nope' show nope
cli 1 'nope' rm service nope
cli 1 '198.18.1.999' add backend web 198.18.1.999
cli 1 'family|IPv4' add backend web '[2001:db8::1:11]:80'
cli 1 'already|198.18.1.11' add backend web 198.18.1.11
cli 1 '0' add backend web 198.18.1.12:0
cli 1 'weight' add backend web 198.18.1.12 --weight 1001
cli '[12]' 'weight' add backend web 198.18.1.12 --weight=-1
cli '[12]' 'weight' set backend web 198.18.1.11 --weight heavy
cli 1 'state|asleep' set backend web 198.18.1.11 --state asleep
cli 1 '198.18.1.12' rm backend web 198.18.1.12
cli 1 '198.18.1.12' drain backend web 198.18.1.12
cli 1 'deadline|forever' drain backend web 198.18.1.11 --deadline forever

cli 1 'protocol' explain tpc 203.0.113.7:1 "$LAB_VIP4:80"
cli 1 'port is missing' explain tcp 203.0.113.7 "$LAB_VIP4:80"
cli 1 'port is missing' explain tcp 203.0.113.7:1 "$LAB_VIP4"
cli 1 'a ping has no port' explain icmp 203.0.113.7 "$LAB_VIP4:80"
cli 1 'address families' explain tcp 203.0.113.7:1 "[$LAB_VIP6]:80"
cli 1 '203.0.113.777' explain tcp 203.0.113.777:1 "$LAB_VIP4:80"
cli 1 'psh' explain tcp 203.0.113.7:1 "$LAB_VIP4:80" --flags syn,psh
cli 1 'flags are for' explain udp 203.0.113.7:1 "$LAB_VIP4:80" --flags syn
cli 1 '39: not a number from 40' explain tcp 203.0.113.7:1 "$LAB_VIP4:80" --length 39
cli 1 '4095' explain tcp 203.0.113.7:1 "$LAB_VIP4:80" --vlan 4095
cli 1 'not attached' explain tcp 203.0.113.7:1 "$LAB_VIP4:80" --interface lo
cli 1 'no such interface' explain tcp 203.0.113.7:1 "$LAB_VIP4:80" --interface eth7
cli 2 'DST' explain tcp 203.0.113.7:1

# --- the API ---

services=/v1/services
config='{"services": []}'
api "no JSON" 400 'JSON' POST $services 'hello'
api "an empty body" 400 'JSON|empty' POST $services ''
api "JSON cut short" 400 'JSON' POST $services '{"name": "x", "vip": ["tcp://198.18'
api "something behind the JSON" 400 'JSON' POST $services '{"name": "x"} {}'
api "an array, not an object" 400 'object' POST $services '[]'
api "deep nesting" 400 'JSON|deep|nest' POST $services "$(printf '[%.0s' {1..5000})"
api "an unknown key" 400 'colour' POST $services \
	'{"name": "x", "vip": ["tcp://198.18.0.11:80"], "colour": "red"}'
api "a key twice" 400 'name' POST $services '{"name": "x", "name": "y", "vip": ["tcp://198.18.0.11:80"]}'
api "a number for a string" 400 'name' POST $services '{"name": 7, "vip": ["tcp://198.18.0.11:80"]}'
api "no VIP" 400 'vip' POST $services '{"name": "x"}'
api "VIPs of two families" 400 'famil' POST $services \
	'{"name": "x", "vip": ["tcp://198.18.0.11:80", "tcp://[2001:db8::11]:80"]}'
api "a switch for a choice" 400 'too-big' PATCH $services/web '{"too-big": true}'
api "a number for a QUIC ID" 400 'quic-id' POST $services/web/backends \
	'{"address": "198.18.1.12", "quic-id": 12}'
api "sorry, which is lbctl's word only" 400 'sorry' POST $services/web/backends \
	'{"address": "198.18.1.12", "sorry": true}'
api "two backends of one QUIC ID" 400 'quic-id of backend' POST $services \
	'{"name": "x", "vip": ["udp://198.18.0.11:443"], "check": "none", "quic-id-length": 1, "backends": [
	  {"address": "198.18.1.11", "quic-id": "0a"}, {"address": "198.18.1.12", "quic-id": "0A"}]}'
api "a fraction as weight" 400 'weight' POST $services/web/backends \
	'{"address": "198.18.1.12", "weight": 1.5}'
api "a huge number as weight" 400 'weight' POST $services/web/backends \
	'{"address": "198.18.1.12", "weight": 1e300}'
api "one bad backend among good ones" 400 '198.18.1.x' POST $services \
	'{"name": "x", "vip": ["tcp://198.18.0.11:80"], "backends": [{"address": "198.18.1.11"}, {"address": "198.18.1.x"}]}'
api "a metric that there is not" 400 'no such choice' PATCH $services/web '{"scale-metric": "luck"}'
api "a target that is no number" 400 'scale-target' PATCH $services/web '{"scale-target": "many"}'
api "a schedule that is none" 400 'scale-schedule.*days' PATCH $services/web '{"scale-schedule": "always 1-2"}'
api "a load that is no choice" 400 'load: true is not a string' PATCH $services/web '{"load": true}'
api "former owners that are no sets" 400 'former-owners' PATCH $services/web '{"former-owners": {"198.18.1.11:80": 1}}'
api "former owners twice in a set" 400 'one is twice in a set' PATCH $services/web \
	'{"former-owners": [[{"address": "198.18.1.11"}, {"address": "198.18.1.11:80"}]]}'
api "a former owner without an address" 400 'address' PATCH $services/web '{"former-owners": [[{"weight": 1}]]}'
api "former owners of three times before" 400 'former-owners' PATCH $services/web \
	'{"former-owners": [[{"address": "198.18.1.11"}], [{"address": "198.18.1.12"}], [{"address": "198.18.1.13"}]]}'
api "a roll-out where there is no fleet" 404 'there is no fleet' POST /v1/rollout "$config"
api "a driver that is not in the directory" 400 'scale-driver.*not in the directory' PATCH $services/web \
	'{"scale-driver": "/bin/sh -c true"}'
api "an autoscaler of nobody" 404 'nope' GET $services/nope/scale
api "a webhook without alerts" 400 'alerts: missing' POST /v1/scale/webhook '{}'
api "an alert for a service without an autoscaler" 400 'no autoscaler' POST /v1/scale/webhook \
	'{"alerts": [{"status": "firing", "labels": {"service": "web", "scale": "up"}}]}'
api "an alert for nobody" 400 'no label service' POST /v1/scale/webhook \
	'{"alerts": [{"status": "firing", "labels": {"scale": "up"}}]}'
api "a configuration without services" 400 'services: missing' PUT /v1/config '{}'
api "a configuration with an unknown key" 400 'unknown key "flows"' PUT /v1/config '{"services": [], "flows": 1}'
api "a configuration whose second service is bad" 400 'services\[1\]' PUT /v1/config \
	'{"services": [{"name": "a", "vip": "tcp://198.18.0.12:80"}, {"vip": "tcp://198.18.0.13:80"}]}'
api "a configuration that is no JSON" 400 'line 1' PUT /v1/config '{'
api "a plan of nothing" 400 'empty' POST /v1/plan ''
api "a limit that is no percentage" 400 'not a percentage' PUT "/v1/config?max-disruption=much" "$config"
api "a limit over 100%" 400 'not a percentage' PUT "/v1/config?max-disruption=101%25" "$config"
api "a dry run, perhaps" 400 'dry-run' DELETE "$services/web?dry-run=perhaps"
api "steps without a limit" 400 'what limit' PUT "/v1/config?stage=true" "$config"
api "a configuration of somebody else's" 412 'somebody else' PUT \
	"/v1/config?stage=true&max-disruption=1%25&if-digest=0" "$config"
api "a duplicate VIP" 409 'web' POST $services '{"name": "x", "vip": ["tcp://198.18.0.10:80"]}'
api "a duplicate name" 409 'web' POST $services '{"name": "web", "vip": ["tcp://198.18.0.11:80"]}'
api "an explanation of nothing" 400 'protocol' GET /v1/explain
api "an explanation without a destination" 400 'destination' GET \
	'/v1/explain?proto=tcp&src=203.0.113.7:1'
api "an unknown service" 404 'nope' GET $services/nope
api "an unknown backend" 404 '198.18.1.77' DELETE $services/web/backends/198.18.1.77:80
api "an unknown path" 404 '.' GET /v1/nothing
api "a method that a path does not know" 405 '.' PUT $services '{}'
api "a reload with arguments" 400 'unknown key' POST /v1/sources '{"x": 1}'
api "withdrawing what is not announced" 400 'announces no VIPs' PATCH /v1/announce '{"withdrawn": true}'
api "withdrawn as a text" 400 'withdrawn is not true or false' PATCH /v1/announce '{"withdrawn": "yes"}'
api "withdrawn left out" 400 'withdrawn is missing' PATCH /v1/announce '{}'
api "another word of announce" 400 'unknown key' PATCH /v1/announce '{"table": 7}'
api "renaming" 400 'name' PATCH $services/web '{"name": "shop"}'
api "a body over 1 MiB" 413 '.' POST $services "$(head -c 1200000 /dev/zero | tr '\0' x)"
check_equal "API: the TCP listener is read-only" 403 "$(lab_exec lb curl -s -o /dev/null \
	-w '%{http_code}' -X DELETE "http://127.0.0.1:9480$services/web")"
check_equal "API: the TCP listener answers reads" 200 "$(lab_exec lb curl -s -o /dev/null \
	-w '%{http_code}' "http://127.0.0.1:9480$services")"
check "after all that, the state is as it was" unchanged
promise "bad input: of $inputs, those not refused clearly or that changed anything" 0 "$CHECKS_FAILED"
check "and the agent lives" lab_running lbagent

# --- a limit: as many VIPs as it says, though mode nat has keys of its own in their map ---

in_sync() {
	lbctl --json status | jq -e '."in-sync"'
}

lab_agent_stop || exit 1
lab_agent_start --max-vips 3 || bail "an agent with room for 3 VIPs starts"
check "3 VIPs of at most 3, one of mode nat, are served" lab_wait_up web
check "and all of it is in the data plane" in_sync
before=$(lbctl --json show) file_before=$(sha256sum "$LAB_DIR"/state/*)
cli 1 'source-deny: .*nobody' set service web --source-deny 198.18.2.0/24,nobody
cli 1 'source-allow: /none: No such file' set service web --source-allow /none
cli 1 'source-prefix-ipv4: 33 is out of range' set service web --source-prefix-ipv4 33
cli 1 'max-new-flows: 1000000001 is out of range' set service web --max-new-flows 1000000001
cli 1 'announce-min: neither a number' set service web --announce-min most
cli 1 'announce-min: neither a number' set service web --announce-min 101%
cli 1 'second-chance: only GUE' set service web --second-chance on
cli 1 'second-chance: there is no' set service web --second-chance yes
echo "$config" >"$LAB_DIR/nothing.json"
cli 1 'there is no fleet' rollout begin 1 -f "$LAB_DIR/nothing.json"
cli 2 'file' rollout begin
cli 1 'there is no fleet' rollout show
cli 1 'there is no fleet' rollout abort
cli 1 'announces no VIPs' withdraw
cli 2 'neither bird nor frr' bgp-config --for quagga
cli 2 'as is missing' bgp-config --for bird
cli 2 'peer: nobody' bgp-config --for bird --as 1 --peer-as 2 --peer nobody --router-id 198.18.0.1
cli 2 'no IPv4 address' bgp-config --for bird --as 1 --peer-as 2 --peer 198.18.0.2 --router-id 2001:db8::1
cli 2 'FRR takes no IPv6' bgp-config --for frr --as 1 --peer-as 2 --peer 2001:db8::2 --router-id 198.18.0.1
cli 1 'announces no VIPs' bgp-config --for frr --as 1 --peer-as 2 --peer 198.18.0.2 --router-id 198.18.0.1
cli 2 'FRR takes none above' bgp-config --for frr --as 1 --peer-as 2 --peer 198.18.0.2 --router-id 198.18.0.1 --table 300
cli 1 'do not agree' fleet "$LAB_DIR/none.sock" "$LAB_SOCKET"
cli 1 'max-vips' add service x --vip tcp://198.18.0.11:80
checks_done

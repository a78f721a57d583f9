#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many changes at once: export, apply, what is refused, and lbagent --check.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=3
lab_up || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
file=$LAB_DIR/sluice.json

generation() {
	lbctl --json status | jq .generation
}

# who URL: the name of who answers
who() {
	lab_curl -H "$LAB_FRESH" "$1/" 2>&1 | tr -d '\n'
}

# --- from nothing ---

cat >"$file" <<JSON
{"services": [
  {"name": "web", "vip": ["tcp://$LAB_VIP4:80"], "check-interval": "500ms",
   "backends": [{"address": "198.18.1.12"}, {"address": "198.18.1.11", "weight": 2}]},
  {"name": "api", "vip": ["tcp://198.18.0.11:80", "tcp://198.18.0.11:81"],
   "backends": [{"address": "198.18.1.13:80"}]}
]}
JSON
check_matches "a dry run says what is new" '^\+ api  service added, with 1 backend$' \
	"$(lbctl apply -f "$file" --dry-run)"
check_equal "and changes nothing" '{"services":[]}' "$(lbctl --json export | jq -c .)"
check_matches "apply prints the difference" '^\+ web  service added, with 2 backends$' \
	"$(lbctl apply -f "$file")"
check_equal "in one generation" 1 "$(generation)"
lab_wait_up web || bail "web comes up"
lab_wait_up api || bail "api comes up"
check_matches "web answers" '^b[12]$' "$(who "$LAB_URL4")"
check_equal "api answers" b3 "$(who http://198.18.0.11:81)"

# --- there and back ---

lbctl export >"$LAB_DIR/export"
check_equal "export, in the order of names and addresses" "$(
	cat <<-JSON
		{"services": [
		  {"name": "api",
		   "vip": ["tcp://198.18.0.11:80","tcp://198.18.0.11:81"],
		   "backends": [
		    {"address":"198.18.1.13:80"}
		   ]},
		  {"name": "web",
		   "vip": ["tcp://$LAB_VIP4:80"],
		   "check-interval": "500ms",
		   "backends": [
		    {"address":"198.18.1.11:80","weight":2},
		    {"address":"198.18.1.12:80"}
		   ]}
		]}
	JSON
)" "$(cat "$LAB_DIR/export")"
check_equal "applied again, it is no difference" "no difference" "$(lbctl apply -f "$LAB_DIR/export")"
check_equal "nor is the file that it came from" "no difference" "$(lbctl apply -f "$file")"
check_equal "and the generation is the same" 1 "$(generation)"
check_equal "so is the export, byte for byte" "$(cat "$LAB_DIR/export")" "$(lbctl export)"
check_equal "lbagent takes it as well" "$LAB_DIR/export: ok: 2 services, 3 backends" \
	"$("$LAB_BUILD/lbagent" --check "$LAB_DIR/export")"

# --- a change ---

before=$(lab_total web new-flows)
jq '(.services[] | select(.name == "web")) |= (.rise = 3 | .backends =
	[{"address": "198.18.1.11:80", "weight": 5}, {"address": "198.18.1.13:80"}])
	| del(.services[] | select(.name == "api"))' "$LAB_DIR/export" >"$LAB_DIR/changed"
check_equal "the difference, field by field" "$(
	cat <<-'TEXT'
		- api  service removed, with 1 backend
		~ web  rise 2 -> 3
		  ~ 198.18.1.11:80  weight 2 -> 5
		  - 198.18.1.12:80  drains, then goes
		  + 198.18.1.13:80
		applied, generation 2
	TEXT
)" "$(lbctl apply -f - <"$LAB_DIR/changed")"
check_equal "what left drains" removing "$(lab_backend web 198.18.1.12:80 .status)"
check "what stays keeps its counters" test "$(lab_backend web 198.18.1.11:80 '."new-flows"')" -le "$before"
check_equal "the service that is gone answers no more" 1 \
	"$(lab_curl --max-time 1 http://198.18.0.11:81/ >/dev/null 2>&1; echo $(($? != 0)))"
check_equal "a removal is no part of the export" 0 "$(lbctl export | grep -c 198.18.1.12)"
check_equal "to ask it back is a difference" "  ~ 198.18.1.12:80  stays after all" "$(
	jq '.services[0].backends += [{"address": "198.18.1.12:80"}]' "$LAB_DIR/changed" |
		lbctl apply -f - | grep 12:80
)"
check "all that was there comes back" lbctl apply -f "$LAB_DIR/export"
lab_wait_up api || bail "api comes back"
check_equal "and the export is what it was" "$(cat "$LAB_DIR/export")" "$(lbctl export)"
lab_agent_kill
lab_agent_start || exit 1
check_equal "over a restart, too" "$(cat "$LAB_DIR/export")" "$(lbctl export)"

# --- a VIP passes from one service to another under load ---

# Whatever of the VIP came to the host would be answered by this.
lab_spawn lb host "$LAB_BUILD/hello" --name host --listen 80
lab_wait_up web
jq '(.services[] | select(.name == "web").name) = "site"' "$LAB_DIR/export" >"$LAB_DIR/renamed"
lab_wrk -t1 -c8 -d4s -H "$LAB_FRESH" "$LAB_URL4/" -- 0 2 >"$LAB_DIR/wrk" &
load=$!
served_some() {
	[ "$(lab_backend web 198.18.1.11:80 '."new-flows"')" -ge 20 ]
}
wait_until 5 served_some
check "a service gets another name" lbctl apply -f "$LAB_DIR/renamed"
lab_wait_up site
wait "$load"
check_matches "clients were served meanwhile" '^served b[12] [1-9]' "$(cat "$LAB_DIR/wrk")"
check_equal "and never by the host, which owns the address" 0 "$(lab_served "$LAB_DIR/wrk" host)"
check_matches "the new service serves" '^b[12]$' "$(who "$LAB_URL4")"

# --- in steps, under load: no request may fail ---

lab_wrk -t1 -c12 -d5s "$LAB_URL4/" -- 0 5 >"$LAB_DIR/wrk" &
load=$!
flows_counted() {
	[ "$(lab_total site active-flows)" -ge 12 ]
}
check "twelve connections are counted" wait_until 4 flows_counted
jq '(.services[] | select(.name == "site").backends) = [{"address": "198.18.1.13:80"}]' \
	"$LAB_DIR/renamed" >"$LAB_DIR/replaced"
lbctl apply -f "$LAB_DIR/replaced" --max-disruption 0% --stage 100ms >"$LAB_DIR/steps" 2>&1
check_equal "all backends are replaced in steps" 0 $?
check_matches "a new one comes first" '^  \+ 198.18.1.13:80' "$(sed -n '/^step 1,/,/^step 2,/p' "$LAB_DIR/steps")"
check_matches "then the old ones drain" '^  ~ 198.18.1.11:80  state up -> drain' \
	"$(sed -n '/^step 2,/,/^step 3,/p' "$LAB_DIR/steps")"
check_matches "for as long as they have flows" 'waits for [0-9]+ flows of backends' "$(cat "$LAB_DIR/steps")"
wait "$load"
check_equal "no request has failed" 0 "$(lab_errors "$LAB_DIR/wrk")"
check_equal "the new one serves" b3 "$(who "$LAB_URL4")"

# --- bad files ---

before=$(lbctl export)
# refused PATTERN FILE-TEXT
refused() {
	local output
	output=$(lbctl apply -f - <<<"$2" 2>&1)
	check_equal "refused: $1" 1 $?
	check_matches "it says so" "$1" "$output"
	check_equal "nothing has changed" "$before" "$(lbctl export)"
	printf '%s\n' "$2" >"$LAB_DIR/bad.json"
	check_matches "lbagent --check says so too" "$1" \
		"$("$LAB_BUILD/lbagent" --check "$LAB_DIR/bad.json" 2>&1)"
}

refused 'line 1, column 15' '{"services": [}'
refused 'unknown key "colour"' '{"services": [{"name": "a", "vip": "tcp://198.18.0.12:80", "colour": 1}]}'
refused 'services\[1\]: service: name is missing' \
	'{"services": [{"name": "a", "vip": "tcp://198.18.0.12:80"}, {"vip": "tcp://198.18.0.13:80"}]}'
refused 'VIP tcp://198.18.0.12:80 belongs to service a' \
	'{"services": [{"name": "a", "vip": "tcp://198.18.0.12:80"}, {"name": "b", "vip": "tcp://198.18.0.12:80"}]}'
refused 'is there already' \
	'{"services": [{"name": "a", "vip": "tcp://198.18.0.12:80", "backends": [{"address": "198.18.1.11"}, {"address": "198.18.1.11"}]}]}'
check_matches "no file" 'No such file' "$(lbctl apply -f "$LAB_DIR/none" 2>&1)"
check_equal "to check no file is a failure" 1 "$("$LAB_BUILD/lbagent" --check "$LAB_DIR/none" >/dev/null 2>&1; echo $?)"
check_matches "to check for room" 'no room for another backend: the limit is 2' \
	"$("$LAB_BUILD/lbagent" --check "$LAB_DIR/export" --max-backends 2 2>&1)"
check_equal "to check needs no rights" "$LAB_DIR/export: ok: 2 services, 3 backends" \
	"$(setpriv --reuid 65534 --regid 65534 --clear-groups "$LAB_BUILD/lbagent" --check /dev/stdin \
		<"$LAB_DIR/export" | sed "s|/dev/stdin|$LAB_DIR/export|")"

# --- several backends at once ---

check_matches "one bad backend, and none is added" 'not an IPv4 or IPv6 address' \
	"$(lbctl add backend site 198.18.1.77 198.18.1.300 2>&1)"
check_equal "none" "$before" "$(lbctl export)"
checks_done

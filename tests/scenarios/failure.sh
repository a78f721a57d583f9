#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# failure.sh [--short]   backends die one by one, by kill -9 and by a link that goes: for each an
#                        emergency backend is launched, so that the number is kept. Then they return,
#                        and the emergency backends are drained and stopped.
#
# hello on b1 to bN is the operator's; the autoscaler has as many spare hosts. Meanwhile clients ask,
# each request on a connection of its own.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/scenario.sh"

wanted=$(by_form 2 4)
LAB_BACKENDS=$((2 * wanted))
clients=4 each_second=20 # requests of a client
pause=$(by_form 0.5 4)   # from one thing to the next
grace_ms=250             # the clocks of clients, agent and this script may differ by so much

# How each of them dies.
death_of() {
	[ $(($1 % 2)) -eq 1 ] && echo kill || echo link
}

open_lab() {
	local i drivers=$LAB_TOP/drivers backends
	for ((i = 1; i <= wanted; i++)); do
		lab_backend_start $i hello || return
	done
	backends=$(seq -s ' ' "$wanted")
	lab_launcher "$(seq -s ' ' $((wanted + 1)) "$LAB_BACKENDS")"
	lab_agent_start --check-commands "$drivers" || return
	lab_service web "tcp://$LAB_VIP4:80" "$backends" --check http --check-path /health \
		--check-interval 200ms --check-timeout 1s --rise 2 --fall 3 --timeout-closing 2s ||
		return
	lbctl set service web --scale on --scale-min "$wanted" --scale-max "$wanted" \
		--scale-interval 1s --scale-window 1s --scale-replace-after "$(by_form 500ms 2s)" \
		--scale-pace 60 --scale-drain 5s \
		--scale-driver "$drivers/lab" --scale-driver "$LAB_DIR/launcher" >/dev/null
}

# --- clients, and what is written down ---

# One line a request: when it ended, in ms, its status (000: no answer), how long it took, in seconds,
# and what was wrong. curl tells on standard error, which it does not buffer; who reads it forks nobody,
# so as not to be late.
client() {
	local line
	while [ ! -e "$LAB_DIR/stop" ]; do
		lab_curl -o /dev/null --rate "$each_second/s" -H "$LAB_FRESH" \
			-w '%{stderr}%{http_code} %{time_total} %{errormsg}\n' "$LAB_URL4/?[1-$each_second]"
	done 2>&1 | while read -r line; do
		[[ $line = curl:* ]] || echo "$((${EPOCHREALTIME//[!0-9]/} / 1000)) $line"
	done >"$LAB_DIR/client.$1"
}

up_are() {
	[ "$(lbctl --json show web | jq '[.backends[] | select(.status == "up")] | length')" = "$1" ]
}

# Backends that are up, a few times a second, and the emergency ones among them: those are on the
# spare hosts.
watch_number() {
	while [ ! -e "$LAB_DIR/stop" ]; do
		lbctl --json show web | jq -r --arg ms "$(lab_now_ms)" --argjson wanted "$wanted" '
			[.backends[] | select(.status == "up")] |
			[$ms, length, (map(select((.address | split(":")[0][-1:] | tonumber) > $wanted)) |
			 length)] | @tsv'
		sleep 0.2
	done >"$LAB_DIR/number"
}

# event_ms KINDS BACKEND AFTER: when the first such event was, in ms since 1970
event_ms() {
	lbctl --json events --limit 1000 | jq -e --arg kinds "$1" --arg backend "$2" --argjson after "$3" '
		[.events[] | select(.kind | IN($kinds | splits(" "))) | select(.backend == $backend) |
		 (.time[:19] + "Z" | fromdate) * 1000 + (.time[20:23] | tonumber) |
		 select(. >= $after)] | min // empty'
}

# --- what happens to backends ---

hosts() {
	find "$LAB_DIR/launcher/hosts" -type f | wc -l
}

hosts_are() {
	[ "$(hosts)" = "$1" ]
}

stands_for() {
	lbctl --json scale web | jq -e --arg dead "$1" 'any(.launched[]; ."stands-for" == $dead)'
}

# die N: it dies; then the number is there again.
die() {
	local how began noticed
	how=$(death_of "$1")
	began=$(lab_now_ms)
	say "b$1 dies: $([ "$how" = kill ] && echo "kill -9" || echo "its link goes")"
	if [ "$how" = kill ]; then lab_backend_kill "$1"; else lab_backend_link "$1" down; fi
	check "b$1 ($how): it is noticed" wait_until 30 \
		event_ms "backend-down backend-no-neighbour" "198.18.1.1$1:80" "$began"
	noticed=$(event_ms "backend-down backend-no-neighbour" "198.18.1.1$1:80" "$began")
	check "b$1 ($how): an emergency backend is there" wait_until 60 hosts_are "$1"
	check "b$1 ($how): it stands for the dead one" stands_for "198.18.1.1$1:80"
	check "b$1 ($how): $wanted are up again" wait_until 60 up_are "$wanted"
	record "b$1" "$how" "$began" "${noticed:-$began}" "$(lab_now_ms)"
	sleep "$pause"
}

# come_back N: it returns; then a spare goes.
come_back() {
	local began returned
	began=$(lab_now_ms)
	say "b$1 returns"
	if [ "$(death_of "$1")" = kill ]; then
		lab_backend_start "$1" hello || bail "hello starts again on b$1"
	else
		lab_backend_link "$1" up
	fi
	check "b$1: it is up again" wait_until 30 event_ms backend-up "198.18.1.1$1:80" "$began"
	returned=$(event_ms backend-up "198.18.1.1$1:80" "$began")
	check "b$1: a spare is drained and stopped" wait_until 60 hosts_are $((wanted - $1))
	check "b$1: $wanted are up" wait_until 60 up_are "$wanted"
	record "b$1" return "$began" "${returned:-$began}" "$(lab_now_ms)"
	sleep "$pause"
}

# record BACKEND WHAT BEGAN NOTICED RESTORED, in ms since 1970
record() {
	local IFS=$'\t'
	echo "$*" >>"$LAB_DIR/happenings"
}

# --- what came of it ---

# Requests that failed, and the happening that excuses each: the death of a backend between whose
# moment and whose notice it was under way.
judge() {
	cat "$LAB_DIR"/client.* | sort -n >"$LAB_DIR/requests"
	awk -v grace="$grace_ms" 'BEGIN {FS = "\t"}
		NR == FNR {if ($2 != "return") {n++; name[n] = $1; from[n] = $3; to[n] = $4 + grace}; next}
		{
			split($0, word, " ")
			if (word[2] == 200)
				next
			why = "-"
			for (i = 1; i <= n; i++)
				if (word[1] >= from[i] && word[1] - word[3] * 1000 <= to[i])
					why = name[i]
			print why, $0
		}' "$LAB_DIR/happenings" "$LAB_DIR/requests" >"$LAB_DIR/failed"
}

# failed NAME: requests that failed by this backend's death; - for those that nothing excuses
failed() {
	awk -v name="$1" '$1 == name {n++} END {print n + 0}' "$LAB_DIR/failed"
}

# The series: seconds, backends up, emergency ones, requests and failures since the last line.
series() {
	awk 'BEGIN {FS = "[ \t]"; OFS = "\t"}
		NR == FNR {ended[++n] = $1; bad[n] = $2 != 200; next}
		{
			requests = failures = 0
			for (; at < n && ended[at + 1] <= $1; at++) {
				requests++
				failures += bad[at + 1]
			}
			first = first ? first : $1
			print ($1 - first) / 1000, $2, $3, requests, failures
		}' "$LAB_DIR/requests" "$LAB_DIR/number"
}

report() {
	local name how began noticed restored total count
	total=$(wc -l <"$LAB_DIR/requests")
	while IFS=$'\t' read -r name how began noticed restored; do
		count=0
		[ "$how" = return ] || count=$(failed "$name")
		jq -cn --arg backend "$name" --arg what "$how" --argjson noticed $((noticed - began)) \
			--argjson restored $((restored - began)) \
			--argjson failed "$count" \
			'{$backend, $what, noticed_ms: $noticed, restored_ms: $restored, failed_requests: $failed}'
	done <"$LAB_DIR/happenings" | jq -s --argjson wanted "$wanted" --argjson requests "$total" \
		--argjson failed "$(wc -l <"$LAB_DIR/failed")" --argjson otherwise "$(failed -)" \
		'{$wanted, $requests, $failed, failed_otherwise: $otherwise, happenings: .}' | report_json
	series | report_lines "$wanted backends are wanted, and die one by one" \
		"$(printf 'backends up\tof these, emergency ones\trequests\tfailed requests')"
	{
		jq -r '["backend", "what", "noticed ms", "restored ms", "failed requests"],
			(.happenings[] | [.[]]) | @tsv' "$SCENARIO_REPORT.json" | report_table
		echo
		echo "$total requests, a connection each; $(wc -l <"$LAB_DIR/failed") failed, $(failed -)" \
			"of them at other times than between a death and its notice."
	} | report_text "backends die one by one, and are replaced"
}

lab_up || exit 1
open_lab || bail "the lab opens"
scenario_page
for ((i = 0; i < clients; i++)); do
	client $i &
done
watch_number &
sleep "$pause"
for ((i = 1; i <= wanted; i++)); do
	die $i
done
say "All of the first are dead: the emergency backends serve."
for ((i = 1; i <= wanted; i++)); do
	come_back $i
done
touch "$LAB_DIR/stop"
wait

judge
check_between "clients were served all the while" $((wanted * clients * each_second)) 1000000 \
	"$(grep -c ' 200 ' "$LAB_DIR/requests")"
check_equal "no request failed but between a death and its notice" "" "$(grep '^-' "$LAB_DIR/failed")"
check_equal "each death was replaced once, each return retired one" "$wanted $wanted" \
	"$(lbctl --json events --limit 1000 | jq -r '[.events[].kind] |
		"\(map(select(. == "scale-replace")) | length) \(map(select(. == "scale-retire")) | length)"')"
left=
for ((i = wanted + 1; i <= LAB_BACKENDS; i++)); do
	left+=$(ip netns pids "$LAB-b$i")
done
check_equal "nothing is left running on the spare hosts" "" "$left"
check_equal "and nothing in the autoscaler's books" "[]" "$(lbctl --json scale web | jq -c .launched)"
report
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What /metrics says is what was sent: held against the client's own kernel, in both formats.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
LAB_CONNECTIONS=40
vip=http://$LAB_VIP4

scrape() {
	lab_exec lb curl -sS --max-time 10 http://127.0.0.1:9480/metrics "$@"
}

# sum NAME [LABELS]: of all series called so that have these labels.
sum() {
	scrape | awk -v name="$1" -v labels="${2:-}" '
		index($1, name "{") == 1 && index($1, labels) || $1 == name {n += $2}
		END {printf "%.0f", n}'
}

at_least() {
	[ "$(sum "$1" "$2")" -ge "$3" ]
}

# sent: packets and bytes that the client's kernel has sent as TCP, by its own count, Ethernet
# headers added.
sent() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_exec client sh -c '
		awk '\''
			$1 == "Tcp:" && !tcp {split($0, name); tcp = 1; next}
			$1 == "Tcp:" {for (i = 2; i <= NF; i++) value[name[i]] = $i}
			$1 == "IpExt:" && !ip {split($0, ext); ip = 1; next}
			$1 == "IpExt:" {for (i = 2; i <= NF; i++) value[ext[i]] = $i}
			END {
				packets = value["OutSegs"] + value["RetransSegs"]
				print packets, value["OutOctets"] + 14 * packets
			}'\'' /proc/net/snmp /proc/net/netstat'
}

visit() {
	local i
	for ((i = 0; i < $1; i++)); do
		lab_curl -o /dev/null -H "$LAB_FRESH" "$vip/" || return
	done
}

# Every series of a page, by its name and labels.
series() {
	grep -v '^#' | sed 's/ [^ ]*$//' | sort
}

# lived: of each metric of a page its name, type and labels, as its first sample has them, without a
# histogram's own; "none" where there is no sample, as of an autoscaler.
lived() {
	awk '
		$2 == "TYPE" {name = $3; type[name] = $4}
		!/^#/ && !(name in labels) {
			labels[name] = ""
			text = $0
			while (match(text, /[{,][a-z]+="/)) {
				label = substr(text, RSTART + 1, RLENGTH - 3)
				text = substr(text, RSTART + RLENGTH)
				if (label != "le")
					labels[name] = labels[name] (labels[name] ? "," : "") label
			}
		}
		END {for (name in type) print name, type[name], name in labels ? labels[name] : "none"}' |
		sort
}

# documented FILE: the same as docs/metrics.md says; what FILE has no sample of has no labels here
# either.
documented() {
	awk -F ' *[|] *' '
		$2 == "metric" {on = 1; next}
		!/^\|/ {on = 0}
		on && !/^\|[-|: ]*$/ {gsub(/[` ]/, ""); print $2, $3, $4}' "$LAB_TOP/docs/metrics.md" |
		awk 'NR == FNR {if ($3 == "none") mute[$1]; next} $1 in mute {$3 = "none"} {print}' "$1" - |
		sort
}

lab_up || exit 1
for i in 1 2; do
	lab_backend_start $i hello || exit 1
done
lab_agent_start --handshake-sample 1 --announce-table 100 || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "the service comes up"

# --- counts ---

read -r packets bytes < <(sent)
visit $LAB_CONNECTIONS || bail "the service answers"
# a connection ends with the client's last packet, which may be on its way
settled() {
	local before after
	read -r before _ < <(sent)
	sleep 0.1
	read -r after _ < <(sent)
	[ "$before" -eq "$after" ]
}
check "the client has nothing more to say" wait_until 10 settled
read -r packets_after bytes_after < <(sent)
check_equal "packets to the VIP: as many as the client has sent" $((packets_after - packets)) \
	"$(sum lb_service_packets_total)"
check_equal "and bytes" $((bytes_after - bytes)) "$(sum lb_service_bytes_total)"
check_equal "backends got them all" $((packets_after - packets)) "$(sum lb_backend_packets_total)"
check_equal "new flows: one a connection" $LAB_CONNECTIONS "$(sum lb_backend_new_flows_total)"
check_equal "nothing was dropped" 0 "$(sum lb_drops_total)"
check_equal "every handshake was timed" $LAB_CONNECTIONS "$(sum lb_backend_handshake_seconds_count)"
check_equal "none took a second" $LAB_CONNECTIONS \
	"$(sum lb_backend_handshake_seconds_bucket 'le="1.0"')"
for i in 1 2; do
	check_equal "b$i: the API counts as many handshakes" \
		"$(sum lb_backend_handshake_seconds_count "backend=\"198.18.1.1$i:80\"")" \
		"$(lab_backend web 198.18.1.1$i:80 .handshake.count)"
done
check_matches "lbctl show has how long half of them took" 'WAIT-P50.*WAIT-P95' "$(lbctl show web)"
check "checks are counted and timed" wait_until 5 at_least \
	lb_health_check_duration_seconds_count 'check="tcp"' 4

# --- a wait that is known: a lost SYN is sent again after a second ---

lbctl add service late --vip "tcp://$LAB_VIP4:81" --check none >/dev/null
lbctl add backend late 198.18.1.11:80 >/dev/null
lab_wait_up late
lab_curl -o /dev/null "$vip:81/" || bail "the second service answers"
lab_backend_link 1 down
lab_curl -o /dev/null "$vip:81/" &
client=$!
check "a SYN is lost" wait_until 5 at_least lb_backend_new_flows_total 'service="late"' 2
lab_backend_link 1 up
wait $client || bail "the repeated SYN is answered"
check_equal "the repeated SYN is counted" 1 "$(sum lb_backend_syn_retransmits_total 'service="late"')"
late() {
	scrape | grep -F 'lb_backend_handshake_seconds_bucket{service="late"' | grep -F "le=\"$1\"" | awk '{print $2}'
}
check_equal "of two handshakes one took less than a second" 1 "$(late 1.0)"
check_equal "the other one and a little more" 2 "$(late 2.5)"

# --- drops ---

lbctl set backend web 198.18.1.11:80 --state maint >/dev/null
lbctl set backend web 198.18.1.12:80 --state maint >/dev/null
read -r packets _ < <(sent)
lab_curl -o /dev/null --max-time 0.5 "$vip/" 2>/dev/null && not_ok "nobody is there to answer"
check "the client has given up" wait_until 10 settled
read -r packets_after _ < <(sent)
check_equal "every packet to nobody is a drop, by reason" $((packets_after - packets)) \
	"$(sum lb_drops_total 'reason="no_backend"')"
check_equal "and no other reason has one" $((packets_after - packets)) "$(sum lb_drops_total)"
lbctl set backend web 198.18.1.11:80 --state up >/dev/null
lbctl set backend web 198.18.1.12:80 --state up >/dev/null
lab_wait_up web

# --- formats ---

text=$(scrape -D "$LAB_DIR/text.head")
open=$(scrape -D "$LAB_DIR/open.head" -H 'Accept: application/openmetrics-text; version=1.0.0')
check "promtool finds no fault" promtool check metrics <<<"$text"
check_matches "by default it is Prometheus' text format" '^Content-Type: text/plain; version=0.0.4' \
	"$(cat "$LAB_DIR/text.head")"
check_matches "whoever prefers OpenMetrics gets it" \
	'^Content-Type: application/openmetrics-text; version=1.0.0' "$(cat "$LAB_DIR/open.head")"
check_equal "its last line says that it is whole" "# EOF" "$(tail -n 1 <<<"$open")"
check_equal "its series are the same" "$(series <<<"$text")" "$(series <<<"$open")"

# --- what the program costs, over a restart ---

check "the kernel's statistics are on" lab_count_runs
read -r packets _ < <(sent)
visit 10
read -r packets_after _ < <(sent)
runs=$(sum lb_program_runs_total)
check "the program ran for each packet" [ "$runs" -ge $((packets_after - packets)) ]
check_between "in some nanoseconds each" 20 100000 $(($(
	scrape | awk '/^lb_program_run_seconds_total/ {printf "%.0f", $2 * 1e9}'
) / runs))
scrape | lived >"$LAB_DIR/lived"
check_equal "now there is all that docs/metrics.md tells of, of the type and with the labels" \
	"$(documented "$LAB_DIR/lived")" "$(cat "$LAB_DIR/lived")"
before=$(sum lb_program_runs_total)
handshakes=$(sum lb_backend_handshake_seconds_count)
lab_agent_kill
# With no more capabilities than systemd's unit gives it.
cat >"$LAB_DIR/agent" <<-AGENT
	#!/bin/sh
	exec setpriv --bounding-set=-sys_admin "$LAB_BUILD/lbagent" "\$@"
AGENT
chmod +x "$LAB_DIR/agent"
LAB_AGENT=$LAB_DIR/agent lab_agent_start --handshake-sample 1 --announce-table 100 || exit 1
check_equal "with no more rights than those it writes routes" 0 "$(lab_exec lb ip route show table 100 | grep -cv unreachable)"
check "a new agent's program goes on counting where the former was" \
	[ "$(sum lb_program_runs_total)" -ge "$before" ]
check_equal "and handshakes stay" "$handshakes" "$(sum lb_backend_handshake_seconds_count)"
visit 10
check "and both go on" [ "$(sum lb_program_runs_total)" -gt "$before" ]
check_equal "handshakes by each" $((handshakes + 10)) "$(sum lb_backend_handshake_seconds_count)"
checks_done

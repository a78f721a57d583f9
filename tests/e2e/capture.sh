#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packets captured by lbctl and read by tshark: in every mode, as they come in and as they leave,
# with what became of them. Filters are exact, nobody waits for a reader that does not read, and no
# capture goes on for ever. What was dropped is known afterwards, too.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=2
command -v tshark >/dev/null || bail "tshark is there: tests/lab/deps.sh installs it"
lab_up || exit 1
for i in 1 2; do
	lab_backend_start "$i" || exit 1
done
printf 'operator a-secret-for-this-test-only\n' >"$LAB_DIR/tokens" && chmod 600 "$LAB_DIR/tokens"
lab_agent_start --token-file "$LAB_DIR/tokens" || exit 1
file=$LAB_DIR/capture.pcapng

# --- reading ---

columns=(frame.interface_name frame.comment frame.packet_id frame.cap_len frame.len eth.dst ip.src
	ip.dst ip.proto tcp.srcport udp.dstport icmp.type ip.checksum.status tcp.checksum.status)

# read_file: tshark's view of $file as a table, a line a frame
read_file() {
	local column arguments=()
	for column in "${columns[@]}"; do
		arguments+=(-e "$column")
	done
	tshark -r "$file" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -T fields \
		-E separator=/t -E occurrence=a -E aggregator=+ "${arguments[@]}" \
		>"$LAB_DIR/table" 2>"$LAB_DIR/tshark.log"
}

# look CONDITION [EXPRESSION]: of frames in the table, those that an awk condition holds for
look() {
	awk -F '\t' "{
			face = \$1; note = \$2; id = \$3; kept = \$4; long = \$5; mac = \$6; src = \$7
			dst = \$8; proto = \$9; port = \$10; udp = \$11; icmp = \$12; ipsum = \$13; tcpsum = \$14
		} ${1:-1} {print ${2:-\$0}}" "$LAB_DIR/table"
}

count() {
	look "$1" | wc -l
}

in='face == "eth0 in"'
out='face == "eth0 out"'

# --- capturing ---

capturing() {
	[ -s "$file" ]
}

# capture_start ARG...: into $file, in the background; returns when packets are captured
capture_start() {
	rm -f "$file"
	lab_spawn lb capture "$LAB_BUILD/lbctl" --socket "$LAB_SOCKET" --json capture -w "$file" "$@"
	wait_until 10 capturing || lab_fail "capture $*: $(cat "$LAB_DIR/capture.log")"
}

# The agent knows that its client is gone.
capture_over() {
	lbctl --json events |
		jq -e '[.events[] | select(.kind | startswith("capture-"))] | last.kind == "capture-ended"'
}

# capture_end [SIGNAL]: by Ctrl-C; the table is that of the file then
capture_end() {
	lab_end capture "${1:-INT}" && wait_until 10 capture_over && read_file
}

requests() {
	local i
	for ((i = 0; i < $1; i++)); do
		lab_curl -o /dev/null -H "$LAB_FRESH" "$LAB_URL4/" || return
	done
}

# --- every mode ---

# try MODE: what a request looks like
try() {
	local mode=$1 leaves
	[ "$mode" = nat ] || lab_nodes_up --mode "$mode" >/dev/null || bail "lbnode prepares for $mode"
	lab_service web "tcp://$LAB_VIP4:80" "1 2" --mode "$mode" || bail "$mode: the service comes up"
	capture_start web || bail "$mode: a capture begins"
	requests 2 || bail "$mode: requests are answered"
	capture_end || bail "$mode: the capture ends"
	check_equal "$mode: two interfaces, in and out" "eth0 in eth0 out" \
		"$(look 1 face | sort -u | xargs)"
	check "$mode: there are packets" [ "$(count "$in")" -ge 10 ]
	check_equal "$mode: each is there as it came in and as it left" "$(count "$in")" "$(count "$out")"
	check_equal "$mode: both have one ID" 0 "$(look 1 id | sort | uniq -c | awk '$1 != 2' | wc -l)"
	check_equal "$mode: the comment tells verdict, service, VIP and backend" 0 \
		"$(look 1 note | grep -Evc \
			"^verdict=(forward|return) service=web vip=tcp://$LAB_VIP4:80 backend=198.18.1.1[12]:80\$")"
	check_equal "$mode: IP checksums are right, inner and outer" 0 "$(count 'ipsum !~ /^1([+]1)?$/')"
	check_equal "$mode: TCP checksums are right" 0 "$(count "$([ "$mode" = gue ] && echo "$in &&") tcpsum != 1")"
	case $mode in # what leaves for b1
	nat) leaves='dst == "198.18.1.11"' ;;
	l2) leaves="dst == \"$LAB_VIP4\" && mac == \"$(ip -n "$LAB-b1" -j link show eth0 | jq -r ".[0].address")\"" ;;
	ipip) leaves="dst == \"198.18.1.11+$LAB_VIP4\" && proto == \"4+6\"" ;;
	gue) leaves='dst == "198.18.1.11" && udp == 6080' ;;
	esac
	check_equal "$mode: what leaves for a backend has its headers" \
		"$(count "$out && note ~ /forward.*198.18.1.11/")" "$(count "$out && $leaves")"
	check_equal "$mode: what comes in from the client has not" "$(count "$in && note ~ /forward/")" \
		"$(count "$in && src == \"198.18.0.2\" && dst == \"$LAB_VIP4\"")"
	[ "$mode" != nat ] || check "$mode: replies are there, translated back to the client" [ "$(count \
		"$out && note ~ /return/ && src == \"$LAB_VIP4\" && dst == \"198.18.0.2\"")" -ge 4 ]
	lbctl rm service web >/dev/null
	[ "$mode" = nat ] || lab_nodes_down >/dev/null || bail "lbnode takes $mode back"
}

for mode in nat l2 ipip gue; do
	try "$mode"
done

# --- filters ---

lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "service web comes up"
lab_service other "tcp://198.18.0.11:80" "1 2" || bail "service other comes up"
lab_service six "tcp://[$LAB_VIP6]:80" "1 2" || bail "service six comes up"
lbctl add service none --vip tcp://198.18.0.12:80 >/dev/null
ip -n "$LAB-client" address add 198.18.0.77/32 dev eth0

# Two connections to each service, by two clients to web; one to a service without backends; pings
# of a VIP and of the balancer's own address.
traffic() {
	lab_exec client bash -c "
		get() { curl -sS --max-time 5 -o /dev/null \"\$@\"; }
		for i in 1 2; do
			get $LAB_URL4/ && get --interface 198.18.0.77 $LAB_URL4/ &&
				get http://198.18.0.11/ && get '$LAB_URL6/' || exit
		done
		! curl -sS --max-time 0.3 http://198.18.0.12/ 2>/dev/null
		ping -qn -c 2 -i 0.05 -W 2 $LAB_VIP4 && ping -qn -c 2 -i 0.05 -W 2 198.18.0.1" >/dev/null
}

# flows: what the capture has of clients' connections, by their ports
flows() {
	look "$in && note ~ /forward/" 'note port' | sed 's/.*service=//; s/ .*:80/ /' | sort -u |
		awk '{n[$1]++} END {for (s in n) print s, n[s]}' | sort | xargs
}

# filtered NAME CONDITION FLOWS ARG...: of traffic, a capture filtered by ARG has only frames for
# which the condition holds, of so many connections.
filtered() {
	local name=$1 condition=$2 flows=$3
	shift 3
	capture_start "$@" || bail "filtered by $name: a capture begins"
	traffic || bail "filtered by $name: there is traffic"
	capture_end || bail "filtered by $name: the capture ends"
	check "filtered by $name: there are frames" [ "$(count 1)" -gt 0 ]
	check_equal "filtered by $name: there are no others" "" "$(look "!($condition)")"
	check_equal "filtered by $name: all connections are there" "$flows" "$(flows)"
}

filtered "nothing" 'note !~ /verdict=pass/' "other 2 six 2 web 4"
check_equal "what has a verdict of its own is there" "drop echo forward return" \
	"$(look 1 note | sed 's/verdict=//; s/ .*//' | sort -u | xargs)"
check_equal "what is dropped does not leave" 0 "$(count "$out && note ~ /drop/")"
check_equal "an answered ping is there as a request" 2 "$(count "$in && note ~ /echo/ && icmp == 8")"
check_equal "and as its reply" 2 "$(count "$out && note ~ /echo/ && icmp == 0")"
filtered "a VIP" 'note ~ /vip=tcp:\/\/198.18.0.11:80 /' "other 2" --vip tcp://198.18.0.11:80
filtered "a VIP of IPv6" 'note ~ / service=six /' "six 2" --vip "tcp://[$LAB_VIP6]:80"
filtered "a client" 'src == "198.18.0.77" || dst == "198.18.0.77" || src == "198.18.0.1" || dst == "198.18.0.1"' \
	"web 2" --client 198.18.0.77
filtered "clients of a prefix, and a verdict" 'note ~ /verdict=forward / && src != ""' "other 2 web 4" \
	--client 198.18.0.0/24 --verdict forward
filtered "a drop reason" "$in && note == \"verdict=drop reason=no_backend service=none vip=tcp://198.18.0.12:80: the service has no backend that is up\"" \
	"" --reason no_backend
filtered "what is not for a VIP" "$in && note == \"verdict=pass\"" "" --verdict pass
check_equal "such as pings of the balancer itself" 2 "$(count 'icmp == 8 && dst == "198.18.0.1"')"
capture_start web 198.18.1.11 && requests 8
capture_end || bail "filtered by a backend"
check_equal "filtered by a backend: there are no others" 0 \
	"$(count 'note !~ /service=web .* backend=198.18.1.11:80$/')"
check "filtered by a backend: both directions are there" \
	[ "$(count "$in && note ~ /forward/")" -gt 0 -a "$(count "$out && note ~ /return/")" -gt 0 ]

# --- how much ---

lbctl capture web -w "$file" --limit 7 2>"$LAB_DIR/out" &
pid=$!
wait_until 10 capturing && requests 3
wait "$pid"
check_equal "a capture of 7 packets ends by itself" 0 $?
wait_until 10 capture_over && read_file
check_equal "it has 7, each as it left, too" "7 7" "$(count "$in") $(count "$out")"
check_equal "and says so" "7 packets captured, in 14 frames; 0 lost" "$(cat "$LAB_DIR/out")"

begin=$(lab_now_ms)
check "a capture for a time ends by itself" lbctl capture -w "$file" --for 300ms
check_between "when it is up (ms)" 300 5000 $(($(lab_now_ms) - begin))
wait_until 10 capture_over

# metric NAME: the sum of its series
metric() {
	lab_api GET /metrics | awk -v name="$1" 'index($1, name) == 1 {n += $2} END {print n + 0}'
}

forwarded() {
	lbctl --json show web | jq .packets
}

capture_start web --snaplen 60 --sample 1/4 --verdict forward
before=$(forwarded)
lab_wrk -t1 -c4 -d20s -H "$LAB_FRESH" "$LAB_URL4/" -- 300 >/dev/null
total=$(($(forwarded) - before))
capture_end || bail "a sampled capture"
check_equal "no frame is longer than the snaplen, and each keeps its length" 0 \
	"$(count 'kept != (long < 60 ? long : 60)')"
# Of n packets a quarter: give or take 6 standard deviations.
check_between "of $total packets a quarter is sampled" $((total / 4 - 6 * total / 60)) \
	$((total / 4 + 6 * total / 60)) "$(count "$in")"

# --- by whom ---

capture_start web
check_matches "a second capture is told of the first" \
	'packets are being captured already: by uid 0 .*service=web' "$(lbctl capture -w "$LAB_DIR/none" 2>&1)"
check_equal "with 409" 409 "$(lab_api GET /v1/capture -o /dev/null -w '%{http_code}')"
capture_end
check_matches "who captured, and how much, is an event" \
	'capture-ended .*web .*packets captured, 0 lost.*client has gone.*by uid 0' "$(lbctl events)"

# by_tcp CURL-ARG...: a capture asked for by the listener
by_tcp() {
	lab_exec lb curl -sS --max-time 5 -o /dev/null -w '%{http_code}' "$@"
}
check_equal "by TCP it takes a token" "401 401 401" "$(
	by_tcp http://127.0.0.1:9480/v1/capture?for=10ms) $(
	by_tcp http://127.0.0.1:9480/v1/%63apture?for=10ms) $(by_tcp http://127.0.0.1:9480/v1/drops)"
check_equal "and with one it is served" "200 200" "$(
	by_tcp -H 'Authorization: Bearer a-secret-for-this-test-only' http://127.0.0.1:9480/v1/capture?for=10ms) $(
	by_tcp -H 'Authorization: Bearer a-secret-for-this-test-only' http://127.0.0.1:9480/v1/drops)"
wait_until 10 capture_over

# --- what is refused ---

# refused NAME PATTERN ARG...
refused() {
	local name=$1 pattern=$2
	shift 2
	check_matches "refused: $name" "$pattern" "$(lbctl capture -w "$LAB_DIR/none" "$@" 2>&1)"
}

refused "an unknown service" 'parameter service: .*nosuch' nosuch
refused "an unknown VIP" 'parameter vip: tcp://198.18.0.13:80: no service has this VIP' --vip tcp://198.18.0.13:80
refused "a VIP of another service" 'parameter vip: .*another service' web --vip tcp://198.18.0.11:80
refused "what is no VIP" 'parameter vip: ' --vip 198.18.0.10
refused "an unknown backend" 'parameter backend: ' web 198.18.1.99
refused "what is no prefix" 'parameter client: ' --client 198.18.0.0/33
refused "an unknown verdict" 'parameter verdict: "gone": there is no such verdict' --verdict gone
refused "a reason that is none" 'parameter reason: "forward": there is no such drop reason' --reason forward
refused "a contradiction" 'parameter verdict: pass: these packets are for no VIP' web --verdict pass
refused "a sample that is none" 'parameter sample: "10" is not 1/N' --sample 10
refused "a snaplen too great" 'parameter snaplen: ' --snaplen 100000
refused "a span without a unit" 'parameter for: ' --for 10
check "no file was made for any of these" [ ! -e "$LAB_DIR/none" ]
check_matches "an ambiguous backend names its services" 'of service web and of other.*name the service' \
	"$(lab_api GET '/v1/capture?backend=198.18.1.11' | xargs)"

# --- nobody waits ---

before=$(metric lb_capture_lost_total)
capture_start --snaplen 2048
kill -STOP "$(lab_pid capture)"
lab_wrk -t1 -c10 -d2s -H "$LAB_FRESH" "$LAB_URL4/" >"$LAB_DIR/out"
check_equal "with a reader that is stuck no request fails" 0 "$(lab_errors "$LAB_DIR/out")"
check "they are served" [ "$(lab_served "$LAB_DIR/out")" -gt 500 ]
begin=$(lab_now_ms)
lbctl status >/dev/null
check_at_most "the agent answers others meanwhile (ms)" 1000 $(($(lab_now_ms) - begin))
check "what was lost is counted" [ "$(metric lb_capture_lost_total)" -gt "$before" ]
kill -CONT "$(lab_pid capture)"
capture_end
check "and said at the end" [ "$(jq .lost "$LAB_DIR/capture.log" | tail -n 1)" -gt 0 ]

# switch: the data plane's switch for captures
switch() {
	bpftool -j map dump pinned "$LAB_PINS/maps/switches" | jq '[.. | .capture? // empty][0]'
}
off() {
	requests 1
	[ "$(switch)" = 0 ]
}
capture_start web
check_equal "while packets are captured the switch is on" 65536 "$(switch)"
lab_agent_kill
check "after kill -9 of the agent packets flow" requests 2
check "and the capture ends by itself" wait_until 15 off
lab_agent_start --token-file "$LAB_DIR/tokens" || bail "the agent starts again"
lab_wait_up web
capture_start web && requests 1
check "its file is whole" read_file
lab_agent_kill
lab_agent_start --token-file "$LAB_DIR/tokens" || bail "the agent starts again"
check_equal "a new agent ends its predecessor's capture at once" 0 "$(switch)"
lab_wait_up web

# --- drops, after the fact ---

lab_curl --max-time 0.3 http://198.18.0.12/ 2>/dev/null
lbctl drops >"$LAB_DIR/out" 2>&1
check_matches "drops names the reason, with totals and rate" '^no_backend  [0-9]+ packets, [0-9.]+/s' "$(cat "$LAB_DIR/out")"
check_matches "why" 'why   the service has no backend that is up' "$(cat "$LAB_DIR/out")"
check_matches "what to do" 'try   With when-down pass the host would get' "$(cat "$LAB_DIR/out")"
check_matches "when and where the last one was" 'last  [0-9]+s ago, eth0 service none vip tcp://198.18.0.12:80' \
	"$(cat "$LAB_DIR/out")"
check_matches "and its packet in a line" 'tcp 198.18.0.2:[0-9]+ > 198.18.0.12:80 SYN, ttl 64, [0-9]+ bytes' \
	"$(cat "$LAB_DIR/out")"
check "samples are a capture, too" lbctl drops -w "$file"
read_file
check_equal "with the reason as comment" 1 "$(count "$in && note ~ /reason=no_backend service=none/")"
check_equal "the API has the same" no_backend "$(lab_api GET /v1/drops | jq -r '.drops[0].reason')"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lbctl top on a real terminal: what it shows, its keys, another size of the terminal, and that the
# terminal is as it was afterwards, however top ended.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
lab_nodes_up >/dev/null || exit 1
for i in 1 2 3; do
	lab_backend_start "$i" hello || exit 1
done
lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" "1 2" || bail "the service comes up"
lab_service shop "tcp://[$LAB_VIP6]:80" "3" --mode l2 || bail "the other one comes up"
lab_wrk -t1 -c4 -d100s -H "$LAB_FRESH" "$LAB_URL4/" >/dev/null 2>&1 &

# A terminal of its own: tmux with a socket in the lab's directory, a new one each time.
terminals=0
terminal() {
	tmux -S "$LAB_DIR/tmux.$terminals" -f /dev/null "$@"
}
trap 'terminal kill-server 2>/dev/null; lab_down' EXIT

screen() {
	terminal capture-pane -p
}

# shows PATTERN: one line of the screen matches.
shows() {
	screen | grep -Eq -- "$1"
}

shows_not() {
	! shows "$1"
}

# begin FLAG...: a shell whose prompt is "prompt>", and in it top.
begin() {
	terminal kill-server 2>/dev/null
	terminals=$((terminals + 1))
	terminal new-session -d -x 120 -y 24 "env PS1='prompt>' sh" || bail "tmux"
	terminal send-keys "stty -a | md5sum; $LAB_BUILD/lbctl --socket $LAB_SOCKET top $*" Enter
	wait_until 10 shows '^lbagent ' || bail "top begins: $(screen)"
}

# as_before NAME: the prompt is back, so is what stood on the screen, and keys are seen and lines
# edited as before.
as_before() {
	check "$1: the prompt is back" wait_until 5 shows '^prompt>$'
	check "$1: so is the screen" shows 'stty -a'
	terminal send-keys "stty -a | md5sum" Enter
	wait_until 5 settings_twice
	check_equal "$1: the terminal's settings are as before" 1 \
		"$(screen | grep -E '^[0-9a-f]{32}' | sort -u | wc -l)"
}

settings_twice() {
	[ "$(screen | grep -cE '^[0-9a-f]{32}')" = 2 ]
}

# --- without a terminal ---

out=$(lbctl top --interval 500ms)
check_matches "without a terminal it prints one picture" \
	'^  198\.18\.1\.11:80 +up +50\.0% +[0-9.]+% .* [1-9][0-9.K]* ' "$out"
check_equal "and nothing but text" 0 "$(grep -c $'\033' <<<"$out")"
json=$(lbctl --json top --interval 500ms)
check_equal "as a document: real rates" true "$(jq -c '.services[0] |
	."new-flows-per-second" > 10 and ."packets-per-second" > 50 and
	([.backends[]."actual-share"] | add) > 0.99' <<<"$json")"
check_matches "an unknown service is refused" 'no such service' "$(lbctl top none 2>&1)"
check_matches "so is an interval that is none" 'not from 100ms' "$(lbctl top --interval 1ms 2>&1)"

# --- on one ---

begin
check "it shows the agent" shows '^lbagent [0-9.]+ +up [0-9]+[smhd] +generation [0-9]+ +in sync'
check "and its services" shows '^web +2 of 2 up '
check "traffic" wait_until 5 shows '^  198\.18\.1\.11:80 +up +50\.0% +[0-9.]+% [█▉▊▋▌▍▎▏]+ +[1-9]'
check "drops" shows '^drops/s  none'
screen >"$LAB_DIR/picture"
check_equal "the keys stand on the last line" 24 \
	"$(grep -nE '^q quit' "$LAB_DIR/picture" | cut -d: -f1)"
lbctl set backend web 198.18.1.12 --state maint >/dev/null
check "it follows what happens" wait_until 5 shows '^  198\.18\.1\.12:80 +maint +0\.0%'
lbctl set backend web 198.18.1.12 --state up >/dev/null

terminal send-keys n
check "n: the first service alone" wait_until 5 shows_not '^shop'
terminal send-keys n
check "n: the next" wait_until 5 shows_not '^web'
terminal send-keys n
check "n: all" wait_until 5 shows '^web'
terminal send-keys s
check "s: sorts" wait_until 5 shows 'sort: new flows'
terminal send-keys r
check "r: the other way round" wait_until 5 shows 'sort: new flows, least first'
terminal send-keys Down
check "down: scrolls" wait_until 5 shows_not '^shop'
terminal send-keys Up
check "up: back" wait_until 5 shows '^shop'

terminal resize-window -x 60 -y 10
fits() {
	[ "$(screen | sed -n 10p | cut -c1-6)" = "q quit" ] && shows_not BYTES
}
check "a smaller terminal gets a smaller picture" wait_until 5 fits
terminal resize-window -x 120 -y 24

lab_agent_kill
check "an agent that goes is missed" wait_until 5 shows '^no agent at '
lab_agent_start
check "and welcomed back" wait_until 5 shows_not '^no agent at '

# --- its end ---

terminal send-keys q
as_before "q"
begin
terminal send-keys C-c
as_before "Ctrl-C"
begin
pid=$(pgrep -P "$(terminal display-message -p '#{pane_pid}')" lbctl)
kill -TERM "$pid"
as_before "SIGTERM"
begin
terminal send-keys C-z
as_before "Ctrl-Z"
terminal send-keys "fg" Enter
check "fg: it goes on" wait_until 5 shows '^q quit'
terminal send-keys q
check "and ends" wait_until 5 shows '^prompt>$'
checks_done

# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What is looked at each second: the agent's state and tables, counters, failed requests, and what the
# agent's process uses.

SEEN=$LAB_DIR/seen # what the last look saw
PACKETS_SLACK=1000 # that come while the counters are read; exact are those at the end
declare -A FAILED_SEEN=() # by load: failed requests that were judged
LOOKS=0 FAILURES=0
GENERATION='' # of the agent's state in the last look, while its backends were all the same since

# see: the agent's state, all of it from one moment
see() {
	lab_api GET /v1/status -o "$SEEN/status.json" &&
		lab_api GET /v1/services -D "$SEEN/head" -o "$SEEN/services.json"
}

# wrongs: what is not as it was asked for
wrongs() {
	see || { echo "asked the agent does not answer" && return; }
	jq -r --slurpfile status "$SEEN/status.json" --arg model "$(plan_lines)" -f "$SOAK/state.jq" \
		"$SEEN/services.json"
}

is_right() {
	[ -z "$(wrongs)" ]
}

# look_state: a change that is under way gets two seconds.
look_state() {
	local invariant words
	! wait_until 2 is_right || return 0
	while read -r invariant words; do
		broken "$invariant" "$words"
	done < <(wrongs)
}

# The services' counters are read one after the other, while packets come.
look_packets() {
	local generation words
	generation=$(grep -i '^etag:' "$SEEN/head")
	if [ "$generation" = "$GENERATION" ]; then
		while read -r words; do
			broken packets "$words"
		done < <(add_up $PACKETS_SLACK)
	fi
	GENERATION=$generation
	cp "$SEEN/services.json" "$SEEN/before.json"
}

# add_up SLACK: what does not, since before.json
add_up() {
	jq -r --slurpfile before "$SEEN/before.json" --argjson slack "$1" -f "$SOAK/packets.jq" \
		"$SEEN/services.json"
}

# look_failures: judges the failed requests of each load that are new
look_failures() {
	local load news words
	for load in "${LOADS[@]}"; do
		news=$(tail -n "+$((${FAILED_SEEN[$load]:-0} + 1))" "$KEPT/$load.errors")
		[ -n "$news" ] || continue
		FAILED_SEEN[$load]=$((${FAILED_SEEN[$load]:-0} + $(wc -l <<<"$news")))
		FAILURES=$((FAILURES + $(wc -l <<<"$news")))
		while read -r words; do
			broken failures "$words"
		done < <(jq -r --arg service "${load%.*}" --arg hurts "$(hurts)" --argjson patience 6000 \
			-f "$SOAK/failures.jq" <<<"$news")
	done
}

# KiB of the agent's memory that are not maps: those lie in the kernel.
resident() {
	awk '/^[0-9a-f]+-/ {map = /anon_inode:bpf-map/} /^Rss:/ && !map {n += $2} END {print n}' \
		"/proc/$1/smaps"
}

# look_process: a line of second, KiB, descriptors, threads, flow entries, failed requests
look_process() {
	local pid flows
	pid=$(lab_pid lbagent)
	flows=$(jq .used.flows "$SEEN/status.json")
	printf '%d\t%d\t%d\t%d\t%d\t%d\n' "$SECONDS" "$(resident "$pid")" \
		"$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" \
		"$flows" "$FAILURES" >>"$KEPT/samples"
	[ "$flows" -le "$FLOWS_MOST" ] || broken flows "$flows entries in the flow table, at most $FLOWS_MOST can be live"
}

look() {
	local who
	lab_running lbagent || { broken asked "the agent has ended" && return; }
	look_state
	for who in "${!HURT_SINCE[@]}"; do
		[[ $who == '* *' ]] || ! host_is_out "${who#* b}" || hurt_over '*' "${who#* }"
	done
	look_packets
	look_failures
	look_process
	LOOKS=$((LOOKS + 1))
}

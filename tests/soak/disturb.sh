# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What befalls the soak's system. Each says first whom it hurts: a failed request may be explained by
# that alone (failures.jq has the rule).

declare -A HURT_SINCE=() # by "SERVICE HOST", * for any: since when (ms), while the agent does not know
HURTS=$KEPT/hurts        # those over: SERVICE HOST SINCE UNTIL

DRAIN_DEADLINE=20s # longer than any client stays, so that none is cut

# hurt SERVICE HOST
hurt() {
	HURT_SINCE["$1 $2"]=$(lab_now_ms)
}

# hurt_over SERVICE HOST: it is known, so from now on nobody is sent there
hurt_over() {
	[ -n "${HURT_SINCE["$1 $2"]:-}" ] || return 0
	echo "$1 $2 ${HURT_SINCE["$1 $2"]} $(lab_now_ms)" >>"$HURTS"
	unset "HURT_SINCE[$1 $2]"
}

# hurts: all of them, those that are not over until now
hurts() {
	local who
	cat "$HURTS"
	for who in "${!HURT_SINCE[@]}"; do
		echo "$who ${HURT_SINCE[$who]} $(lab_now_ms)"
	done
}

# broken INVARIANT WORDS...: it does not hold
broken() {
	say "$SECONDS s: NOT SO: $*"
	echo "$SECONDS s: ${*:2}" >>"$KEPT/broken.$1"
}

# ask VERB...: what the agent has to do
ask() {
	local said
	said=$(lbctl "$@" 2>&1) || broken asked "lbctl $*: $said"
}

# statuses: of all backends, "HOST STATUS" a line
statuses() {
	lab_api GET /v1/services | jq -r '.services[].backends[] |
		"\(.address | capture("(\\.1|:1:1)(?<host>[0-9])\\]?:80$").host) \(.status)"'
}

# Nobody new is sent to it.
host_is_out() {
	! statuses | grep -qx "$1 up"
}

host_is_well() {
	! statuses | grep -qE "^$1 (down|checking|no-neighbour)"
}

all_are_well() {
	local down=${!PLAN_DOWN[*]}
	! statuses | grep -vE "^[${down// /}-] " | grep -qE 'down|checking|no-neighbour'
}

# deny SERVICE: writes its list, of as many prefixes as the plan says; no client is in them
deny() {
	awk -v n="${PLAN_DENIED[$1]}" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "20.%d.%d.%d/32\n", i / 65536, i / 256 % 256, i % 256
	}' >"$LAB_DIR/deny.$1"
}

# disturb: does what was chosen
disturb() {
	local address=${PLAN_ADDRESS[$SERVICE $HOST]}
	case $KIND in
	add) ask add backend "$SERVICE" "$address" --weight "$VALUE" ;;
	weigh) ask set backend "$SERVICE" "$address" --weight "$VALUE" ;;
	drain) ask drain backend "$SERVICE" "$address" ;;
	remove) ask rm backend "$SERVICE" "$address" --deadline $DRAIN_DEADLINE ;;
	cut)
		hurt "$SERVICE" "b$HOST"
		ask rm backend "$SERVICE" "$address" --now
		hurt_over "$SERVICE" "b$HOST"
		;;
	flap) hurt '*' "b$HOST" && lab_backend_kill "$HOST" ;;
	unplug) hurt '*' "b$HOST" && lab_backend_link "$HOST" down ;;
	restart) lab_agent_stop && agent_start ;;
	kill) lab_agent_kill && agent_start ;;
	interface) interface_flap ;;
	reload) deny "$SERVICE" && ask reload ;;
	esac || broken asked "$KIND fails"
}

# follow WORDS...: what has to follow upon something done before
follow() {
	case $1 in
	undrain)
		ask set backend "$2" "${PLAN_ADDRESS[$2 $3]}" --state up
		plan_undrained "$2 $3"
		;;
	removed)
		wait_until 30 is_removed "$2" "$3" || broken asked "b$3 of $2 is removed, and does not go"
		plan_forget "$2 $3"
		;;
	mend) mend "$2" ;;
	esac
}

is_removed() {
	[ -z "$(lab_backend "$1" "${PLAN_ADDRESS[$1 $2]}")" ]
}

# passes HOST: "SERVICE N", how many of its checks have passed
passes() {
	lab_exec lb curl -sS --max-time 10 http://127.0.0.1:9480/metrics |
		sed -nE 's/^lb_health_checks_total\{service="(.*)",backend=".*(\.1|:1:1)'"$1"'\]?:80",result="pass"\} /\1 /p'
}

# has_passed BEFORE HOST: of each service that has had it ever since, one more check of it
has_passed() {
	! join <(sort <<<"$1") <(passes "$2" | sort) | awk '$3 <= $2' | grep -q .
}

# mend HOST: it serves again. Until a check has passed, the agent may yet find out that it did not:
# checks under way have begun without it, and their connections try again after 1 s and 3 s only.
mend() {
	local before
	before=$(passes "$1")
	case ${PLAN_DOWN[$1]} in
	flap) lab_backend_start "$1" hello ;;
	unplug) lab_backend_link "$1" up ;;
	esac
	{ wait_until 15 has_passed "$before" "$1" && wait_until 15 host_is_well "$1"; } ||
		broken asked "b$1 is back, and not up: $(lbctl show)"
	unset "PLAN_DOWN[$1]"
	hurt_over '*' "b$1"
}

agent_start() {
	# shellcheck disable=SC2119 # no flags
	lab_agent_start
}

# The balancer's own interface, down and up at once: the kernel forgets neighbours, and routes for a
# moment.
interface_flap() {
	hurt '*' '*'
	ip -n "$LAB-lb" link set eth0 down && ip -n "$LAB-lb" link set eth0 up &&
		wait_until 15 all_are_well
	hurt_over '*' '*'
}

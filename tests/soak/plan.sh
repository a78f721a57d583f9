# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the soak has asked the agent for, its model, and the choice of what it does next. Nothing here
# looks at the agent, or at a clock but for PLAN_RESTARTS: one seed makes one history.

# The services, their VIPs and modes. Clients of `long` never leave, so a drain there would not end.
declare -A PLAN_VIP=([web]=tcp://198.18.0.10:80 [web6]='tcp://[2001:db8::10]:80' [long]=tcp://198.18.0.11:80)
# shellcheck disable=SC2034 # for soak.sh
declare -A PLAN_MODE=([web]=nat [web6]=l2 [long]=l2)
PLAN_SERVICES=(web web6 long)
PLAN_HOSTS=6
declare -A PLAN_ADDRESS=() # of the backend "SERVICE HOST", as the agent writes it
PLAN_REMOVAL=7 # steps that a removal is given
PLAN_STEADY=2 # the first hosts: nothing befalls them but other weights, so somebody always serves

declare -A PLAN_WEIGHT=() PLAN_STATE=() # of the backend "SERVICE HOST": its weight; up, drain or removing
declare -A PLAN_DENIED=()               # by service: prefixes on its list
declare -A PLAN_DOWN=()                 # by host: set while it is killed or unplugged
declare -A PLAN_LATER=()                # by step: what has to be done then, lines of words
PLAN_STEP=0
PLAN_RESTARTS=1 # whether the agent may be ended, too

# What may happen; some of it oftener than other.
PLAN_KINDS=(add add add add remove remove cut drain drain weigh weigh flap flap unplug restart kill
	interface reload)

# What was chosen
KIND='' SERVICE='' HOST='' VALUE='' SPAN=''

# plan_begin SEED
plan_begin() {
	local service host
	for service in "${PLAN_SERVICES[@]}"; do
		for ((host = 1; host <= PLAN_HOSTS; host++)); do
			PLAN_ADDRESS[$service $host]=$(lab_address "${PLAN_VIP[$service]}" "$host"):80
		done
	done
	RANDOM=$1
}

# plan_draw N: DRAWN is one of 0 ... N-1. Not printed: a subshell would draw the same again and again.
plan_draw() {
	DRAWN=$(((RANDOM << 15 | RANDOM) % $1))
}

# plan_may KIND: is there something for it to do, with the service and host that were drawn?
plan_may() {
	local state=${PLAN_STATE[$SERVICE $HOST]:-absent}
	case $1 in
	interface | reload) return 0 ;;
	restart | kill) [ "$PLAN_RESTARTS" -eq 1 ] && return ;;
	weigh) [[ $state == up || $state == drain ]] && return ;;
	esac
	[ "$HOST" -gt $PLAN_STEADY ] || return
	case $1 in
	add) [ "$state" = absent ] ;;
	drain | remove) [ "$state" = up ] && [ "$SERVICE" != long ] ;;
	cut) [ "$state" = up ] ;;
	flap | unplug) [ -z "${PLAN_DOWN[$HOST]:-}" ] ;;
	*) return 1 ;;
	esac
}

# plan_next: chooses; what has nothing to do is chosen anew.
plan_next() {
	local tries
	plan_draw 10 && VALUE=$((DRAWN + 1))
	plan_draw 3 && SPAN=$((DRAWN + 1))
	for ((tries = 0; tries < 100; tries++)); do
		plan_draw ${#PLAN_KINDS[@]} && KIND=${PLAN_KINDS[DRAWN]}
		plan_draw ${#PLAN_SERVICES[@]} && SERVICE=${PLAN_SERVICES[DRAWN]}
		plan_draw $PLAN_HOSTS && HOST=$((DRAWN + 1))
		! plan_may "$KIND" || return 0
	done
	KIND=reload
}

# plan_words: what was chosen, for who watches
plan_words() {
	case $KIND in
	add | weigh) echo "$KIND b$HOST of $SERVICE, weight $VALUE" ;;
	drain | remove | cut) echo "$KIND b$HOST of $SERVICE" ;;
	flap | unplug) echo "$KIND b$HOST" ;;
	reload) echo "reload, another list for $SERVICE" ;;
	*) echo "$KIND" ;;
	esac
}

# plan_note: the model after what was chosen, and what has to follow
plan_note() {
	local backend="$SERVICE $HOST"
	case $KIND in
	add) PLAN_WEIGHT[$backend]=$VALUE PLAN_STATE[$backend]=up ;;
	weigh) PLAN_WEIGHT[$backend]=$VALUE ;;
	cut) plan_forget "$backend" ;;
	drain) PLAN_STATE[$backend]=drain && plan_later "$SPAN" undrain "$backend" ;;
	remove) PLAN_STATE[$backend]=removing && plan_later $PLAN_REMOVAL removed "$backend" ;;
	flap | unplug) PLAN_DOWN[$HOST]=$KIND && plan_later "$SPAN" mend "$HOST" ;;
	reload) PLAN_DENIED[$SERVICE]=$((VALUE * 1000 + PLAN_STEP)) ;;
	esac
}

# plan_undrained "SERVICE HOST"
plan_undrained() {
	PLAN_STATE[$1]=up
}

# plan_forget "SERVICE HOST"
plan_forget() {
	unset "PLAN_WEIGHT[$1]" "PLAN_STATE[$1]"
}

# plan_later STEPS WORDS...: to be done so many steps later
plan_later() {
	local step=$((PLAN_STEP + $1))
	shift
	PLAN_LATER[$step]+="$*"$'\n'
}

# plan_lines: the model, as state.jq reads it
plan_lines() {
	local backend service
	for backend in "${!PLAN_STATE[@]}"; do
		echo "${backend% *} ${PLAN_ADDRESS[$backend]} weight ${PLAN_WEIGHT[$backend]} ${PLAN_STATE[$backend]}"
	done
	for service in "${PLAN_SERVICES[@]}"; do
		echo "$service denies ${PLAN_DENIED[$service]} prefixes"
	done
}

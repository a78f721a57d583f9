#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What lbctl does without an agent: usage, help, completion, exit statuses, error documents.
#
#   tests/unit/ctl.sh [LBCTL]
# Each case prints a line: ok NAME, not ok NAME, or skip NAME: why.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
lbctl=${1:-${O:-$root/build}/lbctl}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SLUICE_SOCKET=$scratch/none.sock
failures=0

# verdict NAME [WHY]: a case is over; with WHY it has failed.
verdict() {
	if [[ $# == 1 ]]; then
		echo "ok $1"
	else
		echo "not ok $1"
		echo "    $2"
		failures=$((failures + 1))
	fi
}

# expect STATUS PATTERN ARGUMENT...: the exit status, and a pattern that the whole output matches.
expect() {
	local status=$1 pattern=$2 output got
	shift 2
	output=$("$lbctl" "$@" 2>&1)
	got=$?
	# shellcheck disable=SC2053 # a pattern is meant
	if [[ $got != "$status" ]]; then
		verdict "lbctl $*" "exit status $got, not $status: $output"
	elif [[ $output != $pattern ]]; then
		verdict "lbctl $*" "printed: $output"
	else
		verdict "lbctl $*"
	fi
}

no_agent="lbctl: no agent at $SLUICE_SOCKET: No such file or directory
  try: systemctl start lbagent, or give --socket PATH"

expect 2 "lbctl: no verb given*try: lbctl help"
expect 2 "lbctl: unknown verb shwo*" shwo
expect 2 '{*"error":*"unknown flag --colour"*}' show --json --colour
expect 2 "lbctl: there is no verb shwo*" help shwo
expect 2 'lbctl: "web/1" is not a name or an address' rm service web/1
expect 2 'lbctl: "" is not a name or an address' rm service ""
expect 2 'lbctl: the path of the socket, or the URL, is empty' show --socket ""
expect 1 "$no_agent" show
expect 1 "$no_agent" capture web 198.18.1.11 --vip tcp://198.18.0.10:80 --client 198.18.0.2 --verdict drop \
	--reason malformed --sample 1/2 --snaplen 96 --limit 5 --for 1s -w "$scratch/none"
expect 1 "$no_agent" add service web --vip tcp://198.18.0.10:80
expect 1 "$no_agent" --socket "$SLUICE_SOCKET" rm backend web 198.18.1.11:80 --now
expect 1 "lbctl: no agent at /none: *" show --socket=/none
expect 1 '{*"error":*"no agent at *"hint":*}' --json show
expect 1 "lbctl: agent at http://127.0.0.1:1: *try: *--listen" show --url http://127.0.0.1:1/
expect 1 "lbctl: token file /none: No such file*" rm service web --url http://127.0.0.1:1 --token-file /none
expect 1 "lbctl: token file /dev/null: not a regular file" rm service web --url http://127.0.0.1:1 \
	--token-file=/dev/null
expect 1 "lbctl: agent at http://127.0.0.1:1: *" show --url http://127.0.0.1:1 --token-file /none
expect 2 "lbctl: show takes no --if-generation*" show --if-generation 3
expect 2 "lbctl: --if-generation: new is not a whole number" rm service web --if-generation new
expect 0 "lbctl *
lbagent unknown (no agent at *)" version
expect 0 '{*"lbctl":*"lbagent":*null*}' version --json
expect 0 '{*"help":*"Usage: *}' help --json

# The hint on a socket that belongs to somebody else.
if [[ $(id -u) == 0 ]]; then
	install -m 0660 -g daemon /dev/null "$scratch/closed"
	chmod 0755 "$scratch"
	output=$(setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$lbctl" show --socket "$scratch/closed" 2>&1)
	if [[ $output == *"Permission denied"*"root, or join group daemon" ]]; then
		verdict "closed socket"
	else
		verdict "closed socket" "printed: $output"
	fi
else
	echo "skip closed socket: needs root"
fi

# Every verb that completion offers is in the help, every flag of the help is in the manual.
manual=$root/docs/man/lbctl.1
for verb in $("$lbctl" complete -- ""); do
	expect 0 "Usage: lbctl $verb*" help "$verb"
	expect 0 "Usage: lbctl $verb*" "$verb" --help
	missing=
	grep -q "^\\.Ss $verb\\b" "$manual" || missing=$verb
	while read -r flag; do
		grep -q -e "Fl -${flag#--}\\b" "$manual" || missing+=" $flag"
	done < <("$lbctl" help "$verb" | grep -o '^  --[a-z0-9-]*' | tr -d ' ')
	verdict "lbctl.1 explains $verb" ${missing:+"missing: $missing"}
done

expect 0 $'service\nbackend' complete -- rm ""
expect 0 $'nat\nl2\nipip\ngue' complete -- add service web --mode ""
expect 0 $'maglev\nleast-conn\nsource\ndport' complete -- set service web --scheduler ""
expect 0 $'drop\npass' complete -- set service web --when-down ""
expect 2 "lbctl: give --priority or --sorry, not both" add backend web 198.18.1.11 --sorry --priority 3
expect 2 "lbctl: --priority: high is not a whole number" set backend web 198.18.1.11 --priority high
expect 0 "--mode=l2" complete -- add service web --mode=l
expect 0 "--deadline" complete -- rm backend web 198.18.1.11 --d
expect 0 "" complete -- rm backend web 198.18.1.11 --wait --w
expect 0 "" complete -- show --nix=
expect 0 "" complete -- show ""
expect 0 $'bird\nfrr' complete -- bgp-config --for ""
expect 0 "" complete -- capture --for ""
expect 0 "# BIRD 2, *kernel table 100;*neighbor 198.18.0.254 as 65000;*neighbor 2001:db8::fe as 65000;*" \
	bgp-config --for bird --as 65001 --peer-as 65000 --peer 198.18.0.254 --peer 2001:db8::fe \
	--router-id 198.18.0.1 --table 100
expect 0 "! FRR, *ip import-table 100 *peer 198.18.0.254*redistribute table 100 *" bgp-config --for frr \
	--as 65001 --peer-as 65000 --peer 198.18.0.254 --router-id 198.18.0.1 --table 100 --bfd
expect 0 '{*"for":*"bird",*"config":*"# BIRD*}' bgp-config --json --for bird --as 65001 --peer-as 65000 \
	--peer 198.18.0.254 --router-id 198.18.0.1 --table 100
expect 1 "lbctl: no agent at $SLUICE_SOCKET: *
  try: give --table N*" bgp-config --for bird --as 1 --peer-as 2 --peer 198.18.0.2 --router-id 198.18.0.1
expect 1 "BALANCER*unreachable*none.sock*lbctl: the balancers do not agree*" fleet "$SLUICE_SOCKET"

((failures == 0))

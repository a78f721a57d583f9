#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent refuses to start early, with a sentence that helps.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
agent=$LAB_BUILD/lbagent
[ -x "$agent" ] || { not_ok "lbagent is there" "run make build" && exit 1; }

# refuse NAME STATUS PATTERN CMD...: CMD ends by itself, with this status and words.
refuse() {
	local name=$1 status=$2 pattern=$3 output got
	shift 3
	output=$(lab_exec lb timeout 10 "$@" 2>&1)
	got=$?
	check_equal "$name: exit status" "$status" "$got"
	check_matches "$name: says why" "$pattern" "$output"
	check_at_most "$name: in few lines" 4 "$(wc -l <<<"$output")"
}

start() {
	echo "$agent" --state-dir "$LAB_DIR/state" --socket "$LAB_SOCKET" --bpffs "$LAB_PINS" \
		--listen 127.0.0.1:9480
}
read -ra flags <<<"$(start)"

refuse "no interface given" 2 '--interface' "${flags[@]}"
refuse "an unknown flag" 2 '--fly' "${flags[@]}" --interface eth0 --fly
refuse "a flag without its value" 2 'interface' "${flags[@]}" --interface
refuse "a word too many" 2 'nonsense' "${flags[@]}" --interface eth0 nonsense
refuse "a bad listener" 2 '--listen|listen' "${flags[@]}" --interface eth0 --listen 1.2.3:99999
refuse "a bad log level" 2 'log-level' "${flags[@]}" --interface eth0 --log-level loud
refuse "a bad mode" 2 'xdp-mode' "${flags[@]}" --interface eth0 --xdp-mode fast
refuse "a table size that is no prime" 2 'table-size|prime' \
	"${flags[@]}" --interface eth0 --table-size 65536
refuse "no such interface" 1 'nope' "${flags[@]}" --interface nope
refuse "a folder that is no BPF file system" 1 'bpf' "$agent" --interface eth0 \
	--state-dir "$LAB_DIR/state" --socket "$LAB_SOCKET" --bpffs "$LAB_DIR/no/bpf" \
	--listen 127.0.0.1:9480
refuse "a missing configuration file" 1 'absent.json' \
	"${flags[@]}" --interface eth0 --config "$LAB_DIR/absent.json"

# Somebody who is not root must be able to reach the binary at all.
public=$(mktemp -d) || exit 1
chmod 755 "$public"
install -m 755 "$agent" "$public/lbagent"
refuse "not root" 1 'root|CAP_' setpriv --reuid=65534 --regid=65534 --clear-groups \
	"$public/lbagent" "${flags[@]:1}" --interface eth0
rm -r "$public"

check "a lone agent starts" lab_agent_start
refuse "a second agent with the same state" 1 'running|in use|lock|busy|already' \
	"${flags[@]}" --interface eth0
refuse "a second agent with the same state directory alone" 1 \
	"state directory $LAB_DIR/state: in use by another lbagent" "$agent" --interface lo \
	--state-dir "$LAB_DIR/state" --socket "$LAB_DIR/second.sock" --bpffs "$LAB_DIR/bpf/second" \
	--listen 127.0.0.1:9481
refuse "a second agent with the same pins alone" 1 'bpffs directory .*: in use by another lbagent' \
	"$agent" --interface lo --state-dir "$LAB_DIR/state2" --socket "$LAB_DIR/second.sock" \
	--bpffs "$LAB_PINS" --listen 127.0.0.1:9481
refuse "a second agent with the same socket alone" 1 "$LAB_SOCKET" \
	"$agent" --interface lo --state-dir "$LAB_DIR/state2" --socket "$LAB_SOCKET" \
	--bpffs "$LAB_DIR/bpf/second" --listen 127.0.0.1:9481
refuse "a second agent on the same interface" 1 \
	'eth0: XDP program [0-9]+ \(lb_ingress\) is attached already.*another lbagent' \
	"$agent" --interface eth0 --state-dir "$LAB_DIR/state2" --socket "$LAB_DIR/second.sock" \
	--bpffs "$LAB_DIR/bpf/second" --listen 127.0.0.1:9481
check "the first is not disturbed" lbctl --json show
check_equal "nothing of the second is left" "" "$(ls "$LAB_DIR/bpf/second" 2>/dev/null)"

# As VLAN interfaces have; a BPF file system takes no dot in a name.
lab_agent_stop
ip -n "$LAB-lb" link add dot.5 type veth peer name dot-peer
check "a name with a dot" lab_agent_start --interface dot.5
lab_agent_stop
check "once more, on the same link" lab_agent_start --interface dot.5
check_equal "both interfaces are attached" "dot.5 eth0" \
	"$(lbctl --json status | jq -r '[.interfaces[].name] | sort | join(" ")')"
lab_agent_stop
check "both are let go" lab_exec lb "$agent" --unload --bpffs "$LAB_PINS"
check_equal "nothing is attached any more" "" "$(ip -n "$LAB-lb" -o link | grep -o 'prog/xdp.*')"
checks_done

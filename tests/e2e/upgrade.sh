#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Upgrades under load to a changed program, and to one that is broken: the one is swapped in without
# a loss, the other is refused by its self-test.
# alone: measures processor time
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
. "$(dirname "$0")/../lab/upgrade.sh"

build_all() {
	changed=$(variant changed) || return
	edit "$changed" bpf/ingress.bpf.c \
		's|^\tswitch \(parse_link\(|\tif (frame_length(ctx) > 1U << 30)\n\t\treturn false;\n&|' || return
	build "$changed" || return
	# As a compiler, a JIT or a kernel might: the sources are right, what runs is not.
	broken=$(variant broken) || return
	edit "$broken" bpf/ingress.bpf.c \
		's|^\t\t\*ret_code = lb_ipv6\(|#ifdef __bpf__\n\t\t*ret_code = XDP_DROP;\n\t\treturn true;\n#endif\n&|' || return
	build "$broken"
}

build_all || bail "the variants are built"
upgrade_setup || bail "the services come up"

# --- a changed program, the same ABI ---

tag=$(program tag)
link=$(link)
check "the former agent is asked what would be" preflight "$changed/build/lbagent"
upgrade "a changed program" "$changed/build/lbagent"
check_equal "the link is the one of before" "$link" "$(link)"
check "the program is another" test "$tag" != "$(program tag)"
# Of a processor's time, whatever else the machine does: the rest of a preflight is nothing.
seconds=$({ TIMEFORMAT='%U %S' && time preflight "$changed/build/lbagent" >/dev/null 2>&1; } 2>&1)
promise "the self-test of a new data plane, in ms of a processor" 1000 \
	"$(awk '{print int(1000 * ($1 + $2))}' <<<"$seconds")"

# --- a broken program ---

tag=$(program tag)
lab_wrk -t1 -c20 -d4s "$LAB_URL4/" >"$LAB_DIR/kept" &
load=$!
lab_agent_kill
LAB_AGENT=$broken/build/lbagent lab_agent_start >"$LAB_DIR/out" 2>&1
check_equal "a broken program: the agent does not start" 1 "$?"
check_matches "it names the case" \
	'fails its self-test: case \\"[^"]+\\", packet [0-9]+: XDP_DROP, not XDP_' "$(cat "$LAB_DIR/out")"
check_matches "and the way out" '--skip-self-test' "$(cat "$LAB_DIR/out")"
check_equal "the former program runs" "$tag" "$(program tag)"
preflight "$broken/build/lbagent" >"$LAB_DIR/out" 2>&1
check_equal "asked beforehand it says so, too" 1 "$?"
wait "$load"
promise "a broken program: failed requests" 0 "$(lab_errors "$LAB_DIR/kept")"
LAB_AGENT=$changed/build/lbagent lab_agent_start || bail "the right one starts again"
checks_done

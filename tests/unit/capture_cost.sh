#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What captures cost while they are off, by the instructions of the data plane: nothing at the
# entry but a load that is or'ed into what is compared anyway, and where a packet's verdict is
# counted one load and one branch.
#
#   tests/unit/capture_cost.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lab/check.sh

# Where the switch is among the others, bytes.
object=${O:-build}/bpf/ingress.bpf.o
place=$(bpftool btf dump file "$object" format raw |
	awk '/STRUCT .lb_switches. / {on = 1} on && /.capture. / {sub(/.*bits_offset=/, ""); print $1 / 8; exit}')

# Each load of lb_switches.capture: its function, and the next instruction that names the register.
code=$(llvm-objdump -dr --no-show-raw-insn "$object")
loads=$(awk -v loads=" = [*][(]u32 [*][)][(]r[0-9] [+] ${place}[)]\$" '
	/^[0-9a-f]+ <[a-z][a-z0-9_]*>:$/ {name = substr($2, 2, length($2) - 3)}
	/R_BPF_64_64[ \t]+lb_switches$/ {switches = 1; next}
	!/^ *[0-9]+:/ {next}
	seen && $0 ~ "[rw]" seen "( |$)" {print name, $2, $3, $4, $5, $6; seen = ""}
	switches && $0 ~ loads {seen = substr($2, 2)}
	{switches = 0}' <<<"$code")

# of FUNCTION [PATTERN]: how many of its loads are followed by what matches
of() {
	awk -v name="$1" -v pattern="${2:-.}" '$1 == name && $0 ~ pattern' <<<"$loads" | wc -l
}

for class in tcp udp icmp rare; do
	for family in 4 6; do
		name=lb_ipv${family}_$class
		# clang may write the end of a function more than once; a packet meets one. Most packets'
		# have one more, for those that are dropped.
		case $class in tcp | udp) ends=5 ;; *) ends=4 ;; esac
		check_between "$name asks for captures where a packet's way ends, and nowhere else" 1 $ends "$(of "$name")"
		check_equal "$name: each time a load and a branch" "$(of "$name")" "$(of "$name" ' if w[0-9] [!=]= 0 goto')"
	done
done
# What lb_ingress does first with what it has loaded first.
first=$(awk -v place="$place" '
	/^[0-9a-f]+ <lb_ingress>:$/ {on = 1}
	!on || !/^ *[0-9]+:/ {if (/R_BPF_64_64[ \t]+lb_switches$/) switches = 1; next}
	register && $0 ~ "[rw]" register "( |$)" {sub(/^ *[0-9]+:[ \t]*/, ""); print; exit}
	switches && match($0, "r[0-9] = [*][(]u32 [*][)][(]r[0-9] [+] " place "[)]$") {register = substr($0, RSTART + 1, 1)}
	{switches = 0}' <<<"$code")
check_matches "lb_ingress: at the entry the load is or'ed, not asked" '^w[0-9] \|= w[0-9]$' "$first"
check_equal "no other function on a packet's way asks" "" \
	"$(awk '$1 !~ /^lb_(ipv[46]_[a-z]+|ingress)$|^capture_/ {print $1}' <<<"$loads" | sort -u | xargs)"
checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How much of the data plane's sources the packet cases reach, natively: lines and branches a
# file, then what they do not reach. Counted by clang in the sources, before anything is inlined.
#   tests/packet/coverage.sh
# Fails if the parser has a line or branch that no case reaches, and no reason to.
set -eu
cd "$(dirname "$0")/../.."

out=${O:-build}/coverage
test=$out/tests/packet/lb_packet_test
flags='-fprofile-instr-generate -fcoverage-mapping'

mkdir -p "$out"
make --no-print-directory -j2 O="$out" CC=clang CFLAGS='-O1 -g' TEST_SAN="$flags" "$test"
LLVM_PROFILE_FILE=$out/cases.profraw "$test" --native tests/packet/cases/*.pkt >"$out/cases.log" || {
	grep -v '^ok ' "$out/cases.log"
	exit 1
}
llvm-profdata merge -sparse "$out/cases.profraw" -o "$out/cases.profdata"
llvm-cov export -format=lcov -instr-profile="$out/cases.profdata" -compilation-dir="$PWD" \
	-ignore-filename-regex=bpf/native/ "$test" bpf >"$out/cases.lcov"

# What cannot be reached, by file and text: checks that are there for the verifier.
cat >"$out/excused" <<'END'
bpf/parse.h	if (!pkt->eth)	no frame is shorter than an Ethernet header
bpf/parse.h	if (!net)	no caller gives NULL
bpf/parse.h	if (!parse_link(&cursor, pkt))	lb_ingress has parsed it before
bpf/parse.h	if (!ip)	classify_ipv4() has seen the header
bpf/parse.h	known = is_icmp(pkt) && parse_icmp(ctx, &cursor, pkt);	so has it here
END

awk -v root="$PWD/" -v excused="$out/excused" -v strict=bpf/parse.h \
	-v cases="$(grep -c '^ok ' "$out/cases.log")" '
	# The source line, without the blanks before it.
	function source(number,  i) {
		if (!(file in loaded)) {
			loaded[file] = 1
			for (i = 1; (getline line[file, i] < file) > 0; i++)
				sub(/^[ \t]+/, "", line[file, i])
		}
		return line[file, number]
	}
	# Is the line, or the condition above a lone way out, excused?
	function is_excused(number) {
		return (file, source(number)) in why ||
			(source(number) ~ /^(return|continue|break)/ && (file, source(number - 1)) in why)
	}
	function miss(number, what) {
		if (is_excused(number)) {
			excuses[file]++
			return
		}
		misses[file]++
		if (!((file, number) in told)) {
			told[file, number] = 1
			list[++count] = sprintf("%s:%d: %s: %s", file, number, what, source(number))
		}
	}
	BEGIN {
		FS = "\t"
		while ((getline < excused) > 0)
			why[$1, $2] = $3
		FS = "[:,]"
		printf "%-18s %13s %15s %9s\n", "file", "lines", "branches", "excused"
	}
	/^SF:/ {
		file = substr($0, 4)
		if (index(file, root) == 1)
			file = substr(file, length(root) + 1)
		seen[file]
		lines = hit = branches = taken = 0
	}
	/^DA:/ {
		lines++
		if ($3 > 0) hit++; else miss($2, "never run")
	}
	/^BRDA:/ {
		branches++
		if ($5 != "-" && $5 > 0) taken++; else miss($2, "a branch not taken")
	}
	/^end_of_record/ && lines {
		printf "%-18s %5d of %4d %6d of %5d %9d\n", file, hit, lines, taken, branches, excuses[file]
		all_lines += lines; all_hit += hit; all_branches += branches; all_taken += taken
	}
	END {
		printf "%-18s %4.1f %% of %4d %4.1f %% of %4d\n\n", "all", 100 * all_hit / all_lines,
			all_lines, 100 * all_taken / all_branches, all_branches
		for (i = 1; i <= count; i++)
			print list[i]
		printf "# trust native data plane: %.1f %% of %d lines, %.1f %% of %d branches reached by %d packet cases\n",
			100 * all_hit / all_lines, all_lines, 100 * all_taken / all_branches, all_branches, cases
		whole = strict in seen && !misses[strict]
		print (whole ? "ok" : "not ok") " the packet cases reach all of the parser"
		exit !whole
	}' "$out/cases.lcov"

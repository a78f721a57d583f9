#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a packet costs by two revisions, measured by turns on one machine, so that what disturbs it for
# a while disturbs both: nanoseconds, the median and in brackets the least and the most, and how many
# times the first the second takes.
#
#   tests/bench/compare.sh A B     revisions, as git names them; what is not committed is not in them
#   ROUNDS=N                       turns (5)
#   ONLY=REGEX                     not all, but what lb_bench --only finds; both must have that flag
#   CLANG_A=CLANG CLANG_B=CLANG    what compiles either side's program, if not clang: with A and B the
#                                  same revision, two compilers are compared
set -eu
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || { echo "usage: compare.sh A B, two revisions" >&2 && exit 2; }
rounds=${ROUNDS:-5}
declare -A clang=([A]=${CLANG_A:-clang} [B]=${CLANG_B:-clang})
[[ $rounds =~ ^[1-9][0-9]?$ ]] || { echo "compare.sh: ROUNDS=$rounds: 1 to 99" >&2 && exit 2; }
dir=$(mktemp -d)

cleanup() {
	local side
	for side in A B; do
		[ ! -d "$dir/$side" ] || git worktree remove --force "$dir/$side"
	done
	rm -rf "$dir"
}
trap cleanup EXIT

# bench_of SIDE REVISION: builds it.
bench_of() {
	git rev-parse --quiet --verify "$2^{commit}" >/dev/null ||
		{ echo "compare.sh: $2: no revision that git knows here" >&2 && exit 2; }
	git worktree add --quiet --detach "$dir/$1" "$2"
	command -v "${clang[$1]}" >/dev/null || { echo "compare.sh: there is no ${clang[$1]}" >&2 && exit 2; }
	make -C "$dir/$1" O=build CLANG="${clang[$1]}" build/tests/bench/lb_bench >"$dir/$1.log" 2>&1 ||
		{ tail -n 20 "$dir/$1.log" >&2 && echo "compare.sh: $2 is not built" >&2 && exit 1; }
}

# turn SIDE: one measurement of all, a line each: SIDE, what, nanoseconds.
turn() {
	"$dir/$1/build/tests/bench/lb_bench" --rounds 1 --json ${ONLY:+--only "$ONLY"} | jq -r --arg side "$1" '.results[] |
		[$side, ([.mode, .ip, .l4, .packets, .flows // "each new"] | join(" ")) +
				(if (.vips // 1) > 1 then " \(.vips) VIPs" else "" end),
			."lb-ingress-ns".median] | @tsv'
}

# size_of SIDE: of the program, as the kernel has it.
size_of() {
	"$dir/$1/build/tests/bench/lb_bench" --rounds 1 --repeat 1000 --json | jq -r --arg side "$1" '.program |
		"\($side): \(.instructions) instructions, \(."jited-bytes") bytes jited, " +
			"\(."verified-instructions") instructions verified"'
}

bench_of A "$1"
bench_of B "$2"
for ((i = 0; i < rounds; i++)); do
	turn A
	turn B
done >"$dir/figures"

size_of A
size_of B
awk -F '\t' -v a="$1" -v b="$2" '
	# The figures of a side and a scenario, in their order.
	function sorted(side, what,    n, i, j, x) {
		n = count[side, what]
		for (i = 2; i <= n; i++) {
			x = ns[side, what, i]
			for (j = i - 1; j >= 1 && ns[side, what, j] > x; j--)
				ns[side, what, j + 1] = ns[side, what, j]
			ns[side, what, j + 1] = x
		}
		return n
	}
	function shown(side, what,    n) {
		n = sorted(side, what)
		if (!n)
			return "-"
		return sprintf("%d (%d-%d)", median(side, what), ns[side, what, 1], ns[side, what, n])
	}
	function median(side, what) {
		return ns[side, what, int((count[side, what] + 1) / 2)]
	}
	{
		if (!(seen[$2]++))
			order[++scenarios] = $2
		ns[$1, $2, ++count[$1, $2]] = $3
	}
	END {
		printf "%-40s %18s %18s %6s\n", "ns a packet", "A: " a, "B: " b, "B/A"
		for (s = 1; s <= scenarios; s++) {
			what = order[s]
			ratio = "-"
			left = shown("A", what)
			right = shown("B", what)
			if (count["A", what] && count["B", what] && median("A", what) > 0)
				ratio = sprintf("%.2f", median("B", what) / median("A", what))
			printf "%-40s %18s %18s %6s\n", what, left, right, ratio
		}
	}' "$dir/figures"

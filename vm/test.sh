#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests that depend on the kernel below every kernel of vm/kernels.txt; the last line is
# "N passed, N failed, N skipped", as of tests/run.sh.
#   vm/test.sh [PACKAGE]...   only these kernels
#   vm/test.sh --short        some of the tests, and only the first kernel: what `make test` runs
# What a kernel's tests said stays in build/logs/vm-PACKAGE.log.
set -u
cd "$(dirname "$0")/.." || exit 1

limit=1500 # seconds a kernel
programs=(packet/ test_probe_path e2e/http_nat e2e/http_l2 e2e/dispatcher e2e/vlan e2e/bond e2e/kernel_tunnel e2e/ipvs)
logs=${O:-build}/logs
passed=0 failed=0 skipped=0

short='' slower=5
if [ "${1:-}" = --short ]; then
	short=1 slower=20 # others have the processors
	programs=(packet/ e2e/kernel_tunnel)
	shift
fi
kernels=("$@")
[ $# -gt 0 ] || mapfile -t kernels < <(sed -E 's/[[:space:]]*(#.*)?$//; /^$/d' vm/kernels.txt)
[ -z "$short" ] || kernels=("${kernels[0]}")

# tally KERNEL LOG: adds its last line to the totals; a kernel without one has failed once, and what
# failed there follows.
tally() {
	local words bad=
	read -r -a words <<<"$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$2")"
	[ "${#words[@]}" -eq 6 ] || words=(0 x 1 x 0 x)
	passed=$((passed + words[0]))
	failed=$((failed + words[2]))
	skipped=$((skipped + words[4]))
	[ "${words[2]}" -eq 0 ] || bad='not '
	echo "${bad}ok $1: ${words[0]} passed, ${words[2]} failed, ${words[4]} skipped"
	# What run.sh repeats in front of its count.
	[ -z "$bad" ] || sed -n '/^failed:$/,/ skipped$/s/^  /# /p' "$2"
}

trap 'exit 130' INT TERM # else the next kernel would follow

mkdir -p "$logs"
for kernel in "${kernels[@]}"; do
	echo "$kernel"
	log=$logs/vm-$kernel.log
	vm/boot.sh -t "$limit" "$kernel" env SLOWER="$slower" bash -c 'uname -r; exec bash tests/run.sh "$@"' \
		_ "${programs[@]}" 2>&1 | tee "$log" | sed -u 's/^/  /'
	tally "$kernel" "$log"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

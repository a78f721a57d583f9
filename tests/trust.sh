#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes build/trust.txt, and prints its head: what was done to break the programs, in figures. From
# the lines "# trust ..." that tests/run.sh has gathered in that file, the promises, and what
# vm/test.sh has left of other kernels.
#   tests/trust.sh PASSED FAILED   as tests/run.sh counts them
set -eu
cd "$(dirname "$0")/.."

build=${O:-build}
trust=$build/trust.txt

# sum WORD: of the numbers before this word in what was gathered
sum() {
	grep -oE "[0-9]+ $1" "$trust" | awk '{n += $1} END {print n + 0}'
}

fuzzers() {
	find tests/fuzz/corpus -type f -printf '%s\n' | awk -v executions="$(sum executions)" -v inputs="$(sum inputs)" '
		{n++; bytes += $1}
		END {
			printf "fuzz, all: %d executions, %d inputs; %d inputs (%d KiB) are in the repository\n",
				executions, inputs, n, bytes / 1024
		}'
}

# kernels PASSED FAILED: this one, and those below which `make test-vm` has run
kernels() {
	local log count
	echo "kernel $(uname -r): $1 passed, $2 failed (make test)"
	for log in "$build"/logs/vm-*.log; do
		count=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" 2>/dev/null) || continue
		echo "kernel $(grep -m 1 -oE '^[0-9]+\.[0-9]+[^ ]*$' "$log"):" \
			"${count%,*} (make test-vm, $(date -r "$log" +%F))"
	done
}

{
	cat "$trust"
	fuzzers
	kernels "$@"
	echo "promises: $(wc -l <"$build/promises.txt") measured"
} | sort >"$trust.new"
echo "trust:"
sed 's/^/  /' "$trust.new"
sed 's/^/  /' "$build/promises.txt" >>"$trust.new"
mv "$trust.new" "$trust"

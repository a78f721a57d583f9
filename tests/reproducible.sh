#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a copy of this tree in another directory, by another user's habits (umask, locale, time
# zone, home, order of the jobs), and compares what comes out with what is in build/, byte for byte.
#   tests/reproducible.sh FILE...     e.g. lbctl bpf/decap.bpf.o: what in build/ to compare
#   tests/reproducible.sh deb         the packages
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=lab/check.sh
. tests/lab/check.sh
build=${O:-build}

# copy DIR: what git tracks, or would; git, too, for the packages are made from what it says.
copy() {
	git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1" &&
		git -C "$1" init --quiet && git -C "$1" add --all
}

# elsewhere DIR TARGET...
elsewhere() {
	local dir=$1
	shift
	(umask 077 && cd "$dir" && env -i PATH="$PATH" HOME=/nonexistent TZ=Asia/Kathmandu \
		LC_ALL=C.UTF-8 make -j3 "$@")
}

# differ DIR FILE: where the two files differ
differ() {
	cmp "$build/$2" "$1/build/$2" 2>&1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree="$scratch/another/place/sluice"
mkdir -p "$tree"
check "the tree is copied" copy "$tree"
if [ "$*" = deb ]; then
	check "the packages are built there" elsewhere "$tree" deb
	set -- "$build"/deb/*.deb
	set -- "${@#"$build"/}"
else
	check "it is built there" elsewhere "$tree" "${@/#/build/}"
fi
for file in "$@"; do
	check_equal "$file has the same bytes" "" "$(differ "$tree" "$file")"
done
checks_done

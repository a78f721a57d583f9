#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the packages from what git tracks, or would, into O/deb: in a tree of its own, so that
# nothing of it stays in this one. The programs are those of O, which `make build` has made.
#   debian/build.sh [O]
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(cd "${1:-build}" && pwd)
version=$(dpkg-parsechangelog --show-field Version)
[ "$version" = "$(sed -n 's/^VERSION := //p' Makefile)" ] ||
	{ echo "debian/changelog says $version, the Makefile another version" >&2; exit 1; }

tree=$build/deb/sluice-$version
log=$build/deb/build.log
rm -rf "$build/deb"
mkdir -p "$tree"
git ls-files -coz --exclude-standard | xargs -0 cp --preserve=mode,timestamps --parents -t "$tree"
ln -s "$build" "$tree/build"

cd "$tree"
dpkg-buildpackage --build=binary --no-sign --no-pre-clean >"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; exit 1; }
cd ..
rm -rf "$tree"
ls -1 ./*.deb

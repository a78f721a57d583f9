#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints what the built programs are made of, as SPDX 2.3 in JSON: the programs and BPF objects with
# their digests, the Debian packages of the libraries that each is linked with and loads, Chart.js,
# which lbagent carries, and the tools that made them. The same build gives the same document.
#   debian/sbom.sh [O]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

programs=(lbagent lbctl lbnode hello orders store unstable)
objects=(bpf/decap.bpf.o bpf/ingress.bpf.o bpf/probe.bpf.o bpf/syncookie.bpf.o)
tools=(binutils bpftool clang gcc make)
headers=(libbpf-dev libc6-dev linux-libc-dev)
version=$(dpkg-parsechangelog --show-field Version)
created=$(date --utc --date "@$(dpkg-parsechangelog --show-field Timestamp)" +%Y-%m-%dT%H:%M:%SZ)

# --- libraries ---

# libraries FILE: "NAME PATH" of each that the loader takes in
libraries() {
	ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}'
}

# Fills the packages in that the programs' libraries are of, by path. One question for all, for
# dpkg reads all its lists for each; /lib is a link, and dpkg knows some libraries by one way only.
declare -A owner=()
learn_owners() {
	local name paths line path
	mapfile -t paths < <(for name in "${programs[@]}"; do libraries "$build/$name"; done |
		awk '{print $2}' | sort -u)
	while read -r line; do # PACKAGE[:ARCHITECTURE]: PATH
		path=${line##*: }
		owner[${path#/usr}]=${line%%:*}
	done < <(dpkg-query --search "${paths[@]}" "${paths[@]/#//usr}" 2>/dev/null)
}

# links PROGRAM: "DYNAMIC_LINK PACKAGE" of what it names itself, "DEPENDS_ON PACKAGE" of what these
# bring along
links() {
	local needed name path type
	needed=$(readelf --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	libraries "$1" | while read -r name path; do
		type=DEPENDS_ON
		! grep -qxF "$name" <<<"$needed" || type=DYNAMIC_LINK
		echo "$type ${owner[${path#/usr}]}"
	done | LC_ALL=C sort -u
}

# --- licences ---

# debian_licence PACKAGE: what its copyright file says of all files that nothing else is said of;
# nothing where that file is not written for machines
debian_licence() {
	local file=/usr/share/doc/$1/copyright
	grep -q '^Format:.*copyright-format' "$file" 2>/dev/null || return 0
	awk '/^Files:/ {all = $0 ~ /^Files:[ \t]*\*[ \t]*$/} /^License:/ && all {sub(/^License:[ \t]*/, ""); print; exit}' \
		"$file"
}

# spdx_licence WORDS: the same in SPDX's names; NOASSERTION if it has none for one of them
spdx_licence() {
	local word expression=
	for word in $1; do
		case $word in
		and) word=AND ;;
		or) word=OR ;;
		Expat | MIT) word=MIT ;;
		[Zz]lib) word=Zlib ;;
		Apache-2.0 | ISC | curl | X11 | OLDAP-2.8) ;;
		BSD-[23]-[Cc]lause) word=${word%lause} && word=${word%[Cc]}Clause ;;
		LGPL-2 | LGPL-3 | GPL-2 | GPL-3) word=$word.0-only ;;
		LGPL-2+ | LGPL-3+ | GPL-2+ | GPL-3+) word=${word%+}.0-or-later ;;
		LGPL-2.[01] | LGPL-3.0 | GPL-[23].0) word=$word-only ;;
		LGPL-2.[01]+ | LGPL-3.0+ | GPL-[23].0+) word=${word%+}-or-later ;;
		*) echo NOASSERTION && return ;;
		esac
		expression+="${expression:+ }$word"
	done
	echo "${expression:-NOASSERTION}"
}

# --- tables, of fields parted by tabs ---

# debian_packages PURPOSE NAME...: name, version, architecture, purpose, licence, Debian's words for it
debian_packages() {
	local purpose=$1 name version architecture said
	shift
	dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' "$@" | LC_ALL=C sort -u |
		while read -r name version architecture; do
			said=$(debian_licence "$name")
			printf '%s\t' "$name" "$version" "$architecture" "$purpose" "$(spdx_licence "$said")"
			printf '%s\n' "${said:-not in a form for machines}"
		done
}

packages() {
	local linked
	mapfile -t linked < <(cut -d ' ' -f 2 "${programs[@]/#/$scratch/links.}" | LC_ALL=C sort -u)
	debian_packages LIBRARY "${linked[@]}" "${headers[@]}" libjs-chart.js
	debian_packages APPLICATION "${tools[@]}"
}

# name, licence, SHA-1, SHA-256
files() {
	local name licence sha1 sha256
	for name in "${programs[@]}" "${objects[@]}"; do
		licence=Apache-2.0
		[[ $name != bpf/* ]] || licence='GPL-2.0-only OR BSD-2-Clause'
		sha1=$(sha1sum <"$build/$name")
		sha256=$(sha256sum <"$build/$name")
		printf '%s\t%s\t%s\t%s\n' "$name" "$licence" "${sha1%% *}" "${sha256%% *}"
	done
}

# element, relation, element
relations() {
	local name
	printf '%s\t%s\t%s\n' DOCUMENT DESCRIBES sluice
	for name in "${programs[@]}" "${objects[@]}"; do
		printf '%s\t%s\t%s\n' sluice CONTAINS "file-$name"
	done
	for name in "${programs[@]}"; do
		sed "s/^/file-$name\t/; s/ /\t/" "$scratch/links.$name"
	done
	printf '%s\t%s\t%s\n' file-lbagent CONTAINS libjs-chart.js
	for name in "${tools[@]}"; do
		printf '%s\t%s\t%s\n' "$name" BUILD_TOOL_OF sluice
	done
	for name in "${headers[@]}"; do
		printf '%s\t%s\t%s\n' "$name" BUILD_DEPENDENCY_OF sluice
	done
}

# --- the document ---

learn_owners
for name in "${programs[@]}"; do
	links "$build/$name" >"$scratch/links.$name"
done
packages >"$scratch/packages"
files >"$scratch/files"
relations >"$scratch/relations"
digest=$(cat "$scratch/packages" "$scratch/files" "$scratch/relations" | sha256sum)
jq --null-input --from-file debian/sbom.jq --arg created "$created" --arg version "$version" \
	--arg digest "${digest%% *}" --rawfile packages "$scratch/packages" \
	--rawfile files "$scratch/files" --rawfile relations "$scratch/relations"

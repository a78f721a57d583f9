#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every check that reads the sources without running the programs; one line a check, ends with 1
# if any has a finding. What it must build goes to build/lint/.
#   tests/lint.sh [NAME]   only checks whose name contains NAME
set -u
cd "$(dirname "$0")/.." || exit 1

out=${O:-build}/lint
filter=${1:-}
jobs=${JOBS:-$(nproc)}
findings=0
mkdir -p "$out"

warnings=(-Wall -Wextra -Werror -Wshadow)
flags=(-std=gnu11 -D_GNU_SOURCE '-DSLUICE_VERSION="lint"' "${warnings[@]}"
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings -Wundef
	-Icommon -Ibpf -Iagent "-I$out/gen")
bpf_flags=(-std=gnu11 -O2 -target bpf -mcpu=v3 "${warnings[@]}"
	"-I/usr/include/$(uname -m)-linux-gnu")

# files PATTERN...: what git tracks or would, and is there
files() {
	git ls-files -co --exclude-standard -- "$@" | while read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done
}

# check NAME CMD...: CMD is silent where all is well, or at least ends with 0
check() {
	local name=$1 log=$out/$1.log begin=$SECONDS
	shift
	[[ $name == *"$filter"* ]] || return 0
	if "$@" >"$log" 2>&1 </dev/null; then
		printf 'ok      %-16s %3d s\n' "$name" $((SECONDS - begin))
	else
		printf 'not ok  %-16s %3d s   %s\n' "$name" $((SECONDS - begin)) "$log"
		sed 's/^/        /' "$log"
		findings=$((findings + 1))
	fi
}

# none CMD...: finds nothing, and says what it finds
none() {
	! "$@"
}

# --- C ---

# Other checks need the skeletons; the objects are the same that the programs embed.
bpf_objects() {
	local source skeleton skeletons=("$out/gen/ingress.skel.h" "$out/gen/decap.skel.h"
		"$out/gen/probe.skel.h" "$out/gen/syncookie.skel.h")
	local objects=("${skeletons[@]}" "$out/gen/corpus.h" "$out/gen/page_files.h")
	for source in $(files 'bpf/*.bpf.c' 'tests/bench/*.bpf.c'); do
		objects+=("$out/${source%.c}.o")
	done
	make --no-print-directory O="$out" "${objects[@]}" || return
	# Generated code is not ours to mend.
	for skeleton in "${skeletons[@]}"; do
		grep -q NOLINTBEGIN "$skeleton" ||
			sed -i -e '1i // NOLINTBEGIN' -e '$a // NOLINTEND' "$skeleton"
	done
}

# Its warnings come before it makes code, so it need not make any.
with_clang() {
	make --no-print-directory -j"$jobs" CC=clang CFLAGS=-fsyntax-only O="$out" compiled
}

format() {
	files '*.c' '*.h' | xargs -P "$jobs" -n 100 clang-format --dry-run -Werror
}

programs() {
	files 'agent/*.c' 'common/*.c' 'ctl/*.c' 'backends/*.c'
}

# Nearly all of its time is the analyzer's, most of it in few functions with very many states. A third
# of the usual limit on states halves that; ANALYZER_STATES=225000 is the usual one.
tidy() {
	local depth=(-Xclang -analyzer-config -Xclang "max-nodes=${ANALYZER_STATES:-75000}")
	# It also counts what it found in the system's headers, and does not show.
	programs | xargs -P "$jobs" -I{} clang-tidy --quiet {} -- "${flags[@]}" "${depth[@]}" 2>&1 |
		grep -vE '^[0-9]+ warnings? generated'
	return "${PIPESTATUS[1]}"
}

headers() {
	local status=0
	# Those of bpf/native/bpf stand in for the kernel's, behind its headers.
	files 'agent/*.h' 'common/*.h' 'ctl/*.h' 'backends/*.h' 'tests/*.h' 'bpf/native/*.h' |
		grep -v '^bpf/native/bpf/' |
		xargs -P "$jobs" -n 10 gcc "${flags[@]}" -Ibpf/native -Itests/native -Itests/packet \
			-Itests/replay -fsyntax-only -x c || status=1
	# The stages of the packet's way are parts of a program; these are more than that.
	clang "${bpf_flags[@]}" -fsyntax-only -x c bpf/abi.h bpf/decap_abi.h bpf/verdicts.h || status=1
	return $status
}

cppcheck_all() {
	local list
	# Macros of headers that it does not read, near enough.
	local macros=('-DLIBBPF_OPTS(type,name,...)=struct type name={__VA_ARGS__}'
		'-Dbpf_object__for_each_map(map,object)=while((map=bpf_object__next_map(object,map)))'
		'-DcJSON_ArrayForEach(item,list)=while((item=cJSON_next(list,item)))'
		'-DLIST_FOREACH(item,list,link)=while((item=list_next(list)))'
		'-DTAILQ_FOREACH(item,list,link)=while((item=list_next(list)))'
		'-DPAGE_FILES(X)=X(id,"name","source","digest")')
	mapfile -t list < <(programs)
	cppcheck --quiet -j"$jobs" --error-exitcode=1 --std=c11 --inline-suppr \
		--enable=warning,performance,portability --suppressions-list=.cppcheck \
		-D_GNU_SOURCE '-DSLUICE_VERSION="lint"' "${macros[@]}" -Icommon -Ibpf -Iagent \
		"${list[@]}"
}

# --- the house's rules that a pattern can hold ---

numbers_in_one_place() {
	local list
	mapfile -t list < <(programs | grep -v '^common/parse\.c$')
	none grep -nwE 'ato(i|l|ll|f)|strto(l|ll|ul|ull|d|imax|umax)|[fs]?scanf' "${list[@]}"
}

libbpf_in_one_place() {
	local list
	mapfile -t list < <(files 'agent/*' 'backends/*' |
		grep -vE '^(agent/(dataplane_[a-z_]+\.[ch]|xdp_dispatcher\.[ch])|backends/lbnode_(bpffs|cookie|decap)\.c)$')
	none grep -nE '#include <(bpf|xdp)/' "${list[@]}"
}

licences() {
	local file want status=0
	for file in $(files '*.c' '*.h' '*.sh' '*.bash' '*.service' 'drivers/*' '.ci/run' 'docs/man/*' Makefile \
		'*.yml' '*.py' '*sonnet' '*.js' '*.mjs' '*.css' '*.html'); do
		case $file in
		bpf/*) want='GPL-2.0-only OR BSD-2-Clause' ;;
		*) want='Apache-2.0' ;;
		esac
		head -n 2 "$file" | grep -q "SPDX-License-Identifier: $want" && continue
		echo "$file: the first lines do not say SPDX-License-Identifier: $want"
		status=1
	done
	return $status
}

# Space at the end of a line, a last line without its end.
whitespace() {
	local file status=0
	for file in $(files '*.c' '*.h' '*.sh' '*.md' '*.pkt' '*.json' '*.yml' '*.py' '*sonnet' '*.js' \
		'*.mjs' '*.css' '*.html' Makefile); do
		if grep -nHE '[[:blank:]]$' "$file"; then status=1; fi
		[ -z "$(tail -c 1 "$file")" ] && continue
		echo "$file: the last line has no end"
		status=1
	done
	return $status
}

places() {
	files | xargs grep -InE '(^|[^[:alnum:]_.$}])/(home|root|Users|work)/'
}

unfinished() {
	files '*.c' '*.h' '*.sh' '*.md' Makefile | xargs grep -nE '\b(T[O]DO|F[I]XME|X[X]X)\b'
}

# --- the rest ---

shell() {
	local list file
	mapfile -t list < <(files '*.sh' '*.bash' '.ci/*' drivers/ansible drivers/lab drivers/systemd)
	for file in "${list[@]}"; do
		bash -n "$file" || return
	done
	printf '%s\n' "${list[@]}" | xargs -P "$jobs" -n 5 shellcheck
}

# Also found where node is not Debian's own and looks elsewhere.
scripts() {
	local rules='{"no-undef": 2, "no-unused-vars": 2, "no-shadow": 2, "prefer-const": 2, "eqeqeq": 2,
		"no-eval": 2, "no-implied-eval": 2, "max-lines-per-function": [2, 60]}'
	local list
	mapfile -t list < <(files '*.js' '*.mjs')
	NODE_PATH=/usr/share/nodejs eslint --format unix --no-eslintrc --rule "$rules" --env es2020,browser,node \
		--global TextDecoderStream:readonly --parser-options=ecmaVersion:2020,sourceType:module "${list[@]}"
}

manuals() {
	local page status=0
	for page in $(files 'docs/man/*'); do
		man --warnings --encoding=UTF-8 --local-file "$page" 2>&1 >/dev/null |
			grep . && status=1
	done
	return $status
}

# What it keeps for machines goes to build/lint/, too; which provider there is does not matter.
vagrant_file() {
	VAGRANT_HOME=$(realpath "$out")/vagrant VAGRANT_DOTFILE_PATH=$(realpath "$out")/vagrant-machines \
		vagrant validate --ignore-provider
}

check bpf bpf_objects
check format format
check licences licences
check whitespace whitespace
check places none places
check unfinished none unfinished
check numbers numbers_in_one_place
check libbpf libbpf_in_one_place
check shell shell
check scripts scripts
check manuals manuals
check vagrant vagrant_file
check headers headers
check clang with_clang
check cppcheck cppcheck_all
check tidy tidy

if [ "$findings" -gt 0 ]; then
	echo "$findings checks have findings"
	exit 1
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the documentation against the code: what it shows exists, and what exists is in it.
#
#   tests/unit/docs.sh
# Each case prints a line: ok NAME or not ok NAME, the latter with what is missing.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

build=${O:-build}
lbctl=$build/lbctl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SLUICE_SOCKET=$scratch/none.sock
pages=(README.md CONTRIBUTING.md SECURITY.md docs/*.md)

# same NAME FILE FILE: two lists are the same, in any order, and not empty.
same() {
	local difference
	difference=$(diff <(sort "$2") <(sort "$3") | sed -n 's/^</only in the code:/p; s/^>/only in the docs:/p')
	[[ -s $2 ]] || difference="nothing found in the code"
	check_none "$1" "$difference"
}

# column PAGE HEAD N...: cells N of the page's tables whose first column is called HEAD.
column() {
	local page=$1 head=$2
	shift 2
	awk -F ' *[|] *' -v head="$head" -v wanted="$*" '
		$2 == head {on = 1; next}
		!/^\|/ {on = 0}
		on && !/^\|[-|: ]*$/ {
			n = split(wanted, cell, " ")
			line = ""
			for (i = 1; i <= n; i++)
				line = line (i > 1 ? "|" : "") $(cell[i] + 1)
			gsub(/`/, "", line)
			print line
		}' "$page"
}

# --- tables that mirror the code ---

printf '%s\n' '#include "bpf/verdicts.h"' '#define X(name, label, class, text) @class|label|text' \
	'LB_VERDICTS(X)' | gcc -E -P -I. - | tr '@' '\n' |
	sed -nE 's/^DROP\|"([^"]*)"\|"([^"]*)".*/\1|\2/p' >"$scratch/reasons"
column docs/drops.md reason 1 2 >"$scratch/documented"
same "drops.md has every drop reason and its text" "$scratch/reasons" "$scratch/documented"

{
	# The reason's name, and what to do about it.
	printf '%s\n' '#include "bpf/verdicts.h"' '#define X(name, label, class, text) @class|name|label' \
		'LB_VERDICTS(X)' | gcc -E -P -I. - | tr '@' '\n' | sed -nE 's/^DROP\|([A-Z_]+)\|"([^"]*)".*/\1 \2/p'
} >"$scratch/names"
printf '%s\n' '#include "agent/drop_advice.h"' '#define X(name, text) @name|text' 'DROP_ADVICE(X)' |
	gcc -E -P -I. -Ibpf - | tr -d '\n' | tr '@' '\n' | sed -E 's/" *"//g' |
	sed -nE 's/^([A-Z_]+)\|"([^"]*)".*/\1|\2/p' |
	awk -F '|' 'NR == FNR {split($0, n, " "); label[n[1]] = n[2]; next} {print label[$1] "|" $2}' \
		"$scratch/names" - >"$scratch/advice"
column docs/drops.md reason 1 3 | sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g' >"$scratch/documented"
same "drops.md and lbctl drops have the same advice" "$scratch/advice" "$scratch/documented"

printf '%s\n' '#include "bpf/decap_abi.h"' '#define X(name, label, class, text) @label|text' \
	'DECAP_OUTCOMES(X)' | gcc -E -P -I. - | tr '@' '\n' |
	sed -nE 's/^"([^"]*)"\|"([^"]*)".*/\1|\2/p' >"$scratch/outcomes"
column docs/operate.md outcome 1 2 >"$scratch/documented"
same "operate.md has every outcome of lb_decap and its text" "$scratch/outcomes" "$scratch/documented"

grep -oE '"(lb|process)_[a-z_]+"' agent/metrics.c | tr -d '"' | sort -u >"$scratch/metrics"
column docs/metrics.md metric 1 >"$scratch/documented"
same "metrics.md has every metric" "$scratch/metrics" "$scratch/documented"

# Types and labels, as an agent's own page has them, are held against it by tests/e2e/metrics.sh.
column docs/metrics.md metric 1 4 | awk -F '|' '$2 == "" {print $1}' >"$scratch/mute"
check_none "metrics.md says what each metric means" "$(cat "$scratch/mute")"

cut -d '|' -f 1 "$scratch/reasons" >"$scratch/labels"
# shellcheck disable=SC2016 # backticks are meant
grep -F '| `lb_drops_total` |' docs/metrics.md | sed 's/.*Reasons: //; s/;.*//' | grep -oE '`[a-z_]+`' |
	tr -d '`' >"$scratch/documented"
same "metrics.md has every drop reason" "$scratch/labels" "$scratch/documented"

sed -nE 's/^\t\t\[BACKEND_[A-Z_]+\] = "([a-z-]+)",$/\1/p' agent/backend_run.c >"$scratch/statuses"
column docs/operate.md status 1 >"$scratch/documented"
same "operate.md explains every status" "$scratch/statuses" "$scratch/documented"

sed -nE 's/^\tX\([A-Z_]+, "([a-z-]+)", [A-Z]+\).*$/\1/p' agent/event.h | sort >"$scratch/kinds"
column docs/operate.md kind 1 >"$scratch/documented"
same "operate.md explains every kind of event" "$scratch/kinds" "$scratch/documented"

# What `rm backend` does to flows without --deadline must be found wherever it is explained.
limit=$(($(sed -nE 's/^#define DOCUMENT_DRAIN_MS +([0-9]+).*$/\1/p' agent/document.h) / 1000))s
missing=
grep -q "\`?deadline=$limit\` (the default)" docs/api.md || missing+=$'\n'docs/api.md
grep -q "\`rm\` drains.* $limit if you give none" docs/operate.md || missing+=$'\n'docs/operate.md
sed -n '/^\.Ss rm backend/,/^\.Ss show/p' docs/man/lbctl.1 | grep -q "^\.Sy $limit " ||
	missing+=$'\n'docs/man/lbctl.1
"$lbctl" help rm backend | grep -q -- "--deadline .*rm: $limit)" || missing+=$'\n'"lbctl help rm"
check_none "every page on rm backend says that it drains for $limit by default" "$missing"

# --- what pages show ---

# Code of a page: fenced or indented lines, without prompt and comment, and spans in backticks.
code() {
	awk '/^ *```/ {fence = !fence; next} fence || /^    / {print}' "$1" |
		sed -E 's/^ *([$#] )?//; s/ +# .*//'
	# shellcheck disable=SC2016 # backticks are meant
	awk '/^ *```/ {fence = !fence; next} !fence && !/^    /' "$1" | grep -oE '`[^`]+`' | tr -d '`'
}

# shown PREFIX PAGE: its lines of code that begin so, up to a pipe, a redirection or the next command; not those
# that leave something out.
shown() {
	code "$2" | grep -E "^$1( |\$)" | sed -E 's/ *([|;&>].*)$//' | grep -vE '\.\.\.' | sort -u
}

# accepted LINE: lbctl's parser takes it. The agent it asks does not exist.
accepted() {
	local words
	mapfile -t words < <(sed -E 's/^lbctl//; s/ --(socket|url)[= ][^ ]+//g' <<<"$1" |
		xargs -r -n1 printf '%s\n')
	timeout 10 "$lbctl" "${words[@]}" >/dev/null 2>"$scratch/stderr" </dev/null
	[[ $? -lt 2 ]]
}

commands=0
refused=
while read -r page line; do
	commands=$((commands + 1))
	accepted "$line" || refused+=$'\n'"$page: $line: $(head -n 1 "$scratch/stderr")"
done < <(
	for page in "${pages[@]}"; do shown lbctl "$page" | grep -v '^lbctl$' | sed "s|^|$page |"; done
	grep -hE '^lbctl ' docs/man/*.[18] | sed -E 's/ *[|>].*//; s|^|docs/man |'
)
((commands > 0)) || refused="no command found"
check_none "lbctl accepts all $commands commands that pages show" "$refused"

missing=
for page in "${pages[@]}"; do
	for target in $(shown make "$page" | grep -oE '[ ][a-z][a-z-]*' | sort -u); do
		grep -qhE "^$target:.*## " Makefile tests/fuzz/fuzz.mk || missing+=$'\n'"$page: make $target"
	done
done
check_none "every make target that pages show is in the Makefile" "$missing"

missing=
"$build/lbagent" --help >"$scratch/help" 2>&1
for flag in $(for page in "${pages[@]}"; do shown lbagent "$page"; done | grep -oE -- '--[a-z-]+' |
	sort -u) $(column docs/operate.md flag 1); do
	grep -qE -- "$flag\b" "$scratch/help" || missing+=$'\n'"$flag"
done
check_none "lbagent has every flag that pages show" "$missing"

missing=
"$build/lbnode" --help >"$scratch/node-help" 2>&1
for flag in $(for page in "${pages[@]}"; do shown lbnode "$page"; done |
	cat - docs/man/lbnode.8 | grep -oE -- '(^|[ `])--[a-z0-9-]+' | tr -d ' `' | sort -u); do
	grep -qE -- "$flag\b" "$scratch/node-help" || missing+=$'\n'"$flag"
done
check_none "lbnode has every flag that pages show" "$missing"

grep -hoE 'webapp_[a-z_]+(_total|_seconds|_requests|_up|_use)' backends/*.c | sort -u >"$scratch/metrics"
column docs/demo-services.md metric 1 >"$scratch/documented"
same "demo-services.md has every metric" "$scratch/metrics" "$scratch/documented"

missing=
for program in hello unstable store orders; do
	"$build/$program" --help >"$scratch/$program-help" 2>&1
	while read -r flag; do
		grep -qE -- "^\\| \`$flag\` \\|" docs/demo-services.md || missing+=$'\n'"$flag of $program"
	done < <(grep -oE '^  --[a-z-]+' "$scratch/$program-help" | tr -d ' ')
	while read -r flag; do
		grep -qE -- "^  $flag\b" "$scratch/$program-help" || missing+=$'\n'"$program has no $flag"
	done < <(shown "build/$program" docs/demo-services.md | grep -oE -- ' --[a-z-]+' | tr -d ' ')
done
check_none "demo-services.md has every flag of the demo services, and shows no other" "$missing"

missing=
for page in "${pages[@]}" tests/packet/cases/README.md; do
	while read -r target; do
		path=${target%%#*}
		[[ -z $path || -e $(dirname "$page")/$path ]] || missing+=$'\n'"$page: $target"
	done < <(grep -oE '\]\([^)]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -v '^https\?:')
done
check_none "every link between pages leads somewhere" "$missing"

# --- lists that the manual must have ---

missing=
while read -r flag; do
	grep -qE -- "Fl -${flag#--}( |\$)" docs/man/lbagent.8 || missing+=$'\n'"$flag"
done < <(grep -oE '^  --[a-z-]+' "$scratch/help" | tr -d ' ')
check_none "lbagent.8 explains every flag" "$missing"

missing=
while read -r flag; do
	grep -qE -- "Fl -${flag#--}( |\$)" docs/man/lbnode.8 || missing+=$'\n'"$flag"
done < <(grep -oE '^  --[a-z0-9-]+' "$scratch/node-help" | tr -d ' ')
check_none "lbnode.8 explains every flag" "$missing"

# --- tests ---

missing=
# shellcheck disable=SC2016 # backticks, as they stand in the pages
while read -r test; do
	[ -e "$test" ] || missing+=$'\n'$test
done < <(grep -ohE '`tests/[a-zA-Z0-9_./-]+`' "${pages[@]}" | tr -d '`' | sort -u)
check_none "tests that the docs name are there" "$missing"

checks_done

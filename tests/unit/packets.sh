#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the table of docs/packets.md against tests/packet/cases/packets.pkt, whose verdicts the
# packet tests hold against the program.
#
#   tests/unit/packets.sh
# Each case prints a line: ok NAME or not ok NAME, the latter with what differs.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

page=docs/packets.md
cases=tests/packet/cases/packets.pkt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# "ROW, COLUMN: WORD" a line, from the page's table; a row of one cell is a heading.
cells() {
	awk -F ' *[|] *' '
		$2 == "packet" {on = 1; for (i = 3; i < NF; i++) column[i] = $i; next}
		on && !/^\|/ {exit}
		on && !/^\|[-|: ]*$/ && $3 != "" {
			for (i = 3; i < NF; i++)
				if ($i != "–")
					print $2 ", " column[i] ": " $i
		}' "$page"
}

# The same from the cases: the last packet's verdict. Cases of a cell for each family follow each
# other; where they disagree there are two lines.
proofs() {
	awk '
		function end() {if (name != "") print name ": " word; name = ""}
		/^case "packets: / {
			end()
			name = $0
			sub(/^case "packets: /, "", name)
			sub(/, IPv[46]"$/, "", name)
		}
		$1 == "verdict" {word = $2}
		END {end()}' "$cases" | uniq
}

cells | sort >"$scratch/cells"
proofs | sort >"$scratch/proofs"
difference=$(diff "$scratch/cells" "$scratch/proofs" | sed -n 's/^</in the table:/p; s/^>/in the cases:/p')
[[ -s $scratch/cells ]] || difference="no table found"
check_none "packets.md says what the $(wc -l <"$scratch/proofs") cells' cases prove" "$difference"

difference=$(sed 's/.*: //' "$scratch/proofs" | sort -u | while read -r word; do
	# shellcheck disable=SC2016 # backticks are meant
	grep -qF "| \`$word\` |" "$page" docs/drops.md || echo "$word"
done)
check_none "every word of the table is explained there or in drops.md" "$difference"

checks_done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the budget of docs/performance.md against what the program's own instructions do to the
# packets of tests/packet/costs.pkt. Counts, no times: they are the same on every machine.
#
#   tests/unit/costs.sh            compares: ok NAME or not ok NAME a case
#   tests/unit/costs.sh --write    puts into the page what is counted now
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

page=docs/performance.md
cases=tests/packet/costs.pkt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

counted() {
	"${O:-build}/tests/packet/lb_packet_test" --costs "$cases" 2>"$scratch/errors" >"$scratch/counted"
}

# rows: those of the page's table.
rows() {
	awk '/<!-- costs -->/ {on = 1; next} /<!-- end of costs -->/ {exit} on && /^\| [^p-]/' "$page"
}

write() {
	awk -v counted="$scratch/counted" '
		/<!-- costs -->/ {print; on = 1; next}
		on && /^\|/ && head++ < 2 {print; next}
		/<!-- end of costs -->/ {while ((getline line <counted) > 0) print line; on = 0}
		!on' "$page" >"$scratch/page" && cat "$scratch/page" >"$page"
}

if ! counted; then
	not_ok "the packets are counted" "$(head -n 5 "$scratch/counted" "$scratch/errors")"
	checks_done
	exit 1
fi
if [ "${1:-}" = --write ]; then
	write
	exit
fi
rows >"$scratch/rows"
check_equal "the page has a row for each case" "$(grep -c '^case ' "$cases")" "$(wc -l <"$scratch/rows")"
while read -r row; do
	name=${row#| }
	name=${name%% |*}
	check_equal "$name" "$(grep -F "| $name |" "$scratch/rows")" "$row"
done <"$scratch/counted"
checks_done

# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What all scenarios share. Source it, in place of the lab's own files.
#
# A scenario takes --short for the form that `make test` runs: small and quick, the same checks. The
# full form carries the balancer's page to 127.0.0.1:9480 meanwhile (PAGE_PORT takes another, if it
# is free). Both end in a report, build/reports/NAME.txt, .json and .svg; the short form's is
# NAME-short. Checks are of counts, never of times: those are reported.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/../lab/monitor.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/../lab/servers.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/../lab/check.sh"

SCENARIOS=$LAB_TOP/tests/scenarios
SCENARIO=$(basename "$0" .sh)
SCENARIO_SHORT= # 1 in the short form
SCENARIO_REPORTS=$LAB_BUILD/reports

case ${1:-} in
'') SCENARIO_REPORT=$SCENARIO_REPORTS/$SCENARIO ;;
--short) SCENARIO_SHORT=1 SCENARIO_REPORT=$SCENARIO_REPORTS/$SCENARIO-short ;;
*) echo "usage: $SCENARIO.sh [--short]" >&2 && exit 2 ;;
esac

# say WORDS...: how it goes, for who watches
say() {
	echo "# $*"
}

# by_form SHORT FULL: which of the two holds
by_form() {
	if [ -n "$SCENARIO_SHORT" ]; then echo "$1"; else echo "$2"; fi
}

# The page, in the full form, if its port is free.
scenario_page() {
	local port=${PAGE_PORT:-9480}
	[ -z "$SCENARIO_SHORT" ] || return 0
	! lab_carry page "$port" 9480 || say "the balancer's page meanwhile: http://127.0.0.1:$port/"
}

scenario_machine() {
	echo "$(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)," \
		"Linux $(uname -r), in network namespaces"
}

# report_json: takes an object with the figures, adds where and when they were measured.
report_json() {
	mkdir -p "$SCENARIO_REPORTS"
	jq --arg scenario "$SCENARIO" --arg machine "$(scenario_machine)" --arg date "$(date -u +%Y-%m-%d)" \
		'{scenario: $scenario, date: $date, machine: $machine} + .' >"$SCENARIO_REPORT.json"
}

# report_text TITLE: takes the text behind the title; says where the report is, and shows it.
report_text() {
	{
		echo "$SCENARIO: $1, $(date -u +%Y-%m-%d); $(scenario_machine)"
		echo
		cat
	} >"$SCENARIO_REPORT.txt"
	say "report: $SCENARIO_REPORT.txt, .json, .svg"
	sed 's/^/# /' "$SCENARIO_REPORT.txt"
}

# report_table: takes lines of fields, apart by tabs; the first is the head.
report_table() {
	column -t -s "$(printf '\t')"
}

# report_bars TITLE NAMES [SUFFIX]: a chart of stacked bars from lines of a label and numbers; NAMES
# says, in words apart by spaces, what each number is. A second chart has a SUFFIX to its name.
report_bars() {
	awk -v title="$1" -v names="$2" -f "$SCENARIOS/svg.awk" -f "$SCENARIOS/bars.awk" >"$SCENARIO_REPORT${3:-}.svg"
}

# report_lines TITLE NAMES [MARKS]: charts over time, one below the other, from lines of seconds and numbers
# (empty where nothing was measured). NAMES: one for each number, apart by tabs; MARKS: seconds and
# what began then, apart by tabs.
report_lines() {
	awk -v title="$1" -v names="$2" -v marks="${3:-}" -f "$SCENARIOS/svg.awk" \
		-f "$SCENARIOS/lines.awk" >"$SCENARIO_REPORT.svg"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds prometheus/ against promtool and amtool, its own unit tests, and the pages in docs/.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

rules=(prometheus/rules/*.yml)
alerts=$(sed -nE 's/^ +- alert: (.+)$/\1/p' "${rules[@]}" | sort)
records=$(sed -nE 's/^ +- record: (.+)$/\1/p' "${rules[@]}" | sort)

# check_same NAME LIST LIST
check_same() {
	check_none "$1" "$(diff <(sort -u <<<"$2") <(sort -u <<<"$3"))"
}

# without LIST LIST: what the first has and the second has not.
without() {
	comm -23 <(sort -u <<<"$1") <(sort -u <<<"$2")
}

# field NAME: of each alert, "ALERT VALUE".
field() {
	awk -v field="$1" '
		$1 == "-" && $2 == "alert:" {alert = $3}
		match($0, "(^| |[{])" field ": ") {
			value = substr($0, RSTART + RLENGTH)
			sub(/}$/, "", value)
			print alert, value
		}' "${rules[@]}"
}

# cases fires|quiet: alerts that a test says so of.
cases() {
	awk -v wanted="$1" '
		match($0, /alertname: [A-Za-z]+/) {alert = substr($0, RSTART + 11, RLENGTH - 11)}
		/exp_alerts: \[\]/ && wanted == "quiet" {print alert}
		/exp_labels:/ && wanted == "fires" {print alert}' prometheus/tests/alerts.yml
}

# --- the programs' own word ---

check "Prometheus takes its configuration" \
	promtool check config --lint=all --lint-fatal prometheus/prometheus.yml
check "Prometheus takes the rules" promtool check rules --lint=all --lint-fatal "${rules[@]}"
check "Alertmanager takes its configuration" amtool check-config prometheus/alertmanager.yml
for file in prometheus/tests/*.yml; do
	check "the rules do as $file has it" promtool test rules "$file"
done
for pair in critical:page warning:ticket info:note; do
	check_equal "what is ${pair%:*} goes to ${pair#*:}" "${pair#*:}" \
		"$(amtool config routes test --config.file=prometheus/alertmanager.yml \
			severity="${pair%:*}" 2>/dev/null)"
done

# --- nothing is forgotten ---

check_same "a test has every alert fire" "$alerts" "$(cases fires)"
check_same "a test has every alert quiet" "$alerts" "$(cases quiet)"
# shellcheck disable=SC2013 # no blanks are in them
check_none "a test has every recorded series" "$(for record in $records; do
	grep -qF "$record" prometheus/tests/rates.yml || echo "$record"
done)"
check_same "runbooks.md has a section for every alert, and no other" "$alerts" \
	"$(sed -nE 's/^## (Sluice.*)$/\1/p' docs/runbooks.md)"
check_same "every alert names its section of runbooks.md" \
	"$(while read -r alert; do echo "$alert docs/runbooks.md#${alert,,}"; done <<<"$alerts")" \
	"$(field runbook)"
for word in summary description severity; do
	check_same "every alert has a $word" "$alerts" "$(field $word | cut -d ' ' -f 1)"
done
check_none "severities are critical, warning or info" \
	"$(field severity | grep -vE ' (critical|warning|info)$')"
check_none "Alertmanager names no alert that there is not" \
	"$(without "$(grep -oE 'Sluice[A-Z][A-Za-z]+' prometheus/alertmanager.yml)" "$alerts")"
# shellcheck disable=SC2016 # backticks are meant
check_same "monitor.md has every recorded series" "$records" \
	"$(sed -nE 's/^\| `([a-z]+:lb_[^`]+)` .*/\1/p' docs/monitor.md)"

# --- what rules ask for exists ---

# shellcheck disable=SC2016 # likewise
check_none "every metric that rules ask for is in metrics.md" "$(without \
	"$(grep -hoE '(^|[^a-z_:])lb_[a-z_]+' "${rules[@]}" | grep -oE 'lb_[a-z_]+$' |
		sed -E 's/(_seconds)_(bucket|count|sum)$/\1/')" \
	"$(sed -nE 's/^\| `(lb_[a-z_]+)` .*/\1/p' docs/metrics.md)")"
check_none "every recorded series that rules ask for is recorded" \
	"$(without "$(grep -hoE '[a-z]+:lb_[a-z_]+:[a-z0-9_]+' "${rules[@]}")" "$records")"

checks_done

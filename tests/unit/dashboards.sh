#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Grafana's dashboards without Grafana: they are what their sources say, as the schema wants them, and
# fit what is around them; and what checks them notices what it should. tests/e2e/dashboards.sh asks
# Prometheus their queries.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

made=grafana/provisioning/dashboards/sluice
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check_boards() {
	/usr/bin/python3 -B tests/grafana/check.py "$@"
}

# setting FILE KEY: the first value of a key in a flat YAML file
setting() {
	sed -nE "s/^ *$2: *([^ #]+).*/\1/p" "$1" | head -n 1
}

# --- the boards ---

mkdir "$scratch/new"
for board in grafana/boards/*.jsonnet; do
	jsonnet -o "$scratch/new/$(basename "$board" .jsonnet).json" "$board"
done
check_none "dashboards are what their sources say ('make dashboards' writes them)" \
	"$(diff -r "$scratch/new" "$made" 2>&1 | head -n 20)"
check_none "their sources are formatted (jsonnetfmt -i grafana/boards/*)" \
	"$(jsonnetfmt --test grafana/boards/* 2>&1 || echo "one is not")"
check_boards "$made"/*.json || CHECKS_FAILED=$((CHECKS_FAILED + 1))

alerts=$(sed -nE 's/^ *- alert: *//p' prometheus/rules/*.yml)
unlinked=
[ -n "$alerts" ] || unlinked="no alert found"
for alert in $alerts; do
	grep -lF "Runbook: $alert" "$made"/*.json >/dev/null || unlinked+=$'\n'$alert
done
check_none "a panel leads to each alert's runbook" "$unlinked"

# --- what is around them ---

check_none "the provisioned data source is what boards choose at first" "$(
	diff <(setting grafana/provisioning/datasources/sluice.yml uid) \
		<(jq -r '.templating.list[0].current.value' "$made"/*.json | sort -u)
)"
check_none "it knows how often Prometheus scrapes" "$(
	diff <(setting grafana/provisioning/datasources/sluice.yml timeInterval) \
		<(setting prometheus/prometheus.yml scrape_interval)
)"
check_none "Grafana looks for boards where they are copied to" "$(
	diff <(setting grafana/provisioning/dashboards/sluice.yml path) <(echo "/etc/$made")
)"

# --- the checker itself ---

spoiled=0
words=()

# refuse WORDS FILTER: a board spoiled by the jq filter shall be refused with these words.
refuse() {
	spoiled=$((spoiled + 1))
	words[spoiled]=$1
	jq "$2" "$made/load-balancer.json" >"$scratch/$spoiled.json"
}

refuse 'uid is missing' 'del(.uid)'
refuse 'refresh is of type int' '.refresh = 10'
refuse 'schemaVersion 16 is not' '.schemaVersion = 16'
refuse 'ends in column 27 of 24' '.panels[8].gridPos.x = 24'
refuse 'New flows: lies on Backends down' '.panels[5].gridPos.x -= 1'
refuse 'panel id 3 is there 2 times' '.panels[5].id = 3'
refuse "panel title 'New flows' is there 2 times" '.panels[10].title = "New flows"'
refuse "type 'singlestat' is not known" '.panels[1].type = "singlestat"'
refuse 'description is empty' '.panels[1].description = ""'
refuse "unit 'parsec' is not known" '.panels[1].fieldConfig.defaults.unit = "parsec"'
refuse 'thresholds are not in order' \
	'.panels[7].fieldConfig.defaults.thresholds.steps |= [.[0], .[2], .[1]]'
refuse 'refId is missing' 'del(.panels[1].targets[0].refId)'
refuse 'expr is empty' '.panels[1].targets[0].expr = ""'
refuse "data source is not the variable's" '.panels[1].targets[0].datasource.uid = "mine"'
refuse 'window [5m] is not a variable' '.panels[10].targets[0].expr = "rate(up[5m])"'
# shellcheck disable=SC2016 # Grafana's variables
refuse '$colour is used, but no variable' '.panels[1].targets[0].expr += " + $colour"'
# shellcheck disable=SC2016
refuse 'variable backend is not used' '(.. | strings) |= gsub("\\$backend"; "x")'
refuse 'leads to no board or panel of ours' '.panels[1].links[0].url = "/d/sluice-runbooks?viewPanel=99"'

check_boards "$made"/*.json "$scratch"/*.json >"$scratch/log"
check_none "refused: a uid is there twice" \
	"$(grep -qF "uid 'sluice-lb' is there" "$scratch/log" || cat "$scratch/log")"
for ((i = 1; i <= spoiled; i++)); do
	sed -n "\|^not ok $scratch/$i.json|,/ok /p" "$scratch/log" >"$scratch/why"
	check_none "refused: ${words[i]}" "$(grep -qF -- "${words[i]}" "$scratch/why" || echo "accepted")"
done

checks_done

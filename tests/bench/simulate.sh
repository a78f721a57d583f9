#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints what lb_simulate computes, and leaves it in build/ as JSON and as curves.
#
#   tests/bench/simulate.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${O:-build}
"$build/tests/bench/lb_simulate" --json "$build/simulate.json"
jq -r -f tests/bench/simulate/curves.jq "$build/simulate.json" |
	awk -v title="What changes of backends and balancers move" -f tests/scenarios/svg.awk \
		-f tests/bench/simulate/curves.awk >"$build/simulate.svg"
printf '\n%s\n' "$build/simulate.json, $build/simulate.svg"

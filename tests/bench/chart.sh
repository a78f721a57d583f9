#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A chart, as SVG, of what lb_bench has measured: chart.sh FILE, which lb_bench --save has written.
set -euo pipefail
here=$(dirname "$0")

[ $# -eq 1 ] || { echo "usage: chart.sh FILE" >&2 && exit 2; }

jq -r '
	def figures: [.median, .min, .max];
	def flows: if . == null then "each new" elif . >= 1048576 then "\(. / 1048576) Mi"
		elif . >= 1024 then "\(. / 1024) Ki" else "\(.)" end;
	.results[] | [.mode, "\(.mode), \(.l4) over \(.ip)",
			"\(.packets), \(.flows | flows)" + if .vips > 1 then ", \(.vips) VIPs" else "" end] +
		(."lb-ingress-ns" | figures) + (."usual-ns" // {} | figures | map(. // "-")) | @tsv' \
	"$1" | awk -f "$here/../scenarios/svg.awk" -f "$here/chart.awk"

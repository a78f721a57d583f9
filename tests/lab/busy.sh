#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# busy.sh URL WORKERS FILE   how busy a demo service is: requests that it has, working or waiting, for
#                            each of its workers, on average since the last call. For lbnode report.
#
# By Little's law that is the time that requests took, over the time that has passed.
new=$(
	cut -d ' ' -f 1 /proc/uptime
	curl -sS --max-time 1 "$1" | awk '/^webapp_request_duration_seconds_sum.*endpoint="\/"/ {n += $2}
		END {printf "%.6f\n", n}'
)
old=$(cat "$3" 2>/dev/null || echo "$new")
echo "$new" >"$3"
# shellcheck disable=SC2086 # two words each
echo "$2" $old $new | awk '{print ($4 > $2 ? ($5 - $3) / ($4 - $2) / $1 : 0)}'

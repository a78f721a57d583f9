# SPDX-License-Identifier: Apache-2.0
# Failed requests (lines of crowd.c, of the service $service) that nothing explains. The rule:
#
#   A request may fail only on a connection that was there while its backend was being hurt, and no
#   later than a client waits ($patience, ms). A connection that had no answer yet may have been any
#   backend's.
#
# A backend is being hurt from the moment that it is killed, unplugged or removed at once, until the
# agent sends nobody there any more; all are while the balancer's own interface is down, until all are
# up again. Nothing else hurts: no restart nor kill -9 of the agent, no drain, no weight, no list.
($hurts | split("\n") | map(select(. != "") | split(" ") |
	{service: .[0], host: .[1], since: (.[2] | tonumber), until: (.[3] | tonumber)})) as $all |
. as $failure |
select(any($all[];
	(.service == "*" or .service == $service) and
	(.host == "*" or .host == $failure.backend or $failure.backend == "") and
	.since <= $failure.ms and $failure.begun_ms <= .until and
	$failure.ms <= .until + $patience) | not) |
"\($service): \(.cause) on a connection of \(if .backend == "" then "nobody yet" else .backend end), begun \(.ms - .begun_ms) ms before, at \(.ms / 1000 | todate)"

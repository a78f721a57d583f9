# SPDX-License-Identifier: Apache-2.0
# What is not as it was asked for, one a line, "INVARIANT words". From /v1/services; $status is
# /v1/status, $model what plan.sh says. A backend that is being removed may be gone already.
def is_state: if .status == "removing" then "removing" else .state end;

def lines:
	.services[] | .name as $service |
	(.backends[] | "\($service) \(.address) weight \(.weight) \(is_state)"),
	"\($service) denies \(."source-prefixes".deny) prefixes";

def part: . * 10000 | round / 100;

($model | split("\n") | map(select(. != ""))) as $wanted |
[lines] as $got |
($wanted - $got | .[] | select(endswith(" removing") | not) | "desired the agent has not: \(.)"),
($got - $wanted | .[] | "desired nobody asked for: \(.)"),
(if $status[0]["in-sync"] then empty else "sync \($status[0]["sync-error"])" end),
($status[0].interfaces[] | select(.attached | not) | "sync \(.name): \(.reason)"),
(.services[] | .name as $service |
	(.backends | map(select(.status == "up").weight) | add) as $sum |
	.backends[] |
	(if .status == "up" then .weight / $sum else 0 end) as $due |
	# Shares have four digits.
	select((.share - $due) | fabs > 0.0002) |
	"share \(.address) of \($service), \(.status), has \(.share | part) % of its table, and weight for \($due | part) %")

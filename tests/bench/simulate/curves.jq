# SPDX-License-Identifier: Apache-2.0
# Of what lb_simulate writes, the points that curves.awk draws.
def line($panel; $axis; $curve; $x; $y): [$panel, $axis, $curve, $x, $y] | @tsv;

(.backends[] | select(.change == "go" and .k == 1)
	| line("One of N backends goes: per cent of the other flows that move with it"; "N"; "\(.slots) slots"; .N; .collateral * 100)),
(.backends[] | select(.change == "go" and .k * 10 == .N and .N > 10)
	| line("A tenth of N backends goes: per cent of the other flows that move with them"; "N"; "\(.slots) slots"; .N;
		.collateral * 100)),
(.build[] | line("Building a table of N backends: milliseconds of a processor"; "N"; "\(.slots) slots"; .N; .ms)),
(.routers | map(select(.change == "leave" and .k == 1)) | ("modulo", "threshold", "resilient") as $way | .[]
	| line("One of B balancers leaves: per cent of flows that go to another one"; "B"; $way; .B; .[$way] * 100)),
(.fleet | map(select(.N == 100 and .B == 64 and .k == 1)) | ("drain", "die") as $event
	| ("modulo", "threshold", "resilient") as $way | .[] | select(.backends == $event)
	| line("j of 100 backends change, then one of 64 balancers leaves: per cent of flows that are cut"; "j";
		"\($event), \($way)"; .j; .[$way] * 100)),
(.fleet | map(select(.N == 100 and .B == 64 and .j == 10)) | ("drain", "die") as $event
	| ("modulo", "threshold", "resilient") as $way | .[] | select(.backends == $event)
	| line("Ten of 100 backends change, then k of 64 balancers leave: per cent of flows that are cut"; "k";
		"\($event), \($way)"; .k; .[$way] * 100))

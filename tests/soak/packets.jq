# SPDX-License-Identifier: Apache-2.0
# Services whose packets do not add up: what came since $before (/v1/services then) is what went to
# backends and what was dropped, to within $slack packets. Backends are the same as then.
def gone: (.backends | map(.packets) | add // 0) + (.drops | add // 0);

($before[0].services | map({(.name): .}) | add) as $former |
.services[] | $former[.name] as $old |
(.packets - $old.packets) as $came | (gone - ($old | gone)) as $went |
select($came - $went | fabs > $slack) |
"\(.name): \($came) packets came, \($went) went to backends or were dropped"

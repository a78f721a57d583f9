# SPDX-License-Identifier: Apache-2.0
#
# A chart of bars in groups as SVG, one panel below the other, each bar with its range. Input: lines of
# panel, group, bar, value, least and most, apart by tabs, in the order in which they are to stand;
# -v title=TEXT.

# place NAME of a kind: the number that it has, or now gets
function place(kind, name) {
	if (!((kind, name) in number)) {
		number[kind, name] = ++count[kind]
		named[kind, count[kind]] = name
	}
	return number[kind, name]
}

function bar(at_x, base, scale, fill, value, least, most) {
	printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"%s\"/>\n", at_x,
		base - value * scale, width - 4, value * scale, fill
	rule(at_x + width / 2 - 2, base - least * scale, at_x + width / 2 - 2, base - most * scale, "#333333")
	text(at_x + width / 2 - 2, base - most * scale - 4, "middle", value)
}

function draw_panel(p, base, g, b, at_x) {
	text(left, base - height - 22, "start", named["panel", p])
	rule(left, base, left + count["group"] * span, base, "#888888")
	for (g = 1; g <= count["group"]; g++) {
		at_x = left + (g - 1) * span
		text(at_x + (span - gap) / 2, base + 16, "middle", named["group", g])
		for (b = 1; b <= count["bar"]; b++)
			if ((p, g, b) in value)
				bar(at_x + (b - 1) * width, base, height / highest[p], color[b], value[p, g, b],
					least[p, g, b], most[p, g, b])
	}
}

BEGIN {
	FS = "\t"
	split("#8d99ae #457b9d #e9c46a #e76f51 #2a9d8f #1d6f66", color, " ")
	left = 20; top = 60; width = 44; gap = 30; height = 170; step = 240
}

{
	p = place("panel", $1); g = place("group", $2); b = place("bar", $3)
	value[p, g, b] = $4; least[p, g, b] = $5; most[p, g, b] = $6
	if ($6 > highest[p])
		highest[p] = $6
}

END {
	span = count["bar"] * width + gap
	svg_begin(left + count["group"] * span + 10, top + count["panel"] * step, left, title)
	for (b = 1; b <= count["bar"]; b++) {
		printf "<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" fill=\"%s\"/>\n",
			left + (b - 1) * 120, color[b]
		text(left + (b - 1) * 120 + 18, 45, "start", named["bar", b])
	}
	for (p = 1; p <= count["panel"]; p++)
		draw_panel(p, top + p * step - 30)
	print "</svg>"
}

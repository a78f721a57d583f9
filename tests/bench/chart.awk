# SPDX-License-Identifier: Apache-2.0
#
# A chart of the bench's medians as SVG, from left to right, each with its range; all on one scale, or
# small figures of one mode would look like large ones of another. Input: lines of mode, section, row,
# then value, least and most of lb_ingress and of the usual program, apart by tabs; "-": none.

# Begins a mode, in a column of its own if it does not fit below the one before.
function place_mode(m) {
	if (y > top && y + tall[m] > top + column_height) {
		column++
		y = top
	}
}

function least_of(a, b) {
	return a < b ? a : b
}

function bar(value, least, most, at_y, fill,    x, end) {
	x = column * column_width + left + label_width
	end = least_of(most, longest)
	printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, at_y,
		least_of(value > 0 ? value : 0, longest) * scale, thick - 1, fill
	if (least < longest)
		rule(x + (least > 0 ? least : 0) * scale, at_y + thick / 2, x + end * scale, at_y + thick / 2, "#333333")
	text(x + end * scale + 5, at_y + thick - 1.5, "start", value (value > longest ? " »" : ""))
}

function draw_row(n) {
	text(column * column_width + left + label_width - 8, y + height(n) / 2 + 3, "end", row[n])
	bar(value[n], least[n], most[n], y + 2, "#2a9d8f")
	if (usual[n] != "-")
		bar(usual[n], usual_least[n], usual_most[n], y + 2 + thick, "#8d99ae")
	y += height(n)
}

# what a row takes
function height(n) {
	return (usual[n] == "-" ? 1 : 2) * thick + 5
}

function legend(x, fill, words) {
	printf "<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, fill
	text(x + 18, 45, "start", words)
}

BEGIN {
	FS = "\t"
	left = 20; top = 60; label_width = 150; column_width = 545; column_height = 940
	thick = 11; heading = 30
	longest = 1000; scale = 0.33
}

{
	mode[NR] = $1; section[NR] = $2; row[NR] = $3
	value[NR] = $4; least[NR] = $5; most[NR] = $6
	usual[NR] = $7; usual_least[NR] = $8; usual_most[NR] = $9
	tall[$1] += height(NR) + (section[NR] != section[NR - 1] ? heading : 0)
}

END {
	svg_begin(3 * column_width + left, top + column_height + 20, left,
		"ns a packet: the median, and a line from the least to the most")
	legend(left, "#2a9d8f", "lb_ingress")
	legend(left + 120, "#8d99ae", "usual program")
	text(left + 260, 45, "start", "bars are cut at " longest " ns")
	y = top
	for (n = 1; n <= NR; n++) {
		if (mode[n] != mode[n - 1])
			place_mode(mode[n])
		if (section[n] != section[n - 1]) {
			y += heading
			text(column * column_width + left, y - 8, "start",
				"<tspan font-weight=\"bold\">" section[n] "</tspan>")
		}
		draw_row(n)
	}
	print "</svg>"
}

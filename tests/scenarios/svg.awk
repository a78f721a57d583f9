# SPDX-License-Identifier: Apache-2.0
#
# What the charts of this folder are drawn with, as SVG: awk -f svg.awk -f CHART.awk.

function svg_begin(width, height, title_x, title) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" " \
		"font-family=\"sans-serif\" font-size=\"12\">\n", width, height
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	printf "<text x=\"%d\" y=\"22\" font-size=\"15\">%s</text>\n", title_x, title
}

function text(at_x, at_y, anchor, words) {
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", at_x, at_y, anchor, words
}

function rule(from_x, from_y, to_x, to_y, color) {
	printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", from_x, from_y,
		to_x, to_y, color
}

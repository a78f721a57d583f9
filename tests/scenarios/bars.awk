# SPDX-License-Identifier: Apache-2.0
#
# A chart of stacked bars as SVG. Input: lines of a label and numbers, apart by tabs; -v title=TEXT,
# -v names="NAME ...": what each number is.

BEGIN {
	FS = "\t"
	series = split(names, name, " ")
	split("#2a9d8f #e9c46a #e76f51 #457b9d #8d99ae #6d597a", color, " ")
	left = 40; top = 60; height = 220; step = 110; width = 70
}

{
	label[NR] = $1
	sum = 0
	for (i = 1; i <= series; i++) {
		value[NR, i] = $(i + 1)
		sum += $(i + 1)
	}
	if (sum > most)
		most = sum
}

END {
	svg_begin(left + NR * step + 20, top + height + 40, left, title)
	for (i = 1; i <= series; i++) {
		x = left + (i - 1) * 100
		printf "<rect x=\"%d\" y=\"34\" width=\"12\" height=\"12\" fill=\"%s\"/>", x, color[i]
		printf "<text x=\"%d\" y=\"45\">%s</text>\n", x + 18, name[i]
	}
	for (bar = 1; bar <= NR; bar++) {
		x = left + (bar - 1) * step
		y = top + height
		for (i = 1; i <= series; i++) {
			part = most > 0 ? value[bar, i] * height / most : 0
			y -= part
			if (part > 0)
				printf "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"%s\"/>\n",
					x, y, width, part, color[i]
			if (part >= 14)
				printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
					x + width / 2, y + part / 2 + 4, value[bar, i]
		}
		printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x + width / 2,
			top + height + 20, label[bar]
	}
	print "</svg>"
}

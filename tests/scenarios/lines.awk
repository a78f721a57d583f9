# SPDX-License-Identifier: Apache-2.0
#
# Charts over time as SVG, one panel for each number, all on the same axis of seconds. Input: lines of
# seconds and numbers, apart by tabs, a number empty where nothing was measured; -v title=TEXT,
# -v names="NAME<tab>NAME ...": what each number is; -v marks="SECONDS<tab>WORDS ...": what began when.

# A round number that is no smaller: 1, 2 or 5 times a power of ten
function rounded(value, unit) {
	for (unit = 1e-6; unit * 10 <= value; unit *= 10)
		;
	return value <= unit ? unit : value <= 2 * unit ? 2 * unit : value <= 5 * unit ? 5 * unit : 10 * unit
}

function x(seconds) {
	return left + (seconds - first) * width / (last > first ? last - first : 1)
}

# Steps: each number holds until the next one.
function path(panel, base, scale, i, y, before, begun) {
	for (i = 1; i <= NR; i++) {
		if (value[i, panel] == "") {
			begun = 0
			continue
		}
		y = base - value[i, panel] * scale
		if (begun)
			printf "L%.1f %.1fL%.1f %.1f", x(second[i]), before, x(second[i]), y
		else
			printf "M%.1f %.1f", x(second[i]), y
		begun = 1
		before = y
	}
}

function panel(number, base, top_value) {
	top_value = most[number] > 0 ? rounded(most[number]) : 1
	text(left, base - height - 8, "start", name[number])
	rule(left, base, left + width, base, "#888888")
	rule(left, base - height, left + width, base - height, "#dddddd")
	text(left - 6, base + 4, "end", 0)
	text(left - 6, base - height + 4, "end", top_value)
	printf "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", color[(number - 1) % 5 + 1]
	path(number, base, height / top_value)
	print "\"/>"
}

function marked(number, mark, i) {
	number = split(marks, mark, "\t")
	for (i = 1; i < number; i += 2) {
		rule(x(first + mark[i]), top - 16, x(first + mark[i]), base, "#bbbbbb")
		text(x(first + mark[i]) + 4, top - 6, "start", mark[i + 1])
	}
}

BEGIN {
	FS = "\t"
	panels = split(names, name, "\t")
	split("#2a9d8f #e76f51 #457b9d #e9c46a #8d99ae", color, " ")
	left = 70; top = 50; width = 640; height = 110; gap = 50
}

{
	second[NR] = $1
	for (i = 1; i <= panels; i++) {
		value[NR, i] = $(i + 1)
		if ($(i + 1) + 0 > most[i])
			most[i] = $(i + 1) + 0
	}
}

END {
	first = second[1]
	last = second[NR]
	svg_begin(left + width + 30, top + panels * (height + gap) + 30, left, title)
	for (i = 1; i <= panels; i++)
		panel(i, top + i * (height + gap) - gap + 20)
	base = top + panels * (height + gap) - gap + 20
	marked()
	step = rounded((last - first) / 8)
	for (i = 0; first + i * step <= last; i++)
		text(x(first + i * step), base + 18, "middle", i * step " s")
	print "</svg>"
}

# SPDX-License-Identifier: Apache-2.0
#
# Curves on logarithmic axes as SVG, one panel below the other. Input: lines of panel, what its x is,
# curve, x and y, apart by tabs, points of a curve from left to right; -v title=TEXT.

# place NAME of a panel: the number of the curve, which it now gets if it had none
function place(p, name) {
	if (!((p, name) in number)) {
		number[p, name] = ++curves[p]
		named[p, curves[p]] = name
	}
	return number[p, name]
}

function decade(value, up, power) {
	power = log(value) / log(10)
	return int(power + (up ? 1 - 1e-9 : 0) + 100) - 100
}

function wider(p, at_x, at_y) {
	if (!(p in low_x) || at_x < low_x[p])
		low_x[p] = at_x
	if (at_x > high_x[p])
		high_x[p] = at_x
	if (!(p in low_y) || at_y < low_y[p])
		low_y[p] = at_y
	if (at_y > high_y[p])
		high_y[p] = at_y
}

function part(value, least, most) {
	return most > least ? (log(value) / log(10) - least) / (most - least) : 0
}

function axes(p, base, power, at) {
	text(left, base - height - 14, "start", panel[p])
	from_x = decade(low_x[p]); to_x = decade(high_x[p], 1)
	from_y = decade(low_y[p]); to_y = decade(high_y[p], 1)
	for (power = from_x; power <= to_x; power++) {
		at = left + part(10 ^ power, from_x, to_x) * width
		rule(at, base, at, base - height, "#dddddd")
		text(at, base + 16, "middle", 10 ^ power)
	}
	for (power = from_y; power <= to_y; power++) {
		at = base - part(10 ^ power, from_y, to_y) * height
		rule(left, at, left + width, at, "#dddddd")
		text(left - 6, at + 4, "end", 10 ^ power)
	}
	text(left + width / 2, base + 32, "middle", axis[p])
}

function curve(p, c, base, i, at_x, at_y, dots) {
	printf "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", color[c]
	for (i = 1; i <= points[p, c]; i++) {
		at_x = left + part(x[p, c, i], from_x, to_x) * width
		at_y = base - part(y[p, c, i], from_y, to_y) * height
		printf "%s%.1f %.1f", (i > 1 ? "L" : "M"), at_x, at_y
		dots = dots sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", at_x, at_y, color[c])
	}
	printf "\"/>\n%s", dots
	printf "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", left + width + 16,
		base - height + (c - 1) * 20, color[c]
	text(left + width + 34, base - height + (c - 1) * 20 + 11, "start", named[p, c])
}

BEGIN {
	FS = "\t"
	split("#2a9d8f #e76f51 #457b9d #e9c46a #8d99ae #6d597a", color, " ")
	left = 60; top = 50; width = 520; height = 170; step = 250
}

$5 > 0 {
	if ($1 != panel[panels]) {
		panel[++panels] = $1
		axis[panels] = $2
	}
	c = place(panels, $3)
	i = ++points[panels, c]
	x[panels, c, i] = $4
	y[panels, c, i] = $5
	wider(panels, $4 + 0, $5 + 0)
}

END {
	svg_begin(left + width + 150, top + panels * step, left, title)
	for (p = 1; p <= panels; p++) {
		base = top + (p - 1) * step + height + 20
		axes(p, base)
		for (c = 1; c <= curves[p]; c++)
			curve(p, c, base)
	}
	print "</svg>"
}

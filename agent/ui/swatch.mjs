// SPDX-License-Identifier: Apache-2.0
// A piece of a backend's line in the charts, beside its name.
import {svg} from './dom.mjs';
import {colour, dash} from './palette.mjs';

function swatch(index) {
	const line = svg('line', {x1: 0, y1: 5, x2: 22, y2: 5, 'stroke-width': 2.5, stroke: colour(index),
		'stroke-dasharray': dash(index).join(' ')});

	return svg('svg', {viewBox: '0 0 22 10', width: 22, height: 10, class: 'swatch', 'aria-hidden': 'true'}, line);
}

// In `place`; an index of undefined has no line. It is drawn anew only if it looks otherwise than before.
export function showSwatch(place, index) {
	const key = index === undefined ? '' : index + colour(index);

	if (place.dataset.line === key)
		return;
	place.dataset.line = key;
	place.replaceChildren(...(index === undefined ? [] : [swatch(index)]));
}

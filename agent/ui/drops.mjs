// SPDX-License-Identifier: Apache-2.0
// Packets dropped, by reason: those that there were.
import {$, element, keyed, setText} from './dom.mjs';
import {Samples} from './samples.mjs';
import * as format from './format.mjs';

const RATE_S = 5;

function create([reason]) {
	return element('tr', {}, element('th', {scope: 'row'}, reason.replace(/_/g, ' ')),
		element('td', {class: 'num'}), element('td', {class: 'num'}));
}

export class Drops {
	constructor() {
		this.samples = new Samples();
	}

	update(time, drops) {
		const seen = Object.entries(drops).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);

		this.samples.add(time, drops);
		$('drops').hidden = seen.length === 0;
		$('drops-none').hidden = seen.length > 0;
		setText($('drops-total'), seen.length ? format.count(seen.reduce((sum, [, n]) => sum + n, 0)) + ' in all' : '');
		keyed($('drops').tBodies[0], seen, ([reason]) => reason, create, (row, [reason, n]) => {
			setText(row.children[1], format.rate(this.samples.mean(reason, RATE_S)));
			setText(row.children[2], format.count(n));
		});
	}
}

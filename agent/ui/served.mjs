// SPDX-License-Identifier: Apache-2.0
// How many flows each backend has served, since it was added or the counters began: bars.
import {$, element, keyed, setText} from './dom.mjs';
import * as format from './format.mjs';
import {showSwatch} from './swatch.mjs';

function create(backend) {
	return element('li', {}, element('span', {class: 'line'}), element('span', {class: 'address'}, backend.address),
		element('span', {class: 'bar', 'aria-hidden': 'true'}, element('i', {class: 'fill'})),
		element('span', {class: 'num count'}), element('span', {class: 'num quiet part'}));
}

export function updateServed(detail) {
	const total = detail.totals.latest().figures.newFlows;
	const top = Math.max(...detail.backends.map((backend) => backend['new-flows']), 1);

	setText($('served-total'), format.count(total) + ' in all');
	keyed($('served'), detail.backends, (backend) => backend.address, create, (row, backend) => {
		const flows = backend['new-flows'];

		row.querySelector('.fill').style.width = (100 * flows) / top + '%';
		setText(row.querySelector('.count'), format.count(flows));
		setText(row.querySelector('.part'), format.percent(total ? flows / total : null));
		showSwatch(row.querySelector('.line'), detail.lines.of.get(backend.address));
	});
}

// SPDX-License-Identifier: Apache-2.0
// A PLAN of the API in words: what a change would move, before it is made.
import {element} from './dom.mjs';
import * as format from './format.mjs';

function flows(service) {
	if (!service.tracked)
		return 'Flows are not tracked: those of slots that move go to another backend.';
	const lost = service['flows-lost'];
	const drain = service['flows-drain'];

	return format.count(service.flows) + ' live flows: ' +
		(lost ? format.count(lost) + ' lose their backend at once' : 'none loses its backend') +
		(drain ? ', ' + format.count(drain) + ' are left to end' : '') + '.';
}

function slots(moved, all) {
	const part = (n) => format.percent(n / all);
	const words = [];

	if (moved.leaving)
		words.push(part(moved.leaving) + ' leave');
	if (moved.coming)
		words.push(part(moved.coming) + ' come');
	words.push(part(moved.between) + ' move between the others');
	return 'Of ' + format.count(all) + ' slots ' + words.join(', ') + '.';
}

function shares(service) {
	const moved = service.backends.filter((b) => b['share-before'] !== b['share-after']);
	const rows = moved.slice(0, 8).map((b) => element('tr', {}, element('th', {scope: 'row'}, b.address),
		element('td', {class: 'num'}, format.percent(b['share-before'])), element('td', {}, '→'),
		element('td', {class: 'num'}, format.percent(b['share-after'])), element('td', {class: 'quiet'}, b.fate === 'stay' ? '' : b.fate)));

	return rows.length ? [element('table', {class: 'shares'}, element('caption', {class: 'unseen'}, 'Share of new flows'), element('tbody', {}, ...rows))] : [];
}

export function told(plan) {
	if (!plan.services.length)
		return [element('p', {class: 'quiet'}, plan.changes.length ? 'No flow moves.' : 'Nothing would change.')];
	return plan.services.flatMap((service) => [
		element('p', {}, slots(service['slots-moved'], plan.slots), ' ', flows(service)),
		...(plan.counted ? [] : [element('p', {class: 'note warn'}, 'Flows have not been counted yet.')]),
		...(service.deserted ? [element('p', {class: 'note bad'}, 'Nobody would take new flows right after it.')] : []),
		...shares(service),
	]);
}

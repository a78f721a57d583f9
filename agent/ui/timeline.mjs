// SPDX-License-Identifier: Apache-2.0
// What each backend was in the last minutes: a strip each.
import {$, element, keyed, setAttribute, setText, svg} from './dom.mjs';
import {history, look, STATUSES} from './health.mjs';
import * as format from './format.mjs';

const SPAN_MS = 15 * 60 * 1000;
const WIDTH = 900;
const LAYERS = ['unknown', 'good', 'off', 'wait', 'leave', 'bad'];

function title(segment) {
	return look(segment.status).word + ' ' + format.clock(segment.from) + ' to ' + format.clock(segment.to);
}

function strip(segments, from) {
	const x = (time) => ((time - from) * WIDTH) / SPAN_MS;
	const tone = (segment) => look(segment.status).tone;
	// What was short is drawn wider than it was, and trouble over all else.
	const layers = [...segments].sort((a, b) => LAYERS.indexOf(tone(a)) - LAYERS.indexOf(tone(b)));

	return layers.map((segment) => svg('rect', {
		x: x(segment.from).toFixed(1), y: 0, height: 14, 'data-tone': tone(segment),
		width: Math.max(x(segment.to) - x(segment.from), 5).toFixed(1),
	}, svg('title', {}, document.createTextNode(title(segment)))));
}

// In words: how it ended, and how often it was how.
function told(segments) {
	const last = segments[segments.length - 1];
	const troubles = segments.filter((segment) => look(segment.status).tone === 'bad');

	return look(last.status).word + ' since ' + format.clock(last.from) +
		(troubles.length ? '; before that ' + troubles.map(title).join(', ') : '');
}

function create(backend) {
	return element('li', {}, element('span', {class: 'address'}, backend.address),
		svg('svg', {viewBox: '0 0 ' + WIDTH + ' 14', preserveAspectRatio: 'none', role: 'img'}),
		element('span', {class: 'quiet since'}));
}

// nowMs by the agent's clock, as near as it is known. away: see history().
export function updateTimeline(detail, nowMs, away) {
	const seen = new Set();

	keyed($('health'), detail.backends, (backend) => backend.address, create, (row, backend) => {
		const segments = history(detail.events, backend, nowMs - SPAN_MS, nowMs, away);
		const picture = row.querySelector('svg');

		segments.forEach((segment) => seen.add(segment.status));
		picture.replaceChildren(...strip(segments, nowMs - SPAN_MS));
		setAttribute(picture, 'aria-label', backend.address + ': ' + told(segments));
		setText(row.querySelector('.since'), format.span((nowMs - Date.parse(backend.since)) / 1000));
	});
	keyed($('health-legend'), Object.keys(STATUSES).filter((status) => seen.has(status)), (status) => status,
		(status) => element('li', {}, element('i', {'data-tone': look(status).tone, class: 'key'}), look(status).word), () => {});
}

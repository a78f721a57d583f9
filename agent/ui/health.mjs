// SPDX-License-Identifier: Apache-2.0
// What a backend was, when: from events and from what it is now. Pure; times in ms since 1970.

export const STATUSES = {
	up: {word: 'up', sign: '●', tone: 'good'},
	checking: {word: 'checking', sign: '◌', tone: 'wait'},
	down: {word: 'down', sign: '✕', tone: 'bad'},
	drain: {word: 'draining', sign: '◑', tone: 'leave'},
	removing: {word: 'removing', sign: '◔', tone: 'leave'},
	maint: {word: 'maintenance', sign: '■', tone: 'off'},
	'no-neighbour': {word: 'no neighbour', sign: '✕', tone: 'bad'},
	ejected: {word: 'ejected', sign: '⊘', tone: 'bad'},
	absent: {word: 'not there yet', sign: '', tone: 'unknown'},
	unknown: {word: 'unknown', sign: '?', tone: 'unknown'},
};

export function look(status) {
	return STATUSES[status] || STATUSES.unknown;
}

// What an event says that the backend was and became; null: it says nothing of that.
function change(event) {
	const at = Date.parse(event.time);

	if (event.kind === 'backend-added')
		return {at, before: 'absent', status: 'checking'};
	if (event.kind === 'backend-removed')
		return {at, before: 'unknown', status: 'absent'};
	return event.kind === 'backend-' + event.after && event.after in STATUSES ? {at, before: event.before, status: event.after} : null;
}

// [{from, to, status}] without holes from `from` to `to`, the oldest first. backend is the API's.
// `away` are [{from, to}] in which nobody looked.
export function history(events, backend, from, to, away = []) {
	const steps = events.filter((event) => event.backend === backend.address).map(change).filter(Boolean);
	const last = steps[steps.length - 1];

	if (!last || last.status !== backend.status)
		steps.push({at: Date.parse(backend.since), before: last ? last.status : null, status: backend.status});
	const segments = [];
	let at = from;
	let status = steps[0].before || 'unknown';

	for (const step of steps) {
		const begin = Math.min(Math.max(step.at, from), to);

		if (begin > at)
			segments.push({from: at, to: begin, status});
		at = Math.max(at, begin);
		status = step.status;
	}
	if (to > at)
		segments.push({from: at, to, status});
	return away.reduce(cover, segments);
}

// The segments with a hole of status unknown.
function cover(segments, hole) {
	return segments.flatMap((segment) => {
		const from = Math.max(segment.from, hole.from);
		const to = Math.min(segment.to, hole.to);

		if (to <= from)
			return [segment];
		return [
			{...segment, to: from},
			{from, to, status: 'unknown'},
			{...segment, from: to},
		].filter((part) => part.to > part.from);
	});
}

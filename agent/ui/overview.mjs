// SPDX-License-Identifier: Apache-2.0
// The line on top, and the balancer as a whole in five figures.
import {$, element, setAttribute, setText, svg} from './dom.mjs';
import {Samples} from './samples.mjs';
import * as format from './format.mjs';

const SPARK_POINTS = 60;

const tiles = [
	{name: 'Packets/s', figure: (s) => format.short(s.rate('packets')), at: (s, i) => s.rateAt('packets', i)},
	{name: 'Traffic in', figure: (s) => format.short(bits(s.rate('bytes')), 'bit/s'), at: (s, i) => s.rateAt('bytes', i)},
	{name: 'Live flows', figure: (s, now) => format.count(now.flows), at: (s, i) => s.list[i].figures.flows, note: fill},
	{name: 'Backends up', figure: (s, now) => format.count(now.up) + ' of ' + format.count(now.total), note: troubled},
	{name: 'Drops/s', figure: (s) => format.rate(s.rate('drops')), at: (s, i) => s.rateAt('drops', i)},
];

function bits(bytes) {
	return bytes === null ? null : bytes * 8;
}

function fill(now) {
	const used = Math.max(...['flows', 'nat-flows'].map((table) => now.used[table] / now.limits[table]));

	return 'the fuller table: ' + format.percent(used);
}

function troubled(now) {
	const others = now.total - now.up;

	return others ? format.count(others) + (others === 1 ? ' is not' : ' are not') : 'all of them';
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

export class Overview {
	constructor() {
		this.samples = new Samples();
		for (const tile of tiles)
			tile.node = this.make(tile);
		$('overview').append(...tiles.map((tile) => tile.node.all));
	}

	make(tile) {
		const figure = element('strong', {}, '–');
		const note = element('span', {class: 'quiet'});
		const line = svg('polyline', {points: ''});
		const spark = svg('svg', {viewBox: '0 0 100 26', preserveAspectRatio: 'none', 'aria-hidden': 'true'}, line);
		const all = element('div', {class: 'tile panel'}, element('h2', {}, tile.name), figure, tile.at ? spark : '', note);

		return {all, figure, note, line};
	}

	// time in seconds of any clock
	update(time, status, services) {
		const backends = services.map((service) => service.backends);
		const now = {
			flows: sum(services.map((service) => service['active-flows'])),
			used: status.used,
			limits: status.limits,
			total: sum(backends.map((b) => b.total)),
			up: sum(backends.map((b) => b.up || 0)),
		};

		this.samples.add(time, {
			packets: sum(services.map((service) => service.packets)),
			bytes: sum(services.map((service) => service.bytes)),
			drops: sum(Object.values(status.drops)),
			flows: now.flows,
		});
		for (const tile of tiles) {
			setText(tile.node.figure, tile.figure(this.samples, now));
			setText(tile.node.note, tile.note ? tile.note(now) : '');
			if (tile.at)
				this.draw(tile);
		}
		this.say(status);
	}

	draw(tile) {
		const last = this.samples.list.length - 1;
		const first = Math.max(0, last - SPARK_POINTS + 1);
		const values = [];

		for (let i = first; i <= last; i++)
			values.push(tile.at(this.samples, i));
		const top = Math.max(...values.map((v) => v || 0), 1e-9);
		const points = values.flatMap((v, i) =>
			v === null ? [] : [(100 - ((last - first - i) * 100) / (SPARK_POINTS - 1)).toFixed(1) + ',' + (24 - (22 * v) / top).toFixed(1)]);

		setAttribute(tile.node.line, 'points', points.join(' '));
	}

	say(status) {
		const agent = $('agent');
		const lost = status.interfaces.filter((i) => !i.attached);

		setText(agent, status['in-sync'] ? 'in sync' : 'out of sync: ' + status['sync-error']);
		setAttribute(agent, 'data-tone', status['in-sync'] ? 'good' : 'bad');
		setText($('interfaces'), status.interfaces
			.map((i) => i.name + ' ' + (i.attached ? i.mode : 'not attached: ' + i.reason)).join(', '));
		setAttribute($('interfaces'), 'data-tone', lost.length ? 'bad' : '');
		setText($('about'), 'Sluice ' + status.version + ', up ' + format.span(status['uptime-seconds']) +
			', generation ' + status.generation);
	}
}

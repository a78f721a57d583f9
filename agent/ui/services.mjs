// SPDX-License-Identifier: Apache-2.0
// The list of services: which one is looked at, and which is in trouble.
import {$, element, keyed, setAttribute, setText} from './dom.mjs';
import {SampleSets} from './samples.mjs';
import {Pages} from './pages.mjs';
import * as format from './format.mjs';

const PAGE = 12;

// What is wrong with it comes first.
function state(service) {
	const backends = service.backends;
	const up = backends.up || 0;
	const leaving = (backends.drain || 0) + (backends.removing || 0) + (backends.maint || 0);

	if (service.panic)
		return {tone: 'bad', text: 'panic, ' + up + ' of ' + backends.total + ' up'};
	if (!backends.total)
		return {tone: 'wait', text: 'no backend'};
	if (!up)
		return {tone: 'bad', text: 'none of ' + backends.total + ' up'};
	if (up + leaving < backends.total)
		return {tone: 'warn', text: up + ' of ' + backends.total + ' up'};
	return {tone: 'good', text: up + ' of ' + backends.total + ' up'};
}

export class Services {
	// selected(name) is called when the user picks one.
	constructor(selected) {
		this.selected = selected;
		this.samples = new SampleSets();
		this.list = [];
		this.name = null;
		this.pages = new Pages($('services-pages'), PAGE, () => this.draw());
		$('services-filter').addEventListener('input', () => {
			this.pages.first();
			this.draw();
		});
	}

	update(time, services) {
		this.list = services;
		for (const service of services)
			this.samples.of(service.name).add(time, {packets: service.packets});
		this.samples.keep(services.map((service) => service.name));
		this.draw();
	}

	find(name) {
		return this.list.find((service) => service.name === name) || null;
	}

	show(name) {
		this.name = name;
		this.draw();
	}

	draw() {
		const wanted = $('services-filter').value.trim().toLowerCase();
		const matching = this.list.filter((service) =>
			(service.name + ' ' + service.vip.join(' ')).toLowerCase().includes(wanted));

		this.pages.update(matching.length);
		keyed($('services'), matching.slice(this.pages.offset, this.pages.offset + PAGE),
			(service) => service.name, (service) => this.create(service), (row, service) => this.fill(row, service));
		$('services-none').hidden = matching.length > 0;
		setText($('services-none'), this.list.length ? 'No service has that in its name or VIPs.'
			: 'There is no service yet: lbctl add service NAME --vip tcp://ADDR:PORT');
	}

	create(service) {
		return element('li', {},
			element('button', {type: 'button', click: () => this.selected(service.name)},
				element('span', {class: 'name'}, service.name),
				element('span', {class: 'rate num'}),
				element('span', {class: 'vip quiet'}),
				element('span', {class: 'state'})));
	}

	fill(row, service) {
		const [name, rate, vip, up] = row.firstChild.children;
		const now = state(service);

		setAttribute(row.firstChild, 'aria-current', String(service.name === this.name));
		setText(name, service.name);
		setText(rate, format.short(this.samples.of(service.name).rate('packets')) + ' /s');
		setText(vip, service.vip.length > 1 ? service.vip[0] + ' + ' + (service.vip.length - 1) : service.vip[0]);
		setText(up, now.text);
		setAttribute(up, 'data-tone', now.tone);
	}
}

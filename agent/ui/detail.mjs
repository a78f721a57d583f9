// SPDX-License-Identifier: Apache-2.0
// What is known of the service that is looked at: a page of its backends, and their figures over
// time. Draws nothing.
import {get, pathOf} from './api.mjs';
import {Lines} from './lines.mjs';
import {Samples, SampleSets} from './samples.mjs';

export const PAGE = 20;
const EVENTS = 1000;

export class Detail {
	constructor(name) {
		this.name = name;
		this.service = null; // as in the list of all
		this.backends = []; // as the API says, of this page
		this.status = ''; // only those are shown; '': all
		this.samples = new SampleSets(); // by address
		this.totals = new Samples(); // of all its backends
		this.lines = new Lines();
		this.events = []; // of its backends, the oldest first
	}

	ask(offset) {
		const status = this.status ? '&status=' + this.status : '';

		return get(pathOf(this.name) + '/backends?limit=' + PAGE + '&offset=' + offset + status);
	}

	async askEvents() {
		const list = await get('/v1/events?limit=' + EVENTS + '&service=' + encodeURIComponent(this.name));
		const last = list.events.length ? list.events[list.events.length - 1].seq : 0;

		this.events = list.events.concat(this.events.filter((event) => event.seq > last));
	}

	// Events as they come, of any service.
	addEvents(events) {
		const last = this.events.length ? this.events[this.events.length - 1].seq : 0;

		this.events.push(...events.filter((event) => event.service === this.name && event.seq > last));
		this.events.splice(0, this.events.length - EVENTS);
	}

	take(time, service, answer) {
		const addresses = answer.backends.map((backend) => backend.address);

		this.service = service;
		this.backends = answer.backends;
		this.totals.add(time, {newFlows: answer['new-flows'], packets: answer.packets});
		for (const backend of answer.backends) {
			this.samples.of(backend.address).add(time, {
				packets: backend.packets,
				newFlows: backend['new-flows'],
				activeFlows: backend['active-flows'],
			}, backend.handshake || null);
		}
		this.samples.keep(addresses);
		this.lines.assign(addresses.map((address) => [address, this.samples.of(address).rate('packets') || 0]));
	}

	// Does this agent measure handshakes?
	hasHandshakes() {
		return this.backends.some((backend) => backend.handshake);
	}
}

// SPDX-License-Identifier: Apache-2.0
// Asks where a packet would go, and shows each decision with its reason.
import {$, element} from './dom.mjs';
import {agentNow, get} from './api.mjs';
import {refusal} from './said.mjs';
import * as format from './format.mjs';

const TONES = {send: 'good', reply: 'good', pass: '', drop: 'bad'};

function headline(answer) {
	const to = answer.backend ? ' to ' + answer.backend : '';

	return element('p', {class: 'verdict', 'data-tone': TONES[answer.verdict.class] || ''},
		element('strong', {}, answer.verdict.name.replace(/_/g, ' ') + to), ' ',
		element('span', {}, answer.verdict.text + (answer.service ? ', service ' + answer.service : '')),
		element('span', {class: 'quiet'}, ' at ' + format.clock(agentNow())));
}

function step(one) {
	return element('li', {}, element('strong', {}, one.stage), ' ', element('span', {}, one.text));
}

// VIPs as an address to write into the form.
function target(vip) {
	return vip.replace(/^[a-z]+:\/\//, '').replace(/\/\d+/, '').replace(/:\*$/, ':80');
}

export class Explain {
	constructor() {
		this.form = $('explain');
		this.form.addEventListener('submit', (event) => {
			event.preventDefault();
			this.ask();
		});
		this.form.elements.dst.addEventListener('input', () => (this.typed = true));
	}

	// Offers the service's VIPs; as long as the user has written nothing, with an example.
	show(service) {
		$('vips').replaceChildren(...service.vip.map((vip) => element('option', {value: target(vip)})));
		if (this.typed)
			return;
		this.form.elements.dst.value = target(service.vip[0]);
		this.form.elements.proto.value = service.vip[0].split(':')[0];
		this.form.elements.src.value = service.vip[0].includes('[') ? '[2001:db8::7]:4242' : '203.0.113.7:4242';
		this.ask();
	}

	async ask() {
		const fields = this.form.elements;
		const query = new URLSearchParams({proto: fields.proto.value, src: fields.src.value.trim(), dst: fields.dst.value.trim()});

		try {
			const answer = await get('/v1/explain?' + query);

			$('explained').replaceChildren(headline(answer), element('ol', {}, ...answer.steps.map(step)));
		} catch (error) {
			$('explained').replaceChildren(refusal(error));
		}
	}
}

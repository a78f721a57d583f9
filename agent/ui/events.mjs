// SPDX-License-Identifier: Apache-2.0
// What happened, the latest first. Troubles are spoken, too.
import {$, element, setText} from './dom.mjs';
import * as format from './format.mjs';

const KEPT = 300;

const BAD = ['backend-down', 'backend-no-neighbour', 'backend-ejected', 'service-panics', 'interface-lost',
	'interface-trouble', 'out-of-sync', 'change-undone', 'replies-astray', 'state-restored', 'maps-replaced', 'backend-suspect',
	'load-silent', 'scale-launch-failed', 'scale-stop-failed', 'scale-circuit-open'];
const GOOD = ['backend-up', 'in-sync', 'interface-attached', 'service-panics-no-more', 'backend-not-suspect', 'backend-drained',
	'scale-circuit-closed', 'load-heard'];

function tone(kind) {
	if (BAD.includes(kind))
		return 'bad';
	return GOOD.includes(kind) ? 'good' : '';
}

function what(event) {
	const change = [event.before, event.after].filter(Boolean).join(' → ');

	return [event.backend || event.interface || '', change].filter(Boolean).join(' ');
}

function row(event) {
	const ms = Date.parse(event.time);
	const why = [event.reason, event.hint, event.who && event.who !== 'lbagent' ? 'by ' + event.who : ''].filter(Boolean);

	return element('li', {'data-service': event.service || '', 'data-tone': tone(event.kind)},
		element('time', {datetime: event.time, title: event.time}, format.clock(ms)),
		element('strong', {}, event.kind.replace(/-/g, ' ')),
		element('span', {class: 'who'}, event.service || ''),
		element('span', {class: 'what'}, what(event)),
		element('span', {class: 'why quiet'}, why.join('; ')));
}

export class Events {
	constructor() {
		this.service = null;
		$('events-one').addEventListener('change', () => this.sift());
	}

	// New ones; spoken is false for those that had happened before the page came.
	add(events, spoken) {
		$('events').prepend(...events.map(row).reverse());
		while ($('events').childElementCount > KEPT)
			$('events').lastElementChild.remove();
		this.sift();
		for (const event of spoken ? events : []) {
			if (tone(event.kind))
				setText($('spoken'), [event.kind.replace(/-/g, ' '), event.service, what(event)].filter(Boolean).join(' '));
		}
	}

	show(service) {
		this.service = service;
		this.sift();
	}

	sift() {
		const one = $('events-one').checked;
		let shown = 0;

		for (const item of $('events').children) {
			item.hidden = one && item.dataset.service !== this.service;
			shown += item.hidden ? 0 : 1;
		}
		$('events-none').hidden = shown > 0;
		$('events').hidden = shown === 0;
	}
}

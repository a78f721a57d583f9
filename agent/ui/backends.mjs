// SPDX-License-Identifier: Apache-2.0
// The backends of the service that is looked at: one row each.
import {$, element, keyed, setAttribute, setText} from './dom.mjs';
import {SHARE_S} from './samples.mjs';
import {look, STATUSES} from './health.mjs';
import {showSwatch} from './swatch.mjs';
import * as format from './format.mjs';

// Of the service's new flows in the last minute; null: there were none.
function actualShare(samples, totals) {
	const all = totals.growth('newFlows', SHARE_S);
	const own = samples.growth('newFlows', SHARE_S);

	return all && own !== null ? own / all : null;
}

function cell(label, kind = '') {
	return element('td', {'data-label': label, class: kind, role: 'cell'});
}

function shareBar() {
	return element('div', {class: 'bar', 'aria-hidden': 'true'}, element('i', {class: 'fill'}), element('i', {class: 'mark'}));
}

function statusText(backend) {
	if (backend.drain)
		return look(backend.status).word + ', ' + format.count(backend.drain['flows-left']) + ' flows left';
	if (backend.suspect)
		return look(backend.status).word + ', suspect';
	return look(backend.status).word;
}

export class Backends {
	// change(what, backend): drain, weight or remove was asked for. filter(status): show only those.
	constructor(change, filter) {
		this.change = change;
		this.filter = filter;
		this.body = $('backends').tBodies[0];
	}

	// detail: see detail.mjs
	update(detail) {
		const shares = detail.backends.map((b) => Math.max(b.share, actualShare(detail.samples.of(b.address), detail.totals) || 0));

		this.detail = detail;
		this.top = 1.25 * Math.max(...shares, 0.01);
		this.chips(detail);
		keyed(this.body, detail.backends, (b) => b.address, (b) => this.create(b), (row, b) => this.fill(row, b));
		setAttribute($('backends'), 'data-handshake', String(detail.hasHandshakes()));
		$('backends').hidden = detail.backends.length === 0;
		$('backends-none').hidden = detail.backends.length > 0;
		setText($('backends-none'), detail.status ? 'No backend is ' + look(detail.status).word + ' now.'
			: 'This service has no backend yet.');
	}

	chips(detail) {
		const counts = Object.entries(detail.service.backends).filter(([status]) => status in STATUSES);
		const chips = [['', detail.service.backends.total]].concat(counts);

		if (detail.status && !counts.some(([status]) => status === detail.status))
			chips.push([detail.status, 0]);
		$('status-filter').hidden = chips.length < 3 && !detail.status;
		keyed($('status-filter'), chips, ([status]) => status,
			([status]) => element('button', {type: 'button', click: () => this.filter(status)}),
			(chip, [status, n]) => {
				setText(chip, (status ? look(status).sign + ' ' + look(status).word : 'all') + ' ' + format.count(n));
				setAttribute(chip, 'data-tone', status ? look(status).tone : '');
				setAttribute(chip, 'aria-pressed', String(status === detail.status));
			});
	}

	create(backend) {
		const share = cell('Share, intended and actual', 'share');
		const button = (what, text) => element('button', {type: 'button', click: () => this.change(what, this.row(backend.address)),
			'data-what': what, 'aria-label': text + ' ' + backend.address}, text);
		const address = element('th', {scope: 'row', role: 'rowheader'}, element('span', {class: 'line'}),
			element('span', {class: 'address'}, backend.address), element('span', {class: 'reason quiet'}));

		share.append(element('span', {class: 'numbers num'}, element('span', {class: 'intended'}), ' │ ',
			element('span', {class: 'actual'})), shareBar());
		return element('tr', {role: 'row'},
			element('td', {class: 'status', role: 'cell'}, element('span', {class: 'badge'})),
			address,
			cell('Weight', 'num weight'), share, cell('Packets/s', 'num packets'), cell('New flows/s', 'num new'),
			cell('Live flows', 'num live'), cell('Handshake p50 / p95', 'num handshake'),
			element('td', {class: 'changes', role: 'cell'}, button('drain', 'Drain'), button('weight', 'Weight'), button('remove', 'Remove')));
	}

	row(address) {
		return this.detail.backends.find((b) => b.address === address);
	}

	fill(row, backend) {
		const samples = this.detail.samples.of(backend.address);
		const find = (kind) => row.querySelector('.' + kind);
		const badge = find('badge');
		const drain = row.querySelector('[data-what=drain]');
		const drains = backend.state === 'up' ? 'Drain' : 'Take back';
		const weight = backend['effective-weight'] !== backend.weight && backend.status === 'up'
			? backend['effective-weight'] + ' of ' + backend.weight : String(backend.weight);

		setText(badge, look(backend.status).sign + ' ' + statusText(backend));
		setAttribute(badge, 'data-tone', look(backend.status).tone);
		setAttribute(row, 'data-status', backend.status);
		setText(find('reason'), backend.reason);
		setText(find('weight'), weight);
		setText(find('packets'), format.rate(samples.rate('packets')));
		setText(find('new'), format.rate(samples.rate('newFlows')));
		setText(find('live'), format.count(backend['active-flows']));
		setText(find('handshake'), format.latency(samples.quantile(0.5)) + ' / ' + format.latency(samples.quantile(0.95)));
		setText(drain, drains);
		setAttribute(drain, 'aria-label', drains + ' ' + backend.address);
		this.share(row, backend, actualShare(samples, this.detail.totals));
		showSwatch(find('line'), this.detail.lines.of.get(backend.address));
	}

	share(row, backend, actual) {
		setText(row.querySelector('.intended'), format.percent(backend.share));
		setText(row.querySelector('.actual'), format.percent(actual));
		row.querySelector('.fill').style.width = (100 * (actual || 0)) / this.top + '%';
		row.querySelector('.mark').style.left = (100 * backend.share) / this.top + '%';
	}
}

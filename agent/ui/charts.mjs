// SPDX-License-Identifier: Apache-2.0
/* global Chart */
// The last minutes of each backend as lines, by Chart.js.
import {$, setText} from './dom.mjs';
import {KEPT_S} from './samples.mjs';
import {colour, dash} from './palette.mjs';
import * as format from './format.mjs';

const LEAST_S = 60; // that the charts show, however little they know
const TICKS_S = [180, 120, 60, 30, 0];

const seconds = (value) => (value === null ? null : value.beyond || value);

// From microseconds to seconds: one that waited must not flatten all others.
const decades = {
	type: 'logarithmic',
	suggestedMin: 1e-5,
	suggestedMax: 1e-3,
	ticks: {autoSkip: false, callback: (value) => (Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6) ? format.latency(value) : null)},
};

// What each shows of a backend's samples at one look.
const kinds = [
	{id: 'chart-packets', name: 'Packets/s', at: (s, i) => s.rateAt('packets', i), text: format.short},
	{id: 'chart-new-flows', name: 'New flows/s', at: (s, i) => s.rateAt('newFlows', i), text: format.rate},
	{id: 'chart-active-flows', name: 'Live flows', at: (s, i) => s.list[i].figures.activeFlows, text: format.count},
	{id: 'chart-handshake', name: 'Handshake', at: (s, i, q) => seconds(s.quantileAt(q, i)), text: format.latency, y: decades},
];

function css(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function ago(now, value) {
	const before = Math.round(now - value);

	return before <= 0 ? 'now' : '−' + (before % 60 ? before + ' s' : before / 60 + ' min');
}

function options(kind) {
	return {
		animation: false,
		responsive: true,
		maintainAspectRatio: false,
		parsing: false,
		normalized: true,
		interaction: {mode: 'nearest', axis: 'x', intersect: false},
		elements: {point: {radius: 0, hitRadius: 8}, line: {borderWidth: 2, tension: 0.25}},
		scales: {
			x: {type: 'linear', grid: {display: false}, ticks: {stepSize: 60, maxRotation: 0, includeBounds: false}},
			y: kind.y || {beginAtZero: true, suggestedMax: 4, ticks: {maxTicksLimit: 5, callback: (value) => kind.text(value)}},
		},
		plugins: {
			legend: {display: false},
			tooltip: {
				itemSort: (a, b) => b.parsed.y - a.parsed.y,
				callbacks: {
					title: (items) => (items.length ? ago(items[0].chart.options.scales.x.max, items[0].parsed.x) : ''),
					label: (item) => ' ' + item.dataset.label + '  ' + kind.text(item.parsed.y),
				},
			},
		},
	};
}

export class Charts {
	constructor() {
		this.charts = kinds.map((kind) => new Chart($(kind.id), {type: 'line', data: {datasets: []}, options: options(kind)}));
		this.quantile = 0.95;
		for (const choice of document.getElementsByName('quantile')) {
			choice.addEventListener('change', () => {
				this.quantile = Number(choice.value);
				if (this.detail)
					this.update(this.detail);
			});
		}
	}

	// Colours of the theme, seen with the next update; the lines take theirs with each.
	dress() {
		for (const chart of this.charts) {
			const {x, y} = chart.options.scales;

			x.ticks.color = y.ticks.color = css('--quiet');
			x.grid.borderColor = y.grid.borderColor = y.grid.color = css('--line');
			chart.options.font = {family: css('--font')};
		}
	}

	update(detail) {
		this.detail = detail;
		const lines = Array.from(detail.lines.of).sort((a, b) => a[1] - b[1]);
		const missing = detail.backends.length - lines.length;

		this.charts.forEach((chart, i) => this.draw(chart, kinds[i], lines));
		$('handshake-panel').hidden = !detail.hasHandshakes();
		$('charts-note').hidden = missing <= 0;
		setText($('charts-note'), 'The charts show ' + lines.length + ' of the ' + detail.backends.length +
			' backends above: those that had most traffic.');
	}

	// How far back there is something to see, in seconds.
	span(now) {
		return Math.min(KEPT_S, Math.max(LEAST_S, now - this.detail.totals.list[0].time));
	}

	draw(chart, kind, lines) {
		const now = this.detail.totals.latest().time;
		const x = chart.options.scales.x;
		const latest = [];

		x.max = now;
		x.min = now - this.span(now);
		x.ticks.callback = (value) => ago(now, value);
		x.afterBuildTicks = (axis) => {
			axis.ticks = TICKS_S.filter((before) => now - before >= x.min && (before !== 30 || now - x.min <= 100)).map((before) => ({value: now - before}));
		};
		const former = new Map(chart.data.datasets.map((set) => [set.label, set]));
		chart.data.datasets = lines.map(([address, index]) => {
			const samples = this.detail.samples.of(address);
			const set = former.get(address) || {label: address};
			const points = samples.points((i) => kind.at(samples, i, this.quantile));

			set.data = points.filter((point) => point.x >= x.min);
			set.borderColor = set.backgroundColor = colour(index);
			set.borderDash = dash(index);
			if (points.length)
				latest.push(address + ' ' + kind.text(points[points.length - 1].y));
			return set;
		});
		chart.canvas.setAttribute('aria-label', kind.name + ' now: ' + latest.join(', '));
		chart.update('none');
	}
}

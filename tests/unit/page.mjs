// SPDX-License-Identifier: Apache-2.0
// What the page reckons, apart from any page: rates, quantiles, histories, figures as text.
import assert from 'node:assert/strict';
import {Samples, SampleSets, KEPT_S, quantile} from '../../agent/ui/samples.mjs';
import {history} from '../../agent/ui/health.mjs';
import {Lines} from '../../agent/ui/lines.mjs';
import {EventStream} from '../../agent/ui/stream.mjs';
import * as format from '../../agent/ui/format.mjs';

let failed = 0;

async function test(name, body) {
	try {
		await body();
		console.log('ok ' + name);
	} catch (error) {
		failed++;
		console.log('not ok ' + name + '\n# ' + String(error.stack).replace(/\n/g, '\n# '));
	}
}

test('a rate is per second, and of the last two looks', () => {
	const s = new Samples();

	assert.equal(s.rate('n'), null);
	s.add(10, {n: 100});
	assert.equal(s.rate('n'), null);
	s.add(12, {n: 300});
	assert.equal(s.rate('n'), 100);
	s.add(12.5, {n: 300});
	assert.equal(s.rate('n'), 0);
});

test('a counter that began anew has no rate', () => {
	const s = new Samples();

	s.add(1, {n: 500});
	s.add(2, {n: 3});
	assert.equal(s.rate('n'), null);
	assert.equal(s.growth('n', 60), null);
	s.add(3, {n: 5});
	assert.equal(s.rate('n'), 2);
});

test('growth is of no more than was asked for', () => {
	const s = new Samples();

	for (let t = 0; t <= 100; t++)
		s.add(t, {n: 10 * t});
	assert.equal(s.growth('n', 60), 600);
	assert.equal(s.growth('n', 1000), 1000);
});

test('a mean is per second, over the time that there are looks of', () => {
	const s = new Samples();

	assert.equal(s.mean('n', 5), null);
	s.add(10, {n: 0});
	assert.equal(s.mean('n', 5), null);
	s.add(12, {n: 8});
	assert.equal(s.mean('n', 5), 4);
	s.add(17, {n: 38});
	assert.equal(s.mean('n', 5), 6);
	s.add(18, {n: 1});
	assert.equal(s.mean('n', 5), null);
});

test('old looks are forgotten', () => {
	const s = new Samples();

	for (let t = 0; t < 1000; t++)
		s.add(t, {n: t});
	assert.ok(s.list.length <= KEPT_S + 12);
	assert.equal(s.latest().time, 999);
});

test('sets forget what is not there any more', () => {
	const sets = new SampleSets();

	sets.of('a').add(1, {n: 1});
	sets.of('b').add(1, {n: 1});
	sets.keep(['b']);
	assert.equal(sets.of('a').latest(), null);
	assert.equal(sets.of('b').latest().time, 1);
});

const le = [0.001, 0.01, 0.1];
const state = (...buckets) => ({le, buckets});

test('a quantile is of what came between, within its bucket by proportion', () => {
	const before = state(100, 100, 100, 100);

	assert.equal(quantile(0.5, before, state(110, 110, 110, 110)), 0.0005);
	assert.equal(quantile(0.5, before, state(100, 110, 110, 110)).toFixed(6), '0.005500');
	assert.equal(quantile(0.95, before, state(150, 190, 200, 200)).toFixed(6), '0.055000');
	assert.ok(quantile(0.5, before, state(150, 190, 200, 200)) <= 0.001);
});

test('one above the last bound is only known to be longer', () => {
	assert.deepEqual(quantile(0.95, state(0, 0, 0, 0), state(1, 1, 1, 10)), {beyond: 0.1});
	assert.equal(format.latency({beyond: 0.1}), '> 100 ms');
});

test('nothing that came has no quantile, nor has a histogram that began anew', () => {
	const one = state(1, 2, 3, 4);

	assert.equal(quantile(0.5, one, state(1, 2, 3, 4)), null);
	assert.equal(quantile(0.5, one, state(0, 0, 0, 0)), null);
	assert.equal(quantile(0.5, null, one), null);
	assert.equal(quantile(0.5, one, null), null);
	assert.equal(quantile(0.5, one, {le: [1], buckets: [5, 9]}), null);
});

const at = (seconds) => new Date(seconds * 1000).toISOString();
const event = (seconds, before, after) => ({time: at(seconds), kind: 'backend-' + after, backend: 'b:80', before, after});
const now = (status, seconds) => ({address: 'b:80', status, since: at(seconds)});
const told = (segments) => segments.map((s) => s.status + ' ' + s.from / 1000 + '-' + s.to / 1000).join(', ');

test('a history comes from events', () => {
	const events = [event(20, 'up', 'down'), event(30, 'down', 'up')];

	assert.equal(told(history(events, now('up', 30), 0, 100000)), 'up 0-20, down 20-30, up 30-100');
});

test('others\' events are not its own, nor are those of another kind', () => {
	const events = [{...event(20, 'up', 'down'), backend: 'c:80'},
		{time: at(25), kind: 'backend-changed', backend: 'b:80', before: 'weight 1', after: 'weight 2'}];

	assert.equal(told(history(events, now('up', 0), 0, 100000)), 'up 0-100');
});

test('what is now counts, though no event has told it', () => {
	assert.equal(told(history([event(20, 'checking', 'up')], now('down', 60), 0, 100000)),
		'checking 0-20, up 20-60, down 60-100');
});

test('before it was added it was not there', () => {
	const added = {time: at(40), kind: 'backend-added', backend: 'b:80'};

	assert.equal(told(history([added, event(50, 'checking', 'up')], now('up', 50), 0, 100000)),
		'absent 0-40, checking 40-50, up 50-100');
});

test('what was before the window is cut off', () => {
	const events = [event(20, 'up', 'down'), event(130, 'down', 'up')];

	assert.equal(told(history(events, now('up', 130), 100000, 200000)), 'down 100-130, up 130-200');
});

test('while nobody looked nothing is known', () => {
	const away = [{from: 25000, to: 35000}];

	assert.equal(told(history([event(30, 'up', 'down')], now('down', 30), 0, 50000, away)),
		'up 0-25, unknown 25-30, unknown 30-35, down 35-50');
});

test('a line stays with its backend; the busiest of many get one', () => {
	const lines = new Lines();

	lines.assign([['a', 0], ['b', 0]]);
	assert.deepEqual([...lines.of], [['a', 0], ['b', 1]]);
	lines.assign([['b', 0], ['c', 0]]);
	assert.deepEqual([...lines.of], [['b', 1], ['c', 0]]);
	lines.assign(Array.from({length: 20}, (none, i) => ['n' + i, i]));
	assert.deepEqual([...lines.of.keys()], [19, 18, 17, 16, 15, 14, 13, 12].map((i) => 'n' + i));
});

test('figures are as people read them', () => {
	assert.equal(format.short(9999), '9,999');
	assert.equal(format.short(12345), '12.3 k');
	assert.equal(format.short(1234, 'bit/s'), '1.23 kbit/s');
	assert.equal(format.short(0), '0');
	assert.equal(format.rate(0.5), '0.5');
	assert.equal(format.rate(4), '4');
	assert.equal(format.percent(1 / 3), '33.3 %');
	assert.equal(format.latency(0.00042), '420 µs');
	assert.equal(format.latency(0.0042), '4.2 ms');
	assert.equal(format.latency(3.04), '3.0 s');
	assert.equal(format.span(60), '60 s');
	assert.equal(format.span(600), '10 min');
	for (const text of [format.short(null), format.rate(null), format.percent(null), format.latency(null), format.count(null)])
		assert.equal(text, '–');
});

test('a stream that is ended while it begins follows nothing and tells nothing', async () => {
	const asked = [];
	const came = [];
	const stream = new EventStream((events) => came.push(...events), () => {});

	global.fetch = async (path) => {
		asked.push(path);
		stream.end();
		return new Response('{"events": [{"seq": 7}], "newest": 7}', {headers: {Date: new Date().toUTCString()}});
	};
	await stream.start();
	assert.deepEqual(asked, ['/v1/events?limit=200']);
	assert.deepEqual(came, []);
}).then(() => process.exit(failed ? 1 : 0));

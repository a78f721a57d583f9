// SPDX-License-Identifier: Apache-2.0
// Figures over time, and what can be told from two looks at counters. Pure: time is passed in, in
// seconds of any clock.

export const KEPT_S = 180; // what charts show
export const SHARE_S = 60; // shares are of the new flows of this long
const HANDSHAKE_S = 10; // quantiles are of the handshakes of this long

// Looks at the counters of one thing: {time, figures: {name: number}, handshake}.
export class Samples {
	constructor() {
		this.list = [];
	}

	add(time, figures, handshake = null) {
		this.list.push({time, figures, handshake});
		while (this.list[0].time < time - KEPT_S - HANDSHAKE_S)
			this.list.shift();
	}

	latest() {
		return this.list.length ? this.list[this.list.length - 1] : null;
	}

	// The oldest look that is no more than `seconds` before the one at index `at`.
	since(seconds, at) {
		let i = at;

		while (i > 0 && this.list[i - 1].time >= this.list[at].time - seconds - 0.2)
			i--;
		return this.list[i];
	}

	// How much a counter has grown in the last seconds; null: not known, or it began anew.
	growth(name, seconds) {
		const at = this.list.length - 1;

		if (at < 1)
			return null;
		const grown = this.list[at].figures[name] - this.since(seconds, at).figures[name];

		return grown >= 0 ? grown : null;
	}

	// Per second, over the last seconds.
	mean(name, seconds) {
		const grown = this.growth(name, seconds);
		const at = this.list.length - 1;
		const time = grown === null ? 0 : this.list[at].time - this.since(seconds, at).time;

		return time > 0 ? grown / time : null;
	}

	// Per second, between the look at index `at` and the one before.
	rateAt(name, at) {
		if (at < 1)
			return null;
		const from = this.list[at - 1];
		const to = this.list[at];
		const grown = to.figures[name] - from.figures[name];

		return grown >= 0 && to.time > from.time ? grown / (to.time - from.time) : null;
	}

	rate(name) {
		return this.rateAt(name, this.list.length - 1);
	}

	quantileAt(q, at) {
		if (at < 1)
			return null;
		return quantile(q, this.since(HANDSHAKE_S, at).handshake, this.list[at].handshake);
	}

	quantile(q) {
		return this.quantileAt(q, this.list.length - 1);
	}

	// [{x: time, y}] of pick(index), which may be null.
	points(pick) {
		return this.list.map((sample, i) => ({x: sample.time, y: pick(i)}));
	}
}

// Of the observations that came between two states of a cumulative histogram {le, buckets}: a value
// in seconds, within its bucket by proportion; {beyond: le} above the last bound; null for none.
export function quantile(q, before, after) {
	if (!before || !after || before === after || before.buckets.length !== after.buckets.length)
		return null;
	const grown = after.buckets.map((n, i) => n - before.buckets[i]);
	const total = grown[grown.length - 1];
	const rank = q * total;

	if (!(total > 0) || grown.some((n) => n < 0))
		return null;
	const i = grown.findIndex((n) => n >= rank);
	const low = i ? after.le[i - 1] : 0;
	const below = i ? grown[i - 1] : 0;

	if (i >= after.le.length)
		return {beyond: after.le[after.le.length - 1]};
	return low + ((after.le[i] - low) * (rank - below)) / Math.max(grown[i] - below, 1e-9);
}

// By key; what is not named any more is forgotten.
export class SampleSets {
	constructor() {
		this.sets = new Map();
	}

	of(key) {
		if (!this.sets.has(key))
			this.sets.set(key, new Samples());
		return this.sets.get(key);
	}

	keep(keys) {
		const wanted = new Set(keys);

		for (const key of this.sets.keys()) {
			if (!wanted.has(key))
				this.sets.delete(key);
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
// Which backends of those on the page have a line in the charts, and which one. A line stays with
// its backend while that is there. Pure.
import {LINES} from './palette.mjs';

export class Lines {
	constructor() {
		this.of = new Map(); // address -> index into the palette
	}

	// weights: [[address, how much there is to see of it]].
	assign(weights) {
		const here = new Set(weights.map(([address]) => address));

		for (const address of this.of.keys()) {
			if (!here.has(address))
				this.of.delete(address);
		}
		const used = new Set(this.of.values());
		const free = Array.from({length: LINES}, (none, i) => i).filter((i) => !used.has(i));
		const waiting = weights.filter(([address]) => !this.of.has(address));

		if (waiting.length > free.length)
			waiting.sort((a, b) => b[1] - a[1]);
		for (const [address] of waiting.slice(0, free.length))
			this.of.set(address, free.shift());
	}
}

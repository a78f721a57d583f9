// SPDX-License-Identifier: Apache-2.0
// Long lists a page at a time.
import {element, setText} from './dom.mjs';

export class Pages {
	// turned(offset) is called when another page is asked for.
	constructor(nav, size, turned) {
		this.nav = nav;
		this.size = size;
		this.offset = 0;
		this.back = element('button', {type: 'button', click: () => this.turn(-1)}, 'Previous');
		this.on = element('button', {type: 'button', click: () => this.turn(1)}, 'Next');
		this.where = element('span', {class: 'quiet'});
		this.turned = turned;
		nav.append(this.back, this.where, this.on);
	}

	turn(by) {
		this.offset = Math.max(0, this.offset + by * this.size);
		this.turned();
	}

	first() {
		this.offset = 0;
	}

	// Shows where we are among `total`. False: there is no such page any more, and it went back.
	update(total) {
		const fits = this.offset === 0 || this.offset < total;

		if (!fits)
			this.offset = Math.floor(Math.max(total - 1, 0) / this.size) * this.size;
		this.nav.hidden = total <= this.size;
		this.back.disabled = this.offset === 0;
		this.on.disabled = this.offset + this.size >= total;
		setText(this.where, this.offset + 1 + ' to ' + Math.min(this.offset + this.size, total) + ' of ' + total);
		return fits;
	}
}

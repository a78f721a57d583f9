// SPDX-License-Identifier: Apache-2.0
// The token: asked for, tried, kept for this tab, forgotten.
import {$, setText} from './dom.mjs';
import {call, Refused, setToken, token} from './api.mjs';
import {refusal} from './said.mjs';

// A change of nothing: who may not make changes is refused before anybody looks at what it says.
async function tried() {
	try {
		await call('POST', '/v1/services?dry-run=true', {body: {}});
	} catch (error) {
		if (!(error instanceof Refused) || [401, 403, 429].includes(error.status))
			throw error;
	}
}

export class Access {
	// changed() is called when there is a token now, or none any more.
	constructor(changed) {
		this.changed = changed;
		this.dialog = $('token-dialog');
		this.form = $('token-form');
		$('access').addEventListener('click', () => (token() ? this.lock() : this.dialog.showModal()));
		this.form.querySelector('.cancel').addEventListener('click', () => this.dialog.close());
		this.form.addEventListener('submit', (event) => {
			event.preventDefault();
			this.unlock();
		});
		this.dialog.addEventListener('close', () => {
			this.form.reset();
			this.say();
		});
		this.show();
	}

	say(...what) {
		this.form.querySelector('.said').replaceChildren(...what);
	}

	show() {
		setText($('access'), token() ? 'Lock' : 'Unlock changes');
		document.documentElement.dataset.access = token() ? 'change' : 'read';
		this.changed();
	}

	lock() {
		setToken(null);
		this.show();
	}

	async unlock() {
		setToken(this.form.elements.token.value.trim());
		try {
			await tried();
			this.dialog.close();
		} catch (error) {
			setToken(null);
			this.say(refusal(error));
		}
		this.show();
	}
}

// SPDX-License-Identifier: Apache-2.0
// Drain, weight, add, remove: a dialogue that shows the plan, and then makes the change that was
// planned, or none if somebody else was faster.
import {$, element} from './dom.mjs';
import {call, pathOf} from './api.mjs';
import {refusal} from './said.mjs';
import {told} from './plan.mjs';

const PLAN_AFTER_MS = 250; // the last key

function input(label, name, attributes) {
	return element('label', {}, label, element('input', {name, autocomplete: 'off', spellcheck: 'false', ...attributes}));
}

const deadline = () => input('Cut what is left after', 'deadline', {value: '30s', required: true});

function query(parameters) {
	const text = new URLSearchParams(parameters).toString();

	return text ? '?' + text : '';
}

// Each: title, button, fields, and request(values) of what is to be sent.
const kinds = {
	drain: (service, backend) => ({
		title: 'Drain ' + backend.address, button: 'Drain',
		fields: [input('Into maintenance after (empty: never)', 'deadline', {placeholder: '5m'})],
		request: (values) => ['PATCH', pathOf(service, backend.address), {}, {state: 'drain', ...(values.deadline ? {deadline: values.deadline} : {})}],
	}),
	back: (service, backend) => ({
		title: 'Take back ' + backend.address, button: 'Take back', fields: [],
		request: () => ['PATCH', pathOf(service, backend.address), {}, {state: 'up'}],
	}),
	weight: (service, backend) => ({
		title: 'Weight of ' + backend.address, button: 'Set',
		fields: [input('Weight, 0 to 1000', 'weight', {type: 'number', value: backend.weight, required: true})],
		request: (values) => ['PATCH', pathOf(service, backend.address), {}, {weight: Number(values.weight)}],
	}),
	remove: (service, backend) => ({
		title: 'Remove ' + backend.address, button: 'Remove',
		fields: [deadline(), element('label', {class: 'check'}, element('input', {type: 'checkbox', name: 'now'}), ' now, whatever it has')],
		request: (values) => ['DELETE', pathOf(service, backend.address), values.now ? {now: 'true'} : {deadline: values.deadline}],
	}),
	add: (service) => ({
		title: 'Add a backend to ' + service, button: 'Add',
		fields: [input('Address', 'address', {placeholder: '198.18.1.14:80', required: true}),
			input('Weight, 0 to 1000', 'weight', {type: 'number', value: '1', required: true})],
		request: (values) => ['POST', pathOf(service) + '/backends', {}, {address: values.address, weight: Number(values.weight)}],
	}),
};

export class Changes {
	// done() is called when something was changed.
	constructor(done) {
		this.done = done;
		this.dialog = $('change-dialog');
		this.form = $('change-form');
		this.plan = this.form.querySelector('.plan');
		this.form.noValidate = true; // the API says it better
		this.form.querySelector('.cancel').addEventListener('click', () => this.dialog.close());
		this.form.addEventListener('input', () => this.soon());
		this.form.addEventListener('submit', (event) => {
			event.preventDefault();
			this.make();
		});
	}

	// kind of `kinds`; backend is the API's, and not needed for add.
	open(kind, service, backend) {
		this.what = kinds[kind](service, backend);
		this.generation = undefined;
		$('change-title').textContent = this.what.title;
		this.form.querySelector('.main').textContent = this.what.button;
		this.form.querySelector('.fields').replaceChildren(...this.what.fields);
		this.plan.replaceChildren();
		this.say();
		this.dialog.showModal();
		this.focus();
		this.ask();
	}

	// What is typed replaces what a field has.
	focus() {
		const field = this.form.querySelector('.fields input');

		if (field)
			field.select();
		else
			this.form.querySelector('.main').focus();
	}

	say(...what) {
		this.form.querySelector('.said').replaceChildren(...what);
	}

	values() {
		const fields = Array.from(this.form.querySelectorAll('.fields input'));

		return Object.fromEntries(fields.map((field) => [field.name, field.type === 'checkbox' ? field.checked : field.value.trim()]));
	}

	soon() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.ask(), PLAN_AFTER_MS);
	}

	send(parameters, generation) {
		const [method, path, own, body] = this.what.request(this.values());

		return call(method, path + query({...own, ...parameters}), {body, generation});
	}

	// Asks what it would do. An address that is not written yet has no plan.
	async ask() {
		const what = this.what;
		const values = JSON.stringify(this.values());

		clearTimeout(this.timer);
		if (this.values().address === '')
			return;
		try {
			const plan = await this.send({'dry-run': 'true'});

			if (what !== this.what || values !== JSON.stringify(this.values()))
				return;
			this.generation = plan.generation;
			this.plan.replaceChildren(...told(plan));
			this.say();
		} catch (error) {
			this.plan.replaceChildren();
			this.say(refusal(error));
		}
	}

	async make() {
		try {
			await this.send({}, this.generation);
			this.dialog.close();
		} catch (error) {
			if (error.status === 412)
				await this.ask();
			this.say(refusal(error));
		}
		this.done();
	}
}

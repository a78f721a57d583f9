// SPDX-License-Identifier: Apache-2.0
// Cases as tests/lab/check.sh has them, and what only the script that began us can do.
import {createInterface} from 'node:readline';
import {until} from './browser.mjs';

const input = createInterface({input: process.stdin})[Symbol.asyncIterator]();

export function check(name, good, why = '') {
	console.log((good ? 'ok ' : 'not ok ') + name);
	if (!good && why !== '')
		console.log('# ' + String(why).replace(/\n/g, '\n# '));
}

export function equal(name, wanted, got) {
	check(name, JSON.stringify(wanted) === JSON.stringify(got), 'wanted: ' + JSON.stringify(wanted) + '\ngot:    ' + JSON.stringify(got));
}

// ok once the condition holds; what it gave is returned, or null.
export async function comes(name, milliseconds, condition) {
	try {
		const value = await until(name, milliseconds * (Number(process.env.SLOWER) || 1), condition);

		check(name, true);
		return value;
	} catch (error) {
		check(name, false, error.message);
		return null;
	}
}

export function promise(name, limit, got) {
	check(name + ' (' + got + ')', got !== null && got <= limit * (Number(process.env.SLOWER) || 1), 'wanted at most ' + limit + ', got ' + got);
	console.log('# promise ' + name + ': ' + got + ' (limit ' + limit + ')');
}

// Has the script do it, and waits until it is done.
export async function ask(what) {
	console.log('do ' + what);
	await input.next();
}

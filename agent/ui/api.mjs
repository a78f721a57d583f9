// SPDX-License-Identifier: Apache-2.0
// The agent's HTTP API. The token lives in this tab only and is sent in a header only.

const TIMEOUT_MS = 5000;
const KEY = 'token';

// What the agent refused, in its own words.
export class Refused extends Error {
	constructor(status, said, retryAfter) {
		super(said.error || 'HTTP status ' + status);
		this.status = status;
		this.hint = said.hint || '';
		this.retryAfter = retryAfter;
	}
}

// Nobody answered.
export class Gone extends Error {}

export function token() {
	return sessionStorage.getItem(KEY);
}

export function setToken(text) {
	if (text)
		sessionStorage.setItem(KEY, text);
	else
		sessionStorage.removeItem(KEY);
}

function headersOf(method) {
	const reads = method === 'GET';

	return reads || !token() ? {} : {Authorization: 'Bearer ' + token()};
}

let ahead = 0; // ms that the agent's clock is ahead of ours

// By the agent's clock: ms since 1970.
export function agentNow() {
	return Date.now() + ahead;
}

// Answers tell whole seconds; what they take on their way is no difference of clocks.
function compareClocks(date) {
	const difference = Date.parse(date) + 500 - Date.now();

	ahead = Math.abs(difference) > 2000 ? difference : 0;
}

// What is not JSON is not the agent's own word.
function parsed(text) {
	try {
		return JSON.parse(text);
	} catch (error) {
		return {};
	}
}

// The answer's document. options: body (an object), generation (the change is made only if it is
// still that one). Throws Refused or Gone.
export async function call(method, path, options = {}) {
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
	const headers = headersOf(method);
	let response, document;

	if (options.body)
		headers['Content-Type'] = 'application/json';
	if (options.generation !== undefined)
		headers['If-Match'] = '"' + options.generation + '"';
	try {
		response = await fetch(path, {
			method,
			headers,
			body: options.body ? JSON.stringify(options.body) : undefined,
			cache: 'no-store',
			signal: stop.signal,
		});
		document = parsed(await response.text());
	} catch (error) {
		throw new Gone(error.message);
	} finally {
		clearTimeout(timer);
	}
	compareClocks(response.headers.get('Date'));
	if (!response.ok)
		throw new Refused(response.status, document, Number(response.headers.get('Retry-After')) || 0);
	return document;
}

export const get = (path) => call('GET', path);

// Path of a service, or of a backend of it.
export function pathOf(service, backend) {
	const path = '/v1/services/' + encodeURIComponent(service);

	return backend ? path + '/backends/' + encodeURIComponent(backend).replace(/%3A/g, ':') : path;
}

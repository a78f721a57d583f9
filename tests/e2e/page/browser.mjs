// SPDX-License-Identifier: Apache-2.0
// Chromium without a window, driven by its DevTools protocol over two pipes: no port, no library.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const ANSWER_MS = 20000;

const KEYS = {
	Enter: {code: 'Enter', windowsVirtualKeyCode: 13, text: '\r'},
	Tab: {code: 'Tab', windowsVirtualKeyCode: 9},
	Escape: {code: 'Escape', windowsVirtualKeyCode: 27},
	' ': {code: 'Space', windowsVirtualKeyCode: 32, text: ' '},
};

export async function until(what, milliseconds, condition) {
	const end = Date.now() + milliseconds;

	for (;;) {
		const value = await condition();

		if (value)
			return value;
		if (Date.now() > end)
			throw new Error('not within ' + milliseconds + ' ms: ' + what);
		await new Promise((done) => setTimeout(done, 20));
	}
}

export class Browser {
	constructor(command = 'chromium') {
		this.home = mkdtempSync(join(tmpdir(), 'sluice-page-'));
		this.waiting = new Map();
		this.next = 1;
		this.complaints = []; // errors and warnings of the page's console, refusals by its policy
		this.requests = []; // URLs
		this.child = spawn(command, ['--headless=new', '--no-sandbox', '--remote-debugging-pipe', '--disable-gpu',
			'--user-data-dir=' + this.home, '--no-first-run', '--disable-background-networking', '--disable-sync',
			'--disable-component-update', '--disable-extensions', '--disable-dev-shm-usage', '--force-color-profile=srgb',
			'--hide-scrollbars', 'about:blank'],
		{stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: {...process.env, HOME: this.home}});
		this.listen(this.child.stdio[4]);
	}

	listen(pipe) {
		let rest = '';

		pipe.setEncoding('utf8');
		pipe.on('data', (text) => {
			const parts = (rest + text).split('\0');

			rest = parts.pop();
			parts.forEach((part) => this.take(JSON.parse(part)));
		});
	}

	take(message) {
		const waiting = this.waiting.get(message.id);

		this.waiting.delete(message.id);
		if (waiting && message.error)
			waiting.fail(new Error(waiting.method + ': ' + message.error.message));
		else if (waiting)
			waiting.done(message.result);
		else if (message.method)
			this.note(message.method, message.params);
	}

	note(method, params) {
		if (method === 'Runtime.exceptionThrown')
			this.complaints.push(params.exceptionDetails.exception.description || params.exceptionDetails.text);
		else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning'].includes(params.type))
			this.complaints.push(params.args.map((arg) => arg.value).join(' '));
		else if (method === 'Log.entryAdded' && params.entry.level !== 'verbose')
			this.complaints.push(params.entry.text + ' ' + (params.entry.url || ''));
		else if (method === 'Audits.issueAdded' && params.issue.code === 'ContentSecurityPolicyIssue')
			this.complaints.push(JSON.stringify(params.issue.details));
		else if (method === 'Network.requestWillBeSent')
			this.requests.push(params.request.url);
	}

	send(method, params = {}) {
		const id = this.next++;
		const message = {id, method, params, ...(this.session ? {sessionId: this.session} : {})};

		return new Promise((done, fail) => {
			const timer = setTimeout(() => fail(new Error(method + ': no answer')), ANSWER_MS);

			this.waiting.set(id, {method, fail, done: (result) => (clearTimeout(timer), done(result))});
			this.child.stdio[3].write(JSON.stringify(message) + '\0');
		});
	}

	async open(url) {
		const {targetInfos} = await this.send('Target.getTargets');
		const page = targetInfos.find((target) => target.type === 'page');
		const {sessionId} = await this.send('Target.attachToTarget', {targetId: page.targetId, flatten: true});

		this.session = sessionId;
		for (const domain of ['Runtime', 'Page', 'Log', 'Network', 'Audits'])
			await this.send(domain + '.enable');
		await this.send('Page.navigate', {url});
	}

	// The value of an expression in the page; promises are waited for.
	async value(expression) {
		const answer = await this.send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});

		if (answer.exceptionDetails)
			throw new Error(answer.exceptionDetails.exception.description);
		return answer.result.value;
	}

	// The mouse, in the middle of the first element of a selector.
	async click(selector) {
		const at = await this.value(`(() => {
			const node = document.querySelector(${JSON.stringify(selector)});
			node.scrollIntoView({block: 'center'});
			const box = node.getBoundingClientRect();
			return {x: box.x + box.width / 2, y: box.y + box.height / 2};
		})()`);

		for (const type of ['mousePressed', 'mouseReleased'])
			await this.send('Input.dispatchMouseEvent', {type, ...at, button: 'left', clickCount: 1});
	}

	// One key by name, with Shift or not.
	async press(key, shift = false) {
		const {text, ...known} = KEYS[key];
		const event = {key, modifiers: shift ? 8 : 0, ...known};

		await this.send('Input.dispatchKeyEvent', {type: text ? 'keyDown' : 'rawKeyDown', ...event, ...(text ? {text} : {})});
		await this.send('Input.dispatchKeyEvent', {type: 'keyUp', ...event});
	}

	async type(text) {
		await this.send('Input.insertText', {text});
	}

	async look({width, height, dark = false, phone = false, scale = 1}) {
		await this.send('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: scale, mobile: phone});
		await this.send('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}]});
	}

	async picture(file, whole = false) {
		const shot = await this.send('Page.captureScreenshot', {format: 'png', captureBeyondViewport: whole});

		writeFileSync(file, Buffer.from(shot.data, 'base64'));
	}

	async close() {
		const ended = new Promise((done) => this.child.once('exit', done));

		this.session = null;
		await this.send('Browser.close').catch(() => this.child.kill('SIGKILL'));
		await ended;
		rmSync(this.home, {recursive: true, force: true});
	}
}

// SPDX-License-Identifier: Apache-2.0
// The page as a person uses it; page.sh runs this beside the agent.
//   node page.mjs URL TOKEN DIRECTORY       pictures go into the directory
import {join} from 'node:path';
import {Browser, until} from './browser.mjs';
import {ask, check, comes, equal, promise} from './checks.mjs';

const [, , url, token, pictures] = process.argv;
const origin = new URL(url).origin;
const browser = new Browser();
const WEB = '/v1/services/web';

const api = async (path) => (await fetch(origin + path)).json();
const backends = async () => (await api(WEB)).backends;
const backend = async (address) => (await backends()).find((b) => b.address === address);
const page = (expression) => browser.value(expression);
const text = (selector) => page(`(document.querySelector(${JSON.stringify(selector)}) || {}).innerText`);
const row = (address) => `#backends tr[data-key="${address}"]`;
const open = (id) => page(`document.getElementById('${id}').open`);

// What rows of the table say, cell by cell.
const rows = () => page(`Array.from(document.querySelectorAll('#backends tbody tr'), (tr) => ({
	address: tr.querySelector('.address').textContent, status: tr.dataset.status,
	weight: tr.querySelector('.weight').textContent, intended: tr.querySelector('.intended').textContent,
	live: tr.querySelector('.live').textContent}))`);
const served = () => page(`Array.from(document.querySelectorAll('#served li'), (li) =>
	[li.querySelector('.address').textContent, li.querySelector('.count').textContent])`);

const grouped = (n) => new Intl.NumberFormat('en').format(n);

async function charts() {
	await comes('charts draw every backend', 15000, () => page(`['chart-packets', 'chart-new-flows', 'chart-active-flows'].every((id) => {
		const sets = Chart.getChart(id).data.datasets;
		return sets.length === 3 && sets.every((set) => set.data.length > 3 && set.data[set.data.length - 1].y > 0);
	})`));
	await comes('the actual share is shown', 5000, () => page(`Array.from(document.querySelectorAll('.actual')).every((n) => /^\\d+\\.\\d %$/.test(n.textContent))`));
}

async function figures() {
	await ask('stop-load');
	const wanted = async () => (await backends()).map((b) => ({address: b.address, status: b.status, weight: String(b.weight),
		intended: (b.share * 100).toFixed(1) + ' %', live: grouped(b['active-flows'])}));
	await comes('status, weight, share and live flows are the API\'s', 10000, async () =>
		JSON.stringify(await rows()) === JSON.stringify(await wanted()));
	await comes('flows served are the API\'s', 5000, async () =>
		JSON.stringify(await served()) === JSON.stringify((await backends()).map((b) => [b.address, grouped(b['new-flows'])])));
	await comes('drops are the API\'s', 5000, async () => {
		const drops = Object.entries((await api('/v1/status')).drops).filter(([, n]) => n);
		const shown = await page(`Array.from(document.querySelectorAll('#drops tbody tr'), (tr) => [tr.dataset.key, tr.children[2].textContent])`);
		return drops.length > 0 && drops.every(([reason, n]) => shown.some(([r, m]) => r === reason && m === grouped(n)));
	});
	const latest = (await api('/v1/events')).events.pop();
	check('the latest event is on top', (await text('#events li strong')) === latest.kind.replace(/-/g, ' '));
}

async function explains() {
	const answer = await api('/v1/explain?proto=tcp&src=203.0.113.9:99&dst=198.18.0.10:80');

	await page(`document.querySelector('#explain [name=src]').value = '203.0.113.9:99'`);
	await browser.click('#explain button');
	await comes('explain shows every step', 5000, async () => JSON.stringify(answer.steps.map((step) => step.text)) ===
		JSON.stringify(await page(`Array.from(document.querySelectorAll('#explained li span'), (n) => n.textContent)`)));
	check('and where it would go', (await text('#explained .verdict')).includes(answer.backend));
	await page(`document.querySelector('#explain [name=src]').value = 'nonsense'`);
	await browser.click('#explain button');
	await comes('and the API\'s words where it cannot', 5000, async () => /nonsense/.test(await text('#explained')));
}

async function unlock() {
	equal('without a token nothing can be changed', 0, await page(`Array.from(document.querySelectorAll('.changes button, #add')).filter((n) => n.checkVisibility()).length`));
	await browser.click('#access');
	await browser.type('not-the-token-not-the-token');
	await browser.press('Enter');
	await comes('a wrong token is refused in the API\'s words', 5000, async () => /the token is wrong/.test(await text('#token-form .said')));
	await page(`document.querySelector('#token-form input').value = ''`);
	await page(`document.querySelector('#token-form input').focus()`);
	await browser.type(token);
	await browser.press('Enter');
	await comes('the right one unlocks', 5000, async () => !(await open('token-dialog')) && (await page('document.documentElement.dataset.access')) === 'change');
	check('it is in this tab\'s storage and nowhere else', await page(`sessionStorage.token === ${JSON.stringify(token)} &&
		!JSON.stringify(localStorage).includes(sessionStorage.token) && !document.cookie && !location.href.includes(sessionStorage.token)`));
}

async function drains() {
	const address = '198.18.1.11:80';

	await browser.click(row(address) + ' [data-what=drain]');
	await comes('a drain is planned before it is made', 5000, async () => /33\.\d % leave/.test(await text('#change-form .plan')));
	equal('and is not made by that', 'up', (await backend(address)).state);
	await browser.click('#change-form .main');
	await comes('a drain clicked is a drain done', 5000, async () => (await backend(address)).state === 'drain');
	await comes('and shown', 5000, async () => /draining/.test(await text(row(address) + ' .badge')));
	await browser.click(row(address) + ' [data-what=drain]');
	await comes('it can be taken back', 5000, async () => /Take back/.test(await text('#change-title')));
	await browser.press('Enter');
	await comes('and is', 5000, async () => (await rows())[0].status === 'up' && (await backend(address)).state === 'up');
}

async function dies() {
	const address = '198.18.1.12:80';
	const red = () => page(`(() => {
		const badge = document.querySelector(${JSON.stringify(row(address) + ' .badge')});
		const bad = document.createElement('i');
		document.body.append(bad);
		bad.style.color = 'var(--bad)';
		const wanted = getComputedStyle(bad).color;
		bad.remove();
		return /down/.test(badge.textContent) && getComputedStyle(badge).color === wanted;
	})()`);
	let said = null;
	let seen = null;

	await ask('kill-b2');
	await until('the backend is down', 20000, async () => {
		if (said === null && (await backend(address)).status === 'down')
			said = Date.now();
		if (seen === null && (await red()))
			seen = Date.now();
		return said !== null && seen !== null;
	});
	promise('a backend that the API calls down is red on the page, ms later', 1000, Math.max(0, seen - said));
	await comes('with its reason', 3000, async () => /refused/.test(await text(row(address) + ' .reason')));
	await comes('the health strip tells it', 3000, () => page(`/down since/.test(document.querySelector('#health li[data-key="${address}"] svg').getAttribute('aria-label'))`));
	await comes('the list of services tells it', 3000, async () => /2 of 3 up/.test(await text('#services .state')));
	check('the event is told to those who listen', /backend down web 198\.18\.1\.12:80/.test(await page(`document.getElementById('spoken').textContent`)));
	await ask('start-b2');
	await comes('it comes back', 15000, async () => (await page(`document.querySelector('${row(address)}').dataset.status`)) === 'up');
}

// Goes there by Tab alone.
async function tabTo(selector) {
	for (let i = 0; i < 120; i++) {
		if (await page(`document.activeElement.matches(${JSON.stringify(selector)})`))
			return true;
		await browser.press('Tab');
	}
	check('Tab reaches ' + selector, false, await page('document.activeElement.outerHTML'));
	return false;
}

async function byKeyboard() {
	const address = '198.18.1.14:80';

	await browser.send('Page.reload');
	await comes('the token outlives a reload', 10000, () => page(`document.readyState === 'complete' && document.documentElement.dataset.access === 'change' &&
		document.querySelectorAll('#backends tbody tr').length === 3`));
	await browser.press('Tab');
	check('the first thing that Tab reaches is the way to the service', await page(`document.activeElement.matches('.skip')`));
	await browser.press('Enter');
	check('which leads there', await page(`document.activeElement.id === 'service'`));
	await tabTo('#add');
	check('what has the focus is seen', await page(`getComputedStyle(document.activeElement).outlineStyle !== 'none'`));
	await browser.press('Enter');
	await browser.type('198.18.1.14:99999');
	await comes('a wrong address is refused in the API\'s words', 5000, async () => /port 99999/.test(await text('#change-form .said')));
	await page('document.activeElement.select()');
	await browser.type('198.18.1.14');
	await comes('an addition is planned', 5000, async () => /% come/.test(await text('#change-form .plan')));
	await browser.press('Enter');
	await comes('a backend is added', 5000, async () => Boolean(await backend(address)));
	await comes('and shown', 10000, () => page(`Boolean(document.querySelector('${row(address)}[data-status=up]'))`));
	await tabTo(row(address) + ' [data-what=weight]');
	await browser.press('Enter');
	await until('the dialogue', 3000, () => open('change-dialog'));
	await browser.type('3');
	await comes('a weight is planned', 5000, async () => /→\s*50\.0 %/.test(await text('#change-form .plan')));
	await browser.press('Enter');
	await comes('a weight is set', 5000, async () => (await backend(address)).weight === 3);
	await comes('the focus is back where it was', 3000, () => page(`document.activeElement.matches(${JSON.stringify(row(address) + ' [data-what=weight]')})`));
	await tabTo(row(address) + ' [data-what=remove]');
	await browser.press('Enter');
	await until('the dialogue', 3000, () => open('change-dialog'));
	await tabTo('#change-form [name=now]');
	await browser.press(' ');
	await browser.press('Enter');
	await comes('a backend is removed', 5000, async () => !(await backend(address)));
	await comes('and its row', 5000, async () => (await rows()).length === 3);
}

async function agentGone() {
	const since = Date.now();

	await ask('kill-agent');
	await comes('when the agent is gone the page says so', 5000, () => page(`!document.getElementById('banner').hidden && /does not answer/.test(document.getElementById('banner').textContent)`));
	promise('the page says that the agent is gone, ms later', 1000, Date.now() - since);
	await ask('start-agent');
	await comes('and goes on by itself', 15000, () => page(`document.getElementById('banner').hidden && document.getElementById('agent').textContent === 'in sync'`));
	await comes('with its events', 10000, async () => /agent started/.test(await text('#events')));
}

async function looks() {
	await browser.look({width: 1440, height: 900});
	await browser.picture(join(pictures, 'desktop.png'), true);
	await browser.click('#theme');
	check('dark can be chosen', await page(`document.documentElement.dataset.theme === 'dark'`));
	await browser.picture(join(pictures, 'dark.png'), true);
	await browser.click('#theme');
	await browser.look({width: 360, height: 780, phone: true});
	await comes('a phone of 360 pixels need not scroll sideways', 3000, () => page('document.documentElement.scrollWidth <= 360'));
	await browser.picture(join(pictures, 'phone.png'), true);
	await browser.look({width: 1440, height: 900});
}

async function rests() {
	const {targetId} = await browser.send('Target.createTarget', {url: 'about:blank'});

	await until('hidden', 5000, () => page('document.hidden'));
	// What was under way may end; a page that went on would ask within a second, again and again.
	let before = browser.requests.length;
	let since = Date.now();

	await comes('a hidden page asks nothing', 15000, () => {
		if (browser.requests.length !== before)
			since = Date.now();
		before = browser.requests.length;
		return Date.now() - since > 2500;
	});
	await browser.send('Target.closeTarget', {targetId});
	await comes('and goes on when it is seen', 5000, () => browser.requests.length > before);
}

async function everything() {
	await browser.open(url);
	await browser.look({width: 1440, height: 900});
	await comes('the page comes', 15000, async () => (await rows()).length === 3);
	await charts();
	await explains();
	await dies();
	await unlock();
	await looks();
	await figures();
	await drains();
	await byKeyboard();
	await rests();
	await agentGone();
}

async function main() {
	try {
		await everything();
	} catch (error) {
		check('the page\'s test ran to its end', false, error.stack);
		await browser.picture(join(pictures, 'failed.png')).catch(() => {});
	}
	// That a request was refused, or not answered, is what the cases above ask for.
	const complaints = browser.complaints.filter((line) => !/^Failed to load resource/.test(line));

	equal('nothing breaks the page\'s policy, and no script fails', [], complaints);
	equal('nothing is asked of anybody else', [], browser.requests.filter((line) => !line.startsWith(origin + '/')));
	await browser.close();
	process.exit(0);
}

main();

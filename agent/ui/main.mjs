// SPDX-License-Identifier: Apache-2.0
// Looks once a second, as long as somebody sees it, and has everything drawn.
import {$, setAttribute, setText} from './dom.mjs';
import {agentNow, get, Gone, Refused} from './api.mjs';
import {Access} from './access.mjs';
import {Backends} from './backends.mjs';
import {Changes} from './changes.mjs';
import {Charts} from './charts.mjs';
import {Detail, PAGE} from './detail.mjs';
import {Drops} from './drops.mjs';
import {EventStream} from './stream.mjs';
import {Events} from './events.mjs';
import {Explain} from './explain.mjs';
import {Overview} from './overview.mjs';
import {Pages} from './pages.mjs';
import {Services} from './services.mjs';
import {isDark} from './palette.mjs';
import {refusal} from './said.mjs';
import {updateServed} from './served.mjs';
import {updateTimeline} from './timeline.mjs';
import * as format from './format.mjs';

const PERIOD_MS = 1000;
const LEAST_MS = 250; // between two looks, however much happens
const PATIENCE = 3; // refusals in a row before the user hears of them: the agent may be busy

let detail = null;
let timer = null;
let looking = false;
let again = false; // a look was asked for while one was under way
let lookedAt = 0; // when the last look began, by performance.now()
let refused = 0; // times in a row
let goneSince = null; // ms since 1970
let first = true; // no events have come yet
const away = []; // when nobody answered

const overview = new Overview();
const services = new Services(select);
const backends = new Backends(change, filter);
const pages = new Pages($('backends-pages'), PAGE, turn);
const charts = new Charts();
const events = new Events();
const drops = new Drops();
const explain = new Explain();
const changes = new Changes(lookNow);
const stream = new EventStream(take, lookNow);

// --- what is looked at ---

function wantedService() {
	const found = /^#\/service\/(.+)$/.exec(location.hash);

	return found ? decodeURIComponent(found[1]) : null;
}

function select(name) {
	location.hash = '#/service/' + encodeURIComponent(name);
}

function follow() {
	const service = services.find(wantedService()) || services.list[0] || null;

	if (service && detail && detail.name === service.name)
		return;
	detail = service && new Detail(service.name);
	pages.first();
	services.show(service && service.name);
	events.show(service && service.name);
	setText($('service-title'), service ? service.name : 'No service');
	$('service').dataset.empty = String(!service);
	if (!service)
		return;
	explain.show(service);
	detail.askEvents().catch(() => {});
}

function filter(status) {
	detail.status = status;
	pages.first();
	lookNow();
}

// Another page: what was drawn of the former one is of no use.
function turn() {
	const status = detail.status;

	detail = Object.assign(new Detail(detail.name), {status, events: detail.events, totals: detail.totals});
	lookNow();
}

// --- looking ---

async function look() {
	const [status, list] = await Promise.all([get('/v1/status'), get('/v1/services?summary=true')]);
	const time = performance.now() / 1000;

	overview.update(time, status, list.services);
	drops.update(time, status.drops);
	services.update(time, list.services);
	follow();
	if (detail)
		await lookAtService(detail);
}

async function lookAtService(which) {
	const answer = await which.ask(pages.offset);
	const service = services.find(which.name);

	if (which !== detail || !service)
		return;
	which.take(performance.now() / 1000, service, answer);
	if (!pages.update(answer.matching))
		again = true;
	setText($('service-facts'), service.vip.slice(0, 3).join(', ') + (service.vip.length > 3 ? ' …' : '') +
		' · mode ' + service.mode + ' · check ' + service.check);
	$('panic').hidden = !service.panic;
	draw();
}

function draw() {
	if (!detail || !detail.service)
		return;
	backends.update(detail);
	charts.update(detail);
	updateServed(detail);
	updateTimeline(detail, agentNow(), away);
}

async function tick() {
	let wait = PERIOD_MS;

	clearTimeout(timer);
	if (document.hidden)
		return;
	if (looking) {
		again = true;
		return;
	}
	looking = true;
	lookedAt = performance.now();
	try {
		await look();
		answered();
	} catch (error) {
		wait = failed(error);
	}
	looking = false;
	timer = setTimeout(tick, again ? LEAST_MS : wait);
	again = false;
}

function lookNow() {
	clearTimeout(timer);
	timer = setTimeout(tick, Math.max(0, lookedAt + LEAST_MS - performance.now()));
}

// --- when nobody answers ---

function say(...what) {
	$('banner').replaceChildren(...what);
	$('banner').hidden = what.length === 0;
}

function answered() {
	if (goneSince !== null)
		away.push({from: goneSince, to: agentNow()});
	away.splice(0, away.length - 100);
	goneSince = null;
	refused = 0;
	delete document.documentElement.dataset.gone;
	if (!$('banner').hidden)
		say();
}

// Returns how long to wait before asking again, in ms.
function failed(error) {
	if (error instanceof Refused && error.status === 404)
		return PERIOD_MS; // the service went between two questions
	if (error instanceof Refused) {
		if (++refused >= PATIENCE)
			say(refusal(error));
		return Math.max(error.retryAfter * 1000, 2 * PERIOD_MS);
	}
	if (!(error instanceof Gone))
		console.error(error.stack); // the page's own fault, or somebody answers in the agent's place
	if (goneSince === null)
		goneSince = agentNow();
	setText($('agent'), 'no answer');
	setAttribute($('agent'), 'data-tone', 'bad');
	document.documentElement.dataset.gone = 'true';
	say('lbagent does not answer since ' + format.clock(goneSince) +
		'. What you see is of then; packets go their way without it. Asking again every second.');
	return PERIOD_MS;
}

// --- events ---

function take(list) {
	events.add(list, !first);
	first = false;
	if (detail)
		detail.addEvents(list);
	lookNow();
}

function watch() {
	if (document.hidden) {
		stream.end();
		clearTimeout(timer);
		return;
	}
	stream.start();
	lookNow();
}

// --- changes ---

function change(what, backend) {
	if (backend)
		changes.open(what === 'drain' && backend.state !== 'up' ? 'back' : what, detail.name, backend);
}

// --- theme ---

function dress() {
	setAttribute($('theme'), 'aria-label', isDark() ? 'Light theme' : 'Dark theme');
	charts.dress();
	draw();
}

$('theme').addEventListener('click', () => {
	const theme = isDark() ? 'light' : 'dark';

	document.documentElement.dataset.theme = theme;
	localStorage.setItem('theme', theme);
	dress();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', dress);

$('add').addEventListener('click', () => detail && changes.open('add', detail.name));
document.querySelector('.skip').addEventListener('click', (event) => {
	event.preventDefault();
	$('service').focus();
});
addEventListener('hashchange', () => {
	follow();
	lookNow();
});
document.addEventListener('visibilitychange', watch);

new Access(lookNow);
dress();
watch();

// SPDX-License-Identifier: Apache-2.0
// Follows /v1/events: the latest first, then each as it comes. Goes on behind the last one seen when
// the connection breaks. fetch() and not EventSource, which tells nobody why it failed.
import {get} from './api.mjs';

const LATEST = 200;
const AGAIN_MS = 1000;
const SILENCE_MS = 25000; // the agent says something every 10 s

export class EventStream {
	// onEvents(events) gets the latest and then one at a time; onBreak() is told at once.
	constructor(onEvents, onBreak) {
		this.onEvents = onEvents;
		this.onBreak = onBreak;
		this.last = null;
		this.stop = null;
	}

	async start() {
		const stop = (this.stop = new AbortController());

		while (!stop.signal.aborted) {
			try {
				await this.begin(stop);
				await this.follow(stop);
			} catch (error) {
				if (stop.signal.aborted)
					return;
			}
			this.onBreak();
			await new Promise((done) => setTimeout(done, AGAIN_MS));
		}
	}

	end() {
		if (this.stop)
			this.stop.abort();
	}

	async begin(stop) {
		if (this.last !== null)
			return;
		const list = await get('/v1/events?limit=' + LATEST);

		stop.signal.throwIfAborted(); // while it asked; whoever started again asks for himself
		this.last = list.newest;
		this.onEvents(list.events);
	}

	async follow(stop) {
		const headers = {Accept: 'text/event-stream', 'Last-Event-ID': String(this.last)};
		const inner = new AbortController();
		const abort = () => inner.abort();
		let silence = setTimeout(abort, SILENCE_MS);

		stop.signal.addEventListener('abort', abort);
		try {
			const response = await fetch('/v1/events?follow=true', {headers, signal: inner.signal});

			if (!response.ok)
				throw new Error('HTTP status ' + response.status);
			const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
			let rest = '';

			for (;;) {
				const {done, value} = await reader.read();

				if (done)
					return;
				clearTimeout(silence);
				silence = setTimeout(abort, SILENCE_MS);
				rest = this.take(rest + value);
			}
		} finally {
			clearTimeout(silence);
			stop.signal.removeEventListener('abort', abort);
		}
	}

	// Takes whole lines; an event's data is one. Returns what is left.
	take(text) {
		const lines = text.split('\n');
		const rest = lines.pop();

		for (const line of lines) {
			if (!line.startsWith('data:'))
				continue;
			const event = JSON.parse(line.slice(5));

			this.last = event.seq;
			this.onEvents([event]);
		}
		return rest;
	}
}

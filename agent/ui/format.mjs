// SPDX-License-Identifier: Apache-2.0
// Figures as people read them. null is a figure that is not known: a dash.

const NONE = '–';
const plain = new Intl.NumberFormat('en');

export function count(value) {
	return value === null ? NONE : plain.format(value);
}

// 1234567 is "1.23 M", 1234 is that; with a unit it is "1.23 kbit/s".
export function short(value, unit = '') {
	const prefixes = ['', 'k', 'M', 'G', 'T'];
	const limit = unit ? 999.5 : 9999.5;
	let i = 0;

	if (value === null)
		return NONE;
	while (value >= limit && i + 1 < prefixes.length) {
		value /= 1000;
		i++;
	}
	const digits = i === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
	const suffix = prefixes[i] + unit;

	return plain.format(Number(value.toFixed(digits))) + (suffix ? ' ' + suffix : '');
}

export function rate(value) {
	return value !== null && value < 9.95 && value % 1 !== 0 ? value.toFixed(1) : short(value);
}

// share of 1
export function percent(share) {
	return share === null ? NONE : (share * 100).toFixed(1) + ' %';
}

// seconds of a handshake; one beyond the last bucket is only known to be longer
export function latency(seconds) {
	if (seconds === null)
		return NONE;
	if (seconds.beyond)
		return '> ' + latency(seconds.beyond);
	if (seconds < 0.001)
		return (seconds * 1e6).toFixed(0) + ' µs';
	return seconds < 1 ? (seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0) + ' ms' : seconds.toFixed(1) + ' s';
}

// seconds of waiting
export function span(seconds) {
	const s = Math.max(0, Math.round(seconds));

	if (s < 90)
		return s + ' s';
	if (s < 5400)
		return Math.round(s / 60) + ' min';
	return s < 172800 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' days';
}

// milliseconds since 1970
export function clock(ms) {
	return new Date(ms).toLocaleTimeString('en-GB');
}

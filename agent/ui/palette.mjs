// SPDX-License-Identifier: Apache-2.0
// Lines that tell backends apart, for those who see no colours as well: by dashes, too. The colours
// are Okabe and Ito's, darker or lighter as the ground needs.

const LIGHT = ['#0072b2', '#c8530a', '#00815c', '#a4508b', '#8f6a00', '#2b8fc4', '#5b5bb5', '#4a4a4a'];
const DARK = ['#56b4e9', '#f0883e', '#2fc796', '#e08fc0', '#e6b422', '#8ecdf0', '#a3a3f0', '#c8c8c8'];
const DASHES = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3], [6, 2, 2, 2, 2, 2]];

export const LINES = LIGHT.length;

export function isDark() {
	const chosen = document.documentElement.dataset.theme;

	return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

export function colour(index) {
	return (isDark() ? DARK : LIGHT)[index % LINES];
}

export function dash(index) {
	return DASHES[index % LINES];
}

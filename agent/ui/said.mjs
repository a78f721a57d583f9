// SPDX-License-Identifier: Apache-2.0
// Why something was refused, as the API words it, and the way out.
import {element} from './dom.mjs';
import {Refused} from './api.mjs';

export function refusal(error) {
	if (!(error instanceof Refused))
		return element('p', {class: 'note bad'}, 'lbagent does not answer.');
	return element('p', {class: 'note bad'}, element('strong', {}, error.message),
		error.hint ? element('span', {class: 'hint'}, error.hint) : '');
}

// SPDX-License-Identifier: Apache-2.0
// Dark or light as chosen before, set before anything is drawn. Else as the system has it.
(function () {
	'use strict';
	const chosen = localStorage.getItem('theme');

	if (chosen === 'dark' || chosen === 'light')
		document.documentElement.dataset.theme = chosen;
})();

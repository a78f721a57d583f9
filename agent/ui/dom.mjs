// SPDX-License-Identifier: Apache-2.0
// Elements are made and texts are set; nothing is ever parsed as HTML.

export const $ = (id) => document.getElementById(id);

// element('td', {class: 'num', title: '...'}, child or text, ...). null and false are no attributes.
export function element(name, attributes = {}, ...children) {
	const made = document.createElement(name);

	for (const [key, value] of Object.entries(attributes)) {
		if (typeof value === 'function')
			made.addEventListener(key, value);
		else if (value !== null && value !== false)
			made.setAttribute(key, value === true ? '' : value);
	}
	made.append(...children);
	return made;
}

export function svg(name, attributes = {}, ...children) {
	const made = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children);
	return made;
}

// Touches the document only where something is new: what has the focus keeps it, and screen
// readers are not told what has not changed.
export function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

export function setAttribute(node, name, value) {
	if (node.getAttribute(name) !== value)
		node.setAttribute(name, value);
}

// Makes parent's children those of items, in their order. A child lives as long as its key is there:
// create(item) makes it, update(child, item) follows every time.
export function keyed(parent, items, keyOf, create, update) {
	const former = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
	let at = parent.firstElementChild;

	for (const item of items) {
		const key = String(keyOf(item));
		let child = former.get(key);

		former.delete(key);
		if (!child) {
			child = create(item);
			child.dataset.key = key;
		}
		if (child === at)
			at = at.nextElementSibling;
		else
			parent.insertBefore(child, at);
		update(child, item);
	}
	for (const child of former.values())
		child.remove();
}

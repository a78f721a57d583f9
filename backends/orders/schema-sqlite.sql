-- The tables of orders in SQLite. May be run again: what exists stays.
CREATE TABLE IF NOT EXISTS items (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	price_cents INTEGER NOT NULL CHECK (price_cents >= 0)
);

-- A key is its client's: it names an order, however often that is sent.
CREATE TABLE IF NOT EXISTS orders (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	idempotency_key TEXT NOT NULL UNIQUE,
	created_ms INTEGER NOT NULL
);

-- The price is that of the day of the order.
CREATE TABLE IF NOT EXISTS order_lines (
	order_id INTEGER NOT NULL REFERENCES orders (id),
	item_id INTEGER NOT NULL REFERENCES items (id),
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	price_cents INTEGER NOT NULL,
	PRIMARY KEY (order_id, item_id)
) WITHOUT ROWID;

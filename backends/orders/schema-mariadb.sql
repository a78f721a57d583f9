-- The tables of orders in MariaDB. May be run again: what exists stays.
CREATE TABLE IF NOT EXISTS items (
	id BIGINT UNSIGNED PRIMARY KEY,
	name VARCHAR(64) NOT NULL,
	price_cents BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A key is its client's: it names an order, however often that is sent. Letters' case counts.
CREATE TABLE IF NOT EXISTS orders (
	id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
	idempotency_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
	created_ms BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The price is that of the day of the order.
CREATE TABLE IF NOT EXISTS order_lines (
	order_id BIGINT UNSIGNED NOT NULL,
	item_id BIGINT UNSIGNED NOT NULL,
	quantity INT UNSIGNED NOT NULL CHECK (quantity > 0),
	price_cents BIGINT UNSIGNED NOT NULL,
	PRIMARY KEY (order_id, item_id),
	FOREIGN KEY (order_id) REFERENCES orders (id),
	FOREIGN KEY (item_id) REFERENCES items (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

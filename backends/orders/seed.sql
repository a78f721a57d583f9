-- Items to order, for either database. May be run again: what exists stays.
INSERT INTO items (id, name, price_cents)
SELECT id, name, price_cents FROM (
	SELECT 1 AS id, 'pencil' AS name, 90 AS price_cents
	UNION ALL SELECT 2, 'notebook', 350
	UNION ALL SELECT 3, 'eraser', 120
	UNION ALL SELECT 4, 'ruler', 240
	UNION ALL SELECT 5, 'fountain pen', 2990
	UNION ALL SELECT 6, 'ink', 690
	UNION ALL SELECT 7, 'envelope', 15
	UNION ALL SELECT 8, 'stapler', 1290
	UNION ALL SELECT 9, 'desk lamp', 4990
	UNION ALL SELECT 10, 'globe', 8900
) AS seed
WHERE id NOT IN (SELECT id FROM items);

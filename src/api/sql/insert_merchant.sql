-- Params: 1 merchant (even: its test partition), 2 public id, 3 name, 4 idempotency required, 5 time. Index: primary key.
INSERT INTO merchant (merchant_id, public_id, name, idempotency_required, created_at)
VALUES ($1, $2, $3, $4, $5)

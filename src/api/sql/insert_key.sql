-- Params: 1 merchant, 2 key id, 3 kind, 4 hash, 5 hint, 6 name, 7 api version, 8 time. Index: primary key.
INSERT INTO api_key (merchant_id, key_id, kind, hash, hint, name, api_version, created_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)

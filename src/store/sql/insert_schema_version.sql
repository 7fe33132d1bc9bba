-- A migration was run. Params: 1 version, 2 name, 3 checksum, 4 now. Index: primary key.
-- all merchants: describes the database itself.
INSERT INTO schema_version (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)

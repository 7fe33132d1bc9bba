-- The migrations that were run. Result: version, name, checksum; ascending. Index: primary key.
-- all merchants: describes the database itself.
-- scan: one row per migration, read at start.
SELECT version, name, checksum FROM schema_version ORDER BY version

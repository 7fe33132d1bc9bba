-- Marks of writers that are gone. Params: 1 time. Index: none.
-- all merchants: at the start of a node.
-- scan: one row per writer and merchant.
DELETE FROM commit_mark WHERE updated_at < $1

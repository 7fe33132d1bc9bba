-- PostgreSQL, after the migrations of a set: what its planner and its grants need and SQLite has no words for.
-- Repeatable: it runs whenever a migration did.

-- Rows that are written once more soon after they were made: room for the second version on the same page.
ALTER TABLE payment SET (fillfactor = 60);
ALTER TABLE attempt SET (fillfactor = 70);
ALTER TABLE answer SET (fillfactor = 80);
ALTER TABLE delivery SET (fillfactor = 70);

-- Stores that came from SQLite may have longer ones, from before metadata had a limit in all.
ALTER TABLE payment ALTER COLUMN details TYPE VARCHAR(1048576);
ALTER TABLE refund ALTER COLUMN details TYPE VARCHAR(1048576);
ALTER TABLE webhook_endpoint ALTER COLUMN details TYPE VARCHAR(1048576);

-- Few rows, written all the time: cleaned before they grow.
ALTER TABLE sequencer SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE commit_mark SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE job SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- What only grows, the owner too cannot change. (A superuser could: Florin should not be one.)
REVOKE UPDATE, DELETE, TRUNCATE ON event, journal, posting, chain, delivery_attempt FROM PUBLIC, CURRENT_USER;

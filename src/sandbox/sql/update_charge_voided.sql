-- Gives up what is held: a part of it, or all that is left; then a charge with captures is captured.
-- params: amount, merchant_id, reference
-- result: 1 changed; 0 when nothing is held. index: primary key
UPDATE charge SET
    state = CASE WHEN $1 < amount - captured - released THEN 2 WHEN captured > 0 THEN 3 ELSE 4 END,
    released = CASE WHEN $1 < amount - captured - released THEN released + $1 ELSE amount - captured END
WHERE merchant_id = $2 AND reference = $3 AND state = 2

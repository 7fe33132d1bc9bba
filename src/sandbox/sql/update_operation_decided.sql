-- Decides a refund that is pending.
-- params: code ('' approved), merchant_id, reference
-- result: 1 changed; 0 when it is decided. index: primary key
UPDATE operation SET pending = 0, code = $1
WHERE merchant_id = $2 AND reference = $3 AND kind = 3 AND pending > 0 AND code = ''

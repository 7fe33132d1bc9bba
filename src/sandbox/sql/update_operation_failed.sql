-- A refund that was approved fails after all.
-- params: code, merchant_id, reference
-- result: 1 changed; 0 when it was not approved. index: primary key
UPDATE operation SET after_success = 1, code = $1
WHERE merchant_id = $2 AND reference = $3 AND kind = 3 AND pending = 0 AND code = ''

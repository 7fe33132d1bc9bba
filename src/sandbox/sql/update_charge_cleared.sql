-- What the scheme cleared of a captured charge.
-- params: amount, merchant_id, reference
-- result: 1 changed; 0 when nothing is captured. index: primary key
UPDATE charge SET cleared = $1 WHERE merchant_id = $2 AND reference = $3 AND captured > 0

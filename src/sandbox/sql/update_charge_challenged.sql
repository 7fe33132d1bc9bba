-- What became of a challenge that was open.
-- params: the charge's state, challenge, code, liability, version, eci, ds_id, merchant_id, reference
-- result: 1 changed; 0 when it ended already. index: primary key
UPDATE charge SET state = $1, challenge = $2, code = $3, flow = 2, liability = $4, version = $5, eci = $6, ds_id = $7
WHERE merchant_id = $8 AND reference = $9 AND state = 7 AND challenge = 1

-- The last webhook of a charge and its operations, of a type if one is named.
-- params: merchant_id, charge_reference, type or empty
-- result: seq. index: notification_charge
SELECT seq FROM notification WHERE merchant_id = $1 AND charge_reference = $2 AND ($3 = '' OR type = $3) AND manner = 0
ORDER BY seq DESC LIMIT 1

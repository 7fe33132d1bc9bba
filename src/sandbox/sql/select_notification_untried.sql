-- Is there one of a charge that was not tried yet?
-- params: merchant_id, charge_reference
-- result: seq. index: notification_charge
SELECT seq FROM notification WHERE merchant_id = $1 AND charge_reference = $2 AND state = 1 AND attempts = 0
ORDER BY seq LIMIT 1

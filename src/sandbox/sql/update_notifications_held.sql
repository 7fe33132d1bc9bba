-- Another one of a charge whose webhooks are held back: they wait on, and go out after it, the last first.
-- params: due_ms of the newest, seq of the newest, merchant_id, charge_reference
-- result: how many. index: notification_charge
UPDATE notification SET due_ms = $1 + ($2 - seq)
WHERE merchant_id = $3 AND charge_reference = $4 AND state = 2

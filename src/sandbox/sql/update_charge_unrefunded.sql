-- A refund failed or was canceled: its part may be refunded again.
-- params: amount, merchant_id, reference
-- result: 1 changed. index: primary key
UPDATE charge SET refunded = refunded - $1 WHERE merchant_id = $2 AND reference = $3 AND refunded >= $1

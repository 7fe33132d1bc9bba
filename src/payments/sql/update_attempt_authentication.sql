-- What the customer must do, and what is known of the authentication. Params: 1 action, 2 its end, 3 its URL (NULL keeps), 4 flow (0 keeps),
-- 5 version, 6 transaction of the directory server, 7 ECI (NULL keeps each), 8 liability shift (0 keeps), 9 merchant, 10 payment, 11 number.
-- Index: primary key.
UPDATE attempt SET action = $1, action_expires_at = $2, action_url = COALESCE($3, action_url),
    three_ds_flow = CASE WHEN $4 = 0 THEN three_ds_flow ELSE $4 END, three_ds_version = COALESCE($5, three_ds_version),
    three_ds_transaction_id = COALESCE($6, three_ds_transaction_id), eci = COALESCE($7, eci),
    liability_shift = CASE WHEN $8 = 0 THEN liability_shift ELSE $8 END
WHERE merchant_id = $9 AND payment_id = $10 AND number = $11

-- Makes a customer. Params: 1 merchant, 2 customer, 3 created and updated, 4 name, 5 email, 6 phone, 7 details. Index: primary key.
INSERT INTO customer (merchant_id, customer_id, state, version, created_at, updated_at, name, email, phone, details)
VALUES ($1, $2, 1, 1, $3, $3, $4, $5, $6, $7)

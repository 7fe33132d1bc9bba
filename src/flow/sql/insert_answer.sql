-- An answer still to come. Params: 1 merchant, 2 answer id, 3 fingerprint. Index: primary key.
INSERT INTO answer (merchant_id, answer_id, fingerprint, status, event_sequence, body)
VALUES ($1, $2, $3, 0, 0, NULL)

-- Where a charge's webhooks go and how they are signed; its token may want something of them.
-- params: merchant_id, reference
-- result: notify_url, notify_secret, source. index: primary key
SELECT notify_url, notify_secret, source FROM charge WHERE merchant_id = $1 AND reference = $2

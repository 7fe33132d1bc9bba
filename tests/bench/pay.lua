-- wrk: one captured card payment per request, each with a key of its own. Arguments: secret key, seed.
local counter, seed = 0, ""
local thread_number = 0
function setup(thread)
  thread:set("number", thread_number)
  thread_number = thread_number + 1
end
function init(args)
  seed = args[2] .. "-" .. tostring(number)
  wrk.method = "POST"
  wrk.headers["Authorization"] = "Bearer " .. args[1]
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = '{"amount": 9232, "currency": "EUR", "payment_method_token": "pm_tok_visa", "capture": true, "metadata": {"order_id": "ORD-1001"}}'
end
function request()
  counter = counter + 1
  wrk.headers["Idempotency-Key"] = seed .. "-" .. counter
  return wrk.format(nil, "/v1/payments")
end
-- No response function: looking at each answer in Lua costs more than Florin's part of it. Answers other than 2xx are counted by
-- wrk, and the provider's book says whether each payment was captured.
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"wrong":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end

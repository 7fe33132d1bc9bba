-- wrk: one captured card payment per request, each with a key of its own. Arguments: secret keys with commas between them (each
-- request takes the next one), seed, tokens with commas between them (likewise).
local counter, seed, number = 0, "", 0
local authorization, bodies = {}, {}
local thread_number = 0
function setup(thread)
  thread:set("number", thread_number)
  thread_number = thread_number + 1
end
function init(args)
  for key in args[1]:gmatch("[^,]+") do
    authorization[#authorization + 1] = "Bearer " .. key
  end
  seed = args[2] .. "-" .. tostring(number)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for token in args[3]:gmatch("[^,]+") do
    bodies[#bodies + 1] = '{"amount": 9232, "currency": "EUR", "payment_method_token": "' .. token .. '", "capture": true, "metadata": {"order_id": "ORD-1001"}}'
  end
end
function request()
  counter = counter + 1
  wrk.headers["Authorization"] = authorization[counter % #authorization + 1]
  wrk.headers["Idempotency-Key"] = seed .. "-" .. counter
  return wrk.format(nil, "/v1/payments", nil, bodies[counter % #bodies + 1])
end
-- No response function: looking at each answer in Lua costs more than Florin's part of it. Answers other than 2xx are counted by
-- wrk, and the provider's book says whether each payment was captured. Latencies as [microseconds, how often], so that those of
-- several nodes can be put together.
function done(summary, latency, requests)
  local e, times = summary.errors, {}
  for i = 1, #latency do
    times[i] = string.format("[%d,%d]", latency(i))
  end
  io.write(string.format('RESULT {"requests":%d,"duration_us":%d,"wrong":%d,"errors":%d,"latency_us":[%s]}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout, table.concat(times, ",")))
end

-- The sandbox provider (florin sandbox). See docs/connectors.md for the contract, docs/sandbox.md for what it does.

local manifest = {
  name = "sandbox",
  version = "1",
  operations = { "authorize", "capture", "cancel", "refund", "inquire" },
  methods = { "card" },
  credentials = {
    { name = "base_url", form = "url", secret = false },
    { name = "api_key", secret = true },
  },
  hosts_from = "base_url",
  -- It takes a charge at once or never; a request still in a socket is gone after two seconds.
  not_found_final_after_ms = 2000,
}

local paths = { capture = "captures", cancel = "voids", refund = "refunds" }

local function build(op, cred)
  local headers = { Authorization = "Bearer " .. cred.api_key, Accept = "application/json" }
  if op.operation == "inquire" then
    return { method = "GET", url = cred.base_url .. "/v2/operations/" .. op.reference, headers = headers }
  end
  headers["Content-Type"] = "application/json"
  local body = { reference = op.reference, amount = op.amount, currency = op.currency }
  local url = cred.base_url .. "/v2/charges"
  if op.operation == "authorize" then
    body.source = op.token
    body.capture = op.capture
    body.descriptor = op.statement_descriptor
    body.description = op.description
  else
    url = url .. "/" .. op.original .. "/" .. paths[op.operation]
  end
  return { method = "POST", url = url, headers = headers, body = florin.json_encode(body) }
end

local kinds = { authorized = "authorized", captured = "captured", voided = "canceled", refunded = "refunded" }

local function read(op, answer)
  local a = florin.json_decode(answer.body)
  if type(a) ~= "table" then return nil end
  if answer.status == 404 and op.operation == "inquire" and a.code == "not_found" then
    return { kind = "not_found" }
  end
  -- Only these are the provider's word on an operation; a 5xx, or anything odd, leaves the outcome unknown.
  if answer.status ~= 200 and answer.status ~= 402 then return nil end
  if a.reference ~= op.reference then return nil end
  if a.result == "refused" then
    return { kind = "declined", code = a.code, message = a.message, provider_reference = a.charge_id }
  end
  if a.result == "pending" then return { kind = "pending" } end
  if a.result ~= "approved" or answer.status ~= 200 then return nil end
  return {
    kind = kinds[a.state],
    amount = a.amount,
    currency = a.currency,
    provider_reference = a.operation_id or a.charge_id,
    network_reference = a.network_reference,
    authorization_code = a.auth_code,
  }
end

return { manifest = manifest, build = build, read = read }

-- The sandbox provider (florin sandbox). See docs/connectors.md for the contract, docs/sandbox.md for what it does.

local manifest = {
  name = "sandbox",
  version = "2",
  operations = {
    "authorize", "capture", "cancel", "refund", "inquire", "confirm", "increment", "cancel_refund",
    "submit_evidence", "accept_dispute", "inquire_dispute",
  },
  methods = { "card" },
  credentials = {
    { name = "base_url", form = "url", secret = false },
    { name = "api_key", secret = true },
  },
  hosts_from = "base_url",
  -- It takes a charge at once or never; a request still in a socket is gone after two seconds.
  not_found_final_after_ms = 2000,
}

-- Whose word on a credential is whose there.
local credentials = {
  first = { stored = "first" },
  customer = { stored = "subsequent" },
  merchant = { stored = "subsequent", initiator = "merchant" },
}

local function charge_body(op, body)
  local use = credentials[op.credential] or {}
  local secure = op.three_ds or {}
  if op.card then
    body.card = {
      number = op.card.number,
      exp_month = op.card.exp_month,
      exp_year = op.card.exp_year,
      cvc = op.card.cvc,
    }
  else
    body.source = op.token
  end
  body.capture = op.capture
  body.descriptor = op.statement_descriptor
  body.description = op.description
  body.exemption = op.exemption
  body.return_url = op.return_url
  body.notify_url = op.webhook_url
  body.stored = use.stored
  body.initiator = use.initiator
  body.network_transaction_id = op.network_transaction_id
  if secure.request == "required" then body.three_ds = "required" end
  if secure.external then
    body.external = {
      version = secure.external.version,
      eci = secure.external.eci,
      cavv = secure.external.cavv,
      ds_transaction_id = secure.external.transaction_id,
    }
  end
end

local function evidence_body(op)
  local texts = {}
  for name, value in pairs(op.evidence) do
    if name ~= "files" then texts[name] = value end
  end
  local files = op.evidence.files
  if files and #files == 0 then files = nil end
  return { reference = op.reference, evidence = texts, files = files }
end

local paths = { capture = "captures", cancel = "voids", refund = "refunds", increment = "increments", confirm = "confirm" }

-- Path and body; without a body it is a question.
local function message(op)
  local body = { reference = op.reference, amount = op.amount, currency = op.currency }
  if op.operation == "inquire" then return "/v2/operations/" .. op.reference end
  if op.operation == "authorize" then
    charge_body(op, body)
    return "/v2/charges", body
  end
  if op.operation == "cancel_refund" then
    return "/v2/refunds/" .. op.original .. "/cancel", { reference = op.reference }
  end
  if paths[op.operation] then
    body.final = op.final
    return "/v2/charges/" .. (op.original or op.reference) .. "/" .. paths[op.operation], body
  end
  local dispute = "/v2/disputes/" .. florin.url_encode(op.provider_reference)
  if op.operation == "submit_evidence" then return dispute .. "/evidence", evidence_body(op) end
  if op.operation == "accept_dispute" then return dispute .. "/accept", {} end
  return dispute
end

local function build(op, cred)
  local headers = { Authorization = "Bearer " .. cred.api_key, Accept = "application/json" }
  local path, body = message(op)
  local request = { method = "GET", url = cred.base_url .. path, headers = headers }
  if body then
    headers["Content-Type"] = "application/json"
    request.method = "POST"
    request.body = florin.json_encode(body)
  end
  return request
end

local kinds = {
  authorized = "authorized", captured = "captured", voided = "canceled", refunded = "refunded", incremented = "incremented",
  refund_canceled = "canceled", expired = "expired", evidence_taken = "accepted",
}

local function dispute_of(d)
  return {
    kind = "accepted",
    provider_reference = d.id,
    dispute = {
      reference = d.id,
      charge = d.charge_reference,
      stage = d.stage,
      status = d.status,
      reason = d.reason,
      network_reason_code = d.network_reason_code,
      amount = d.amount,
      currency = d.currency,
      fee = d.fee,
      due_at = d.due_at,
      version = d.version,
      acquirer_reference = d.acquirer_reference,
    },
  }
end

local function three_ds_of(t)
  return t and {
    flow = t.flow,
    version = t.version,
    eci = t.eci,
    transaction_id = t.ds_transaction_id,
    liability_shift = t.liability_shift,
  }
end

-- What it says of an operation: in an answer, to an inquiry, in a webhook.
local function outcome_of(a, about)
  local outcome = {
    provider_reference = a.operation_id or a.charge_id,
    network_reference = a.network_reference,
    authorization_code = a.auth_code,
    acquirer_reference = a.acquirer_reference,
    card = a.card,
    three_ds = three_ds_of(a.three_ds),
  }
  if a.result == "refused" then
    outcome.kind = "declined"
    if about == "authorize" and a.code == "1S" then outcome.kind = "soft_declined" end
    if about == "refund" and a.code == "RC" then outcome.kind = "canceled" end
    outcome.code = a.code
    outcome.message = a.message
    outcome.after_success = a.after_success
  elseif a.result == "pending" then
    outcome.kind = "pending"
  elseif a.result == "action" then
    outcome.kind = "requires_action"
    outcome.action = a.action
    if type(a.action) == "table" then outcome.action.authenticated = a.authenticated == true end
  elseif a.result == "approved" then
    outcome.kind = kinds[a.state]
    outcome.amount = a.amount
    outcome.currency = a.currency
    outcome.capture_before = a.capture_before
  end
  return outcome
end

-- Only these are the provider's word on an operation; a 5xx, or anything odd, leaves the outcome unknown.
local meant = { [200] = { approved = true, refused = true, pending = true, action = true },
  [202] = { pending = true, action = true }, [402] = { refused = true } }

local function read(op, answer)
  local a = florin.json_decode(answer.body)
  if type(a) ~= "table" then return nil end
  local asked = op.operation == "inquire" or op.operation == "inquire_dispute"
  if answer.status == 404 and asked and a.code == "not_found" then return { kind = "not_found" } end
  if a.object == "dispute" and answer.status == 200 then return dispute_of(a) end
  local results = meant[answer.status]
  if not results or not results[a.result] then return nil end
  -- An inquiry alone is answered with 200 for what was refused.
  if a.result == "refused" and answer.status == 200 and not asked then return nil end
  -- An acceptance has no reference of its own there.
  local named = op.operation == "accept_dispute" and op.provider_reference or op.reference
  if a.reference ~= named and a.reference ~= op.reference then return nil end
  return outcome_of(a, op.about)
end

local TOLERANCE_S = 300

-- "t=1733000000,v1=…,v1=…": the time, and a MAC for each secret that holds.
local function signature_of(header)
  local time, macs = nil, {}
  if not header or #header > 1024 then return nil end
  for part in header:gmatch("[^,]+") do
    local name, value = part:match("^ ?(%w+)=(%w+)$")
    if name == "t" then
      if time then return nil end
      time = value:match("^%d+$")
    elseif name == "v1" then
      macs[#macs + 1] = value
    end
  end
  return time, macs
end

local function genuine(request, cred)
  local time, macs = signature_of(request.headers["sandbox-signature"])
  if not time then return false, "there is no signature" end
  local secret = florin.sha256("sandbox webhook:" .. cred.api_key)
  local mac = florin.hmac_sha256(secret, time .. "." .. request.body)
  local found = false
  for _, given in ipairs(macs) do
    found = florin.equal(mac, given) or found
  end
  if not found then return false, "the signature is not this account's" end
  local age = request.now - (math.tointeger(tonumber(time)) or 0)
  if math.abs(age) > TOLERANCE_S then return false, "the signature's time is too far off" end
  return true
end

-- What its reference names; other types are of no interest.
local abouts = {
  ["charge.authorized"] = "authorize", ["charge.captured"] = "authorize", ["charge.refused"] = "authorize",
  ["charge.expired"] = "authorize", ["capture.approved"] = "capture", ["capture.refused"] = "capture",
  ["void.approved"] = "cancel", ["increment.approved"] = "increment", ["refund.succeeded"] = "refund",
  ["refund.failed"] = "refund", ["refund.canceled"] = "refund",
}
local dispute_types = { ["dispute.opened"] = true, ["dispute.updated"] = true, ["dispute.closed"] = true }

-- A reference that is not of Florin's making: somebody else uses the account too.
local function foreign(reference)
  return type(reference) ~= "string" or #reference ~= 30 or not reference:match("^%l%l%l_%w+$")
end

local function webhook(request, cred)
  local good, why = genuine(request, cred)
  if not good then return nil, why end
  local event = florin.json_decode(request.body)
  if type(event) ~= "table" or type(event.type) ~= "string" or type(event.object) ~= "table" then
    error("no event")
  end
  local object, result = event.object, { id = event.id, kind = "ignored" }
  if foreign(object.charge_reference or object.reference) then return result end
  if dispute_types[event.type] then
    result.kind, result.outcome = "dispute", dispute_of(object)
  elseif event.type == "charge.authenticated" then
    result.kind, result.reference = "authenticated", object.reference
  elseif event.type == "charge.cleared" then
    result.kind, result.reference = "clearing", object.reference
    result.outcome = { amount = object.amount, currency = object.currency, acquirer_reference = object.acquirer_reference }
  elseif abouts[event.type] then
    result.kind, result.reference, result.about = "operation", object.reference, abouts[event.type]
    result.outcome = outcome_of(object, result.about)
  end
  return result
end

return { manifest = manifest, build = build, read = read, webhook = webhook }

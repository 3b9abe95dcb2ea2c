-- Bench room: what wrk sends, and its report as one line of JSON.
-- Without arguments it GETs the address. With a folder of facts it POSTs `body` with a bearer token of `tokens`
-- (one a line, each in its turn) and an Idempotency-Key that never comes twice. With a third argument each connection
-- waits so many milliseconds before each request.
local body, prefix
local tokens, turn, sent = {}, 0, 0

local function read(name)
  local file = assert(io.open(name))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  if #args == 0 then return end
  body, prefix = read(args[1] .. "/body"), args[2]
  for token in read(args[1] .. "/tokens"):gmatch("%S+") do tokens[#tokens + 1] = token end
  if args[3] then delay = function() return tonumber(args[3]) end end
  wrk.headers["Content-Type"] = "application/json"
  request = function()
    turn, sent = turn % #tokens + 1, sent + 1
    wrk.headers["Authorization"] = "Bearer " .. tokens[turn]
    wrk.headers["Idempotency-Key"] = prefix .. sent
    return wrk.format("POST", nil, nil, body)
  end
end

function done(summary, latency, requests)
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "timed_out": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end

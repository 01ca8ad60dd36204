-- wrk: posts the bodies of a file in turn; prints the figures as one line of JSON.
-- Used as: wrk -t1 -c CONNECTIONS -s post.lua URL -- BODIES_FILE CONNECTIONS CONTENT_TYPE

local requests = {}
local connections = 0
local turn = 0

-- Every connection keeps still for so long before its first request: a busy uvloop
-- accepts one connection a turn, and the waiting for that would be the p99 of a slow server.
local settle_ms = 300
local settled = 0

function init(args)
  connections = tonumber(args[2])
  local headers = { ["Content-Type"] = args[3], ["Host"] = wrk.host .. ":" .. wrk.port }
  for name, value in pairs(wrk.headers) do
    headers[name] = value -- those of wrk's own -H: the key
  end
  local file = io.open(args[1], "rb")
  local length = file:read("*n")
  while length do
    file:read(1) -- the end of the line
    requests[#requests + 1] = wrk.format("POST", wrk.path, headers, file:read(length))
    length = file:read("*n")
  end
  file:close()
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function delay()
  if settled == connections then
    return 0
  end
  settled = settled + 1
  return settle_ms
end

-- wrk counts a status above 399 as an error by itself; a response() of our own would
-- make it hand every answer to Lua.
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "non_2xx": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6 - settle_ms / 1e3,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

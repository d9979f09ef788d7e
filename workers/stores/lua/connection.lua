-- Shared by the scripts of a connection.  KEYS[1] is its tag, ARGV[1] now in ms ('' = the server's TIME).
local P = KEYS[1]
local now = tonumber(ARGV[1])
local micros
if now then
  micros = now * 1000
else
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
  micros = t[1] * 1000000 + t[2]
end
local function k(name) return P .. name end
-- The first write of every script can only shrink: a full store refuses a script that begins with growth.
redis.call('HDEL', k('state'), '')
local function closed() return tonumber(redis.call('HGET', k('state'), 'closed_until') or '0') end

-- A breaker whose pause is over is half open: 1 call is let through as a probe, then 2, then 4; when all of a round
-- have succeeded the next one begins, and after the last the breaker is shut.
local ROUNDS = 4
-- The outcome of a probe may never be heard (its worker died): after so many ms another one is let through.
local PROBE_MS = 60000
-- How long to wait before asking for a probe again, in ms; 0: one is free.
local function probe_wait()
  local got = redis.call('HMGET', k('state'), 'half', 'left', 'probed')
  if not got[1] or tonumber(got[2]) > 0 then return 0 end
  local since = now - tonumber(got[3] or '0')
  if since >= PROBE_MS then return 0 end
  return math.min(500, PROBE_MS - since)
end
local function probed()
  if redis.call('HEXISTS', k('state'), 'half') == 0 then redis.call('HSET', k('state'), 'half', 1, 'left', 1, 'good', 0) end
  local left = math.max(0, redis.call('HINCRBY', k('state'), 'left', -1))
  redis.call('HSET', k('state'), 'left', left, 'probed', now)
end
local function forget_probes() redis.call('HDEL', k('state'), 'half', 'left', 'good', 'probed') end

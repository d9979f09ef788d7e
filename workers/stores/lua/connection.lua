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

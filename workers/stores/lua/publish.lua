-- Put a version of the configuration in force, unless another was meanwhile.
-- ARGV[1] now in ms ('' = the server's TIME), [2] number of the version that it replaces (0: none), [3] hash,
-- [4] story (JSON), [5] packed documents ('' where the store has them under this hash), [6] how many are kept.
-- Returns the version's record; 'overtaken' and the record in force; or 'unknown' where documents are missing.
-- A record is "number at hash story".  One script, because of two who publish at once the second must be told, and
-- because a version in force without its documents would stop every process that starts.
local P = KEYS[1]
local function k(name) return P .. name end
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
-- The first write can only shrink: a full store must not keep anybody from calming it.
redis.call('HDEL', k('followers'), '')
local held = redis.call('GET', k('now'))
local number, at = 0, 0
if held then number, at = string.match(held, '^(%d+) (%d+) ') end
if tonumber(number) ~= tonumber(ARGV[2]) then return {'overtaken', held or ''} end
if ARGV[5] ~= '' then
  redis.call('HSETNX', k('documents'), ARGV[3], ARGV[5])
elseif redis.call('HEXISTS', k('documents'), ARGV[3]) == 0 then
  return {'unknown', ''}
end
-- Later than the one before by any clock: that is how a store that went back is told from a new version.
now = math.max(now, tonumber(at) + 1)
local record = string.format('%d %.0f %s %s', tonumber(number) + 1, now, ARGV[3], ARGV[4])
redis.call('SET', k('now'), record)
redis.call('LPUSH', k('versions'), record)
local old = redis.call('LRANGE', k('versions'), ARGV[6], -1)
if #old > 0 then
  redis.call('LTRIM', k('versions'), 0, ARGV[6] - 1)
  local kept = {}
  for _, one in ipairs(redis.call('LRANGE', k('versions'), 0, -1)) do
    kept[string.match(one, '^%d+ %d+ (%S+)')] = true
  end
  for _, one in ipairs(old) do
    local hash = string.match(one, '^%d+ %d+ (%S+)')
    if not kept[hash] then redis.call('HDEL', k('documents'), hash) end
  end
end
return {'published', record}

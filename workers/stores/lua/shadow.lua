-- Count what a connector in shadow mode saw; one script, so that what is counted and what it is compared with
-- next time do not come apart.  Nothing here is an outcome: the letters were settled before.
-- ARGV: counts (JSON {name: number}), example (JSON, '' none), source entity, what its target would hold now
-- (JSON {field: digest}; '' leaves it), most names an hour, most examples, most entities, life in ms.
-- A name is "group:what"; where an hour has too many, the rest of a group is counted as "group:(other)".
prune()
local hour = 'shadow:' .. math.floor(now / 3600000)
local most, life = tonumber(ARGV[9]), tonumber(ARGV[12])
for name, number in pairs(cjson.decode(ARGV[5])) do
  if redis.call('HEXISTS', k(hour), name) == 0 and redis.call('HLEN', k(hour)) >= most then
    name = string.match(name, '^[^:]*') .. ':(other)'
  end
  redis.call('HINCRBY', k(hour), name, number)
end
redis.call('PEXPIRE', k(hour), life)
if ARGV[6] ~= '' then
  redis.call('LPUSH', k('shadows'), ARGV[6])
  redis.call('LTRIM', k('shadows'), 0, tonumber(ARGV[10]) - 1)
  redis.call('PEXPIRE', k('shadows'), life)
end
if ARGV[8] ~= '' then
  redis.call('HSET', k('shadowed'), ARGV[7], ARGV[8])
  redis.call('ZADD', k('shadowedat'), now, ARGV[7])
  for _, old in ipairs(redis.call('ZRANGE', k('shadowedat'), 0, -1 - tonumber(ARGV[11]))) do
    redis.call('HDEL', k('shadowed'), old)
    redis.call('ZREM', k('shadowedat'), old)
  end
  redis.call('PEXPIRE', k('shadowed'), life)
  redis.call('PEXPIRE', k('shadowedat'), life)
end
return 1

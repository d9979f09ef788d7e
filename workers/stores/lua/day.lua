-- Write down how far everything has been counted when a day (UTC) begins, once a day, and forget old days: what was
-- used on a day is the difference.  One script, because two workers that see midnight must not write two beginnings.
-- ARGV: days to keep.  Returns today's number since 1970.
prune()
local day = math.floor(now / 86400000)
if redis.call('HEXISTS', k('days'), day) == 0 then
  redis.call('HSET', k('days'), day, cjson.encode(redis.call('HGETALL', k('counts'))))
  for _, old in ipairs(redis.call('HKEYS', k('days'))) do
    if tonumber(old) <= day - tonumber(ARGV[5]) then redis.call('HDEL', k('days'), old) end
  end
end
return day

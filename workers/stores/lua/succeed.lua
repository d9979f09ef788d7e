-- A call succeeded: forget the failures, shut the breaker.  A pause, or a limit that is not over, is left
-- alone (the call may have started before it), unless ARGV[2] is 'any'.  ARGV[2] 'probe' is the success of a counted
-- probe: only when all rounds of them are over is the breaker shut; and while probes are counted, no other success
-- shuts it.  Returns 1 when anything changed.
local how = ARGV[2]
local kind = redis.call('HGET', k('state'), 'kind')
local half = tonumber(redis.call('HGET', k('state'), 'half') or '0')
if how == 'probe' and (kind ~= 'breaker' or half == 0 or closed() > now) then return 0 end
if kind == 'breaker' and half > 0 and how ~= 'any' then
  if how ~= 'probe' then return 0 end
  if redis.call('HINCRBY', k('state'), 'good', 1) < half then return 0 end
  if half < ROUNDS then
    redis.call('HSET', k('state'), 'half', half * 2, 'left', half * 2, 'good', 0)
    return 1
  end
end
local had = redis.call('DEL', k('failing'))
if kind and (kind == 'breaker' or how == 'any' or (kind == 'limit' and closed() <= now)) then
  redis.call('HDEL', k('state'), 'closed_until', 'kind', 'why', 'since', 'opened')
  had = 1
end
forget_probes()
if how == 'any' then
  for _, field in ipairs(redis.call('HKEYS', k('state'))) do
    if string.sub(field, 1, 7) == 'closed:' or string.sub(field, 1, 4) == 'why:' then
      redis.call('HDEL', k('state'), field)
      had = 1
    end
  end
end
return had

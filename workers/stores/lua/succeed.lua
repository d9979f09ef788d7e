-- A call succeeded: forget the failures, shut the breaker.  A pause, or a limit that is not over, is left
-- alone (the call may have started before it), unless ARGV[2] is 'any'.  Returns 1 when anything changed.
local had = redis.call('DEL', k('failing'))
local kind = redis.call('HGET', k('state'), 'kind')
if kind and (kind == 'breaker' or ARGV[2] == 'any' or (kind == 'limit' and closed() <= now)) then
  redis.call('HDEL', k('state'), 'closed_until', 'kind', 'why', 'since', 'opened')
  had = 1
end
return had

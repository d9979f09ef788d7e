-- A call succeeded: forget the failures, shut the breaker.  Returns 1 when that changed anything.
local had = redis.call('DEL', k('failing'))
if redis.call('HGET', k('state'), 'kind') then
  redis.call('HDEL', k('state'), 'closed_until', 'kind', 'why', 'since', 'opened')
  had = 1
end
return had

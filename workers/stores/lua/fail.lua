-- An attempt failed in a way that may pass.  Different entities failing in a row, with no success in
-- between, open the breaker: then waiting costs no attempt.  Where it is half open one more is enough, for those
-- that opened it are remembered until it is shut.
-- ARGV[2] entity, [3] how many entities, [4] first pause in ms, [5] longest pause in ms, [6] why.
-- Returns closed until (0: the breaker stays shut, the attempt counts).
redis.call('ZADD', k('failing'), now, ARGV[2])
local till = closed()
if till > now then return till end
if redis.call('ZCARD', k('failing')) < tonumber(ARGV[3]) then return 0 end
forget_probes()
local times = redis.call('HINCRBY', k('state'), 'opened', 1)
till = now + math.min(tonumber(ARGV[5]), tonumber(ARGV[4]) * 2 ^ math.min(20, times - 1))
redis.call('HSET', k('state'), 'closed_until', till, 'kind', 'breaker', 'why', ARGV[6])
redis.call('HSETNX', k('state'), 'since', now)
return till

-- Cancel an order: what it has not brought back stays dead.  ARGV: order id, audit row.  Returns 1 when it was open.
prune()
if redis.call('HGET', k('order:' .. ARGV[5]), 'state') ~= 'open' then return 0 end
redis.call('DEL', k('ordered:' .. ARGV[5]))
redis.call('SREM', k('unfinished'), ARGV[5])
redis.call('HSET', k('order:' .. ARGV[5]), 'state', 'cancelled', 'ended', now)
audit(ARGV[6])
return 1

-- Order that dead letters be replayed, at a rate, by whichever worker scans next: whoever ordered it may go.
-- The same order given twice (a double click, a lost answer) is one order.
-- ARGV: order id, rate per second, its story (JSON), audit row, absent ('1': a person has looked, and what may have
-- been written is not there), then delivery ids.
-- Returns how many letters it holds.
prune()
local id = ARGV[5]
if redis.call('EXISTS', k('order:' .. id)) == 1 then return tonumber(redis.call('HGET', k('order:' .. id), 'total')) end
local total = 0
for i = 10, #ARGV do
  if redis.call('ZSCORE', k('dead'), ARGV[i]) then
    redis.call('ZADD', k('ordered:' .. id), redis.call('HGET', k('d:' .. ARGV[i]), 'seq') or 0, ARGV[i])
    total = total + 1
  end
end
redis.call('HSET', k('order:' .. id), 'state', total > 0 and 'open' or 'done', 'rate', ARGV[6], 'story', ARGV[7], 'begun', now,
  'absent', ARGV[9], 'total', total, 'replayed', 0, 'passed', 0, 'ended', total > 0 and 0 or now)
redis.call('ZADD', k('orders'), now, id)
if total > 0 then redis.call('SADD', k('unfinished'), id) end
redis.call('PEXPIRE', k('order:' .. id), DEAD_MS)
redis.call('PEXPIRE', k('ordered:' .. id), DEAD_MS)
redis.call('ZREMRANGEBYRANK', k('orders'), 0, -101)
audit(ARGV[8])
return total

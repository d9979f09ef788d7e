-- A connector whose books were put back, or rebuilt, goes on.  ARGV: when the halt was noticed (ms; another
-- one since keeps it halted), until when what is accepted may have been worked on before (ms), audit row.
-- Returns {1 where it goes on now, else 0, {token, life}...}.
prune()
local m = redis.call('HMGET', k('meta'), 'halted', 'halted_at')
if not m[1] or tonumber(m[2]) ~= tonumber(ARGV[5]) then return {0} end
redis.call('HDEL', k('meta'), 'halted')
redis.call('HSET', k('meta'), 'doubt_until', ARGV[6])
meta('w')
audit(ARGV[7])
local got = {1}
return ring_all(got)

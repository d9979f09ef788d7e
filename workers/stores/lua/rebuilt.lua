-- Books that were rebuilt are in use again.  ARGV: when they were halted (ms; another loss since keeps them so),
-- from when on things may have been written that nobody found (ms), until when what is accepted is in doubt
-- (ms), audit row.  Returns {1 where they are in use now, else 0, {token, life}...}.
prune()
local m = redis.call('HMGET', k('meta'), 'halted', 'halted_at')
if m[1] ~= 'rebuild' or tonumber(m[2]) ~= tonumber(ARGV[5]) then return {0} end
redis.call('HDEL', k('meta'), 'halted')
redis.call('DEL', k('recalled'))
redis.call('HDEL', k('cursor'), 'recall', 'retrace')
redis.call('HSET', k('meta'), 'rebuilt', ARGV[5], 'doubt_at', ARGV[5], 'doubt_from', ARGV[6], 'doubt_until', ARGV[7])
meta('w')
audit(ARGV[8])
local got = {1}
return ring_all(got)

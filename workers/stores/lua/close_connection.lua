-- Close a connection until a moment.  ARGV[2] for how many ms, [3] kind, [4] why.  Never shortens; a
-- pause (kind paused) is not replaced by a lesser kind.  Returns closed until.
local kind = redis.call('HGET', k('state'), 'kind')
-- A pause that is tried again and again began once; any other closing begins anew when the last is over.
if kind ~= 'paused' and closed() <= now then redis.call('HSET', k('state'), 'since', now)
else redis.call('HSETNX', k('state'), 'since', now) end
local till = math.max(closed(), now + tonumber(ARGV[2]))
redis.call('HSET', k('state'), 'closed_until', till)
if kind ~= 'paused' or ARGV[3] == 'paused' then
  redis.call('HSET', k('state'), 'kind', ARGV[3], 'why', ARGV[4])
end
return till

-- Close a connection until a moment.  ARGV[2] for how many ms, [3] kind, [4] why, [5] the class that alone is
-- closed ('' all of it).  Never shortens; a pause (kind paused) is not replaced by a lesser kind.
-- Returns closed until.
local span, class = tonumber(ARGV[2]), ARGV[5] or ''
if class ~= '' then
  local till = math.max(now + span, tonumber(redis.call('HGET', k('state'), 'closed:' .. class) or '0'))
  redis.call('HSET', k('state'), 'closed:' .. class, till, 'why:' .. class, ARGV[4])
  return till
end
local kind = redis.call('HGET', k('state'), 'kind')
-- A pause that is tried again and again began once; any other closing begins anew when the last is over.
if kind ~= 'paused' and closed() <= now then redis.call('HSET', k('state'), 'since', now)
else redis.call('HSETNX', k('state'), 'since', now) end
local till = math.max(closed(), now + span)
redis.call('HSET', k('state'), 'closed_until', till)
if kind ~= 'paused' or ARGV[3] == 'paused' then
  redis.call('HSET', k('state'), 'kind', ARGV[3], 'why', ARGV[4])
end
return till

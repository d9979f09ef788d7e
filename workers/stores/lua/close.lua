-- Close a connector until a moment, or open it.  ARGV: until (ms, '0' opens), why.
-- A closing never shortens another one; an opening always opens.
prune()
local till = tonumber(ARGV[5])
if till == 0 then
  redis.call('HSET', k('meta'), 'open_at', 0, 'open_why', '')
elseif till > tonumber(redis.call('HGET', k('meta'), 'open_at') or '0') then
  redis.call('HSET', k('meta'), 'open_at', till, 'open_why', ARGV[6])
end
return bell()

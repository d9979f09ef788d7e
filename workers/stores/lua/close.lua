-- Close a connector until a moment, or open it.  ARGV: until (ms, '0' opens), why.
-- ARGV[7] '1': only no doorbell is rung until then, the turns that run go on; the name of a lane: only that lane.
-- A closing never shortens another one; an opening always opens.
prune()
local till = tonumber(ARGV[5])
if (ARGV[7] or '') ~= '' then
  local what = ARGV[7] == '1' and 'hush' or 'shut:' .. ARGV[7]
  if till > tonumber(redis.call('HGET', k('meta'), what) or '0') then redis.call('HSET', k('meta'), what, till) end
  return {}
end
if till == 0 then
  redis.call('HSET', k('meta'), 'open_at', 0, 'open_why', '')
elseif till > tonumber(redis.call('HGET', k('meta'), 'open_at') or '0') then
  redis.call('HSET', k('meta'), 'open_at', till, 'open_why', ARGV[6])
end
return bell()

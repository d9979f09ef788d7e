-- End a pair: forget its link and what a person was to decide of it, and leave a tombstone at both ends, so that
-- neither is copied anew.  One script, because a turn that took the pair between two steps would write it back;
-- for the same reason nothing is done while a turn holds it.
-- ARGV: source, tombstone (JSON), audit row.
-- Returns {'ok', w}, {'none'} (there is no such pair), {'held'} or {'halted'} (the books are being put right).
prune()
local source, stone = ARGV[5], ARGV[6]
if redis.call('HGET', k('meta'), 'halted') then return {'halted'} end
local text = redis.call('HGET', k('links'), source)
if not text then
  -- Sent twice after a lost answer it was done once.
  if redis.call('HGET', k('unlinked'), source) == stone then return {'ok', meta('w', 0)} end
  return {'none'}
end
local link = cjson.decode(text)
local target = link.target
if in_turn(source) or in_turn(target) then return {'held'} end
local w = meta('w')
redis.call('HDEL', k('links'), source)
if redis.call('HGET', k('back'), target) == source then redis.call('HDEL', k('back'), target) end
redis.call('HDEL', k('unsure'), source)
redis.call('SREM', k('questions'), source)
for name, _ in pairs(link.extra.conflicts or {}) do redis.call('HDEL', k('decisions'), source .. ' ' .. name) end
-- The mailbox is shared as long as there is mail in it: what has come in keeps its order.
if redis.call('HEXISTS', k('own'), root(source)) == 0 and redis.call('HEXISTS', k('own'), root(target)) == 0 then
  if redis.call('HGET', k('alias'), target) == source then redis.call('HDEL', k('alias'), target) end
  if redis.call('HGET', k('alias'), source) == target then redis.call('HDEL', k('alias'), source) end
end
redis.call('HSET', k('unlinked'), source, stone, target, stone)
audit(ARGV[7])
return {'ok', w}

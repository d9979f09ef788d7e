-- Keep the retention: dead letters whose records have expired are counted as discarded.
-- ARGV: oldest time of death to keep, in ms.  Returns how many went.
prune()
local old = redis.call('ZRANGEBYSCORE', k('dead'), '-inf', ARGV[5], 'LIMIT', 0, 500)
for _, id in ipairs(old) do
  undead(id)
  redis.call('DEL', k('d:' .. id), k('b:' .. id))
  count('discarded', 1)
end
if #old > 0 then meta('w') end
return #old

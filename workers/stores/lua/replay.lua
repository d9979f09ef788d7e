-- Bring dead letters back, each at its original place, once however often it is asked for.
-- ARGV: lane, audit row, then delivery ids.  Returns {replayed ids..., {token, life}...} as
-- {{ids}, {token, life}...}.
prune()
local back = {}
for i = 7, #ARGV do
  local id = ARGV[i]
  if redis.call('ZSCORE', k('dead'), id) and redis.call('EXISTS', k('d:' .. id)) == 1 then
    revive(id, ARGV[5])
    back[#back + 1] = id
  end
end
if #back > 0 then meta('w'); audit(ARGV[6]) end
local got = {back}
return ring_all(got)

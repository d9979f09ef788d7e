-- A person gives dead letters up, with a reason.  ARGV: reason, audit row, then delivery ids.
-- Returns {{ids}, {token, life}...}.
prune()
local gone = {}
for i = 7, #ARGV do
  local id = ARGV[i]
  if redis.call('ZSCORE', k('dead'), id) then
    undead(id)
    strike(id, 'discarded', ARGV[5], 'discarded')
    if redis.call('EXISTS', k('seen:' .. id)) == 1 then redis.call('SET', k('seen:' .. id), 'discarded', 'KEEPTTL') end
    gone[#gone + 1] = id
  end
end
if #gone > 0 then meta('w'); audit(ARGV[6]) end
local got = {gone}
return ring_all(got)

-- A person gives dead letters up, with a reason.  ARGV: reason, audit row, then delivery ids.
-- Returns {{ids}, {token, life}...}.
local gone = {}
for i = 7, #ARGV do
  local id = ARGV[i]
  if redis.call('ZREM', k('dead'), id) == 1 then
    strike(id, 'discarded', ARGV[5], 'discarded')
    count('dead', -1)
    if redis.call('EXISTS', k('seen:' .. id)) == 1 then redis.call('SET', k('seen:' .. id), 'discarded', 'KEEPTTL') end
    open_gate('dead-' .. id)
    gone[#gone + 1] = id
  end
end
if #gone > 0 then meta('w'); audit(ARGV[6]) end
local got = {gone}
while true do
  local token, life = ring()
  if not token then break end
  got[#got + 1] = {token, life}
end
return got

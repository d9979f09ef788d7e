-- Carry on with every open order as far as its rate allows by now.  Any worker may, as often as it likes.
-- ARGV: letters at most.  Returns {letters brought back, {token, life}...}.
prune()
local left, back = tonumber(ARGV[5]), 0
for _, id in ipairs(redis.call('SMEMBERS', k('unfinished'))) do
  local o = redis.call('HMGET', k('order:' .. id), 'rate', 'begun', 'replayed', 'passed', 'absent')
  if not o[1] then
    redis.call('SREM', k('unfinished'), id)
  else
    -- A clock that goes backwards must not stop it for ever: at least its first letter is always due.
    local due = math.floor(math.max(0, now - tonumber(o[2])) / 1000 * tonumber(o[1])) + 1 - tonumber(o[3]) - tonumber(o[4])
    due = math.min(due, left)
    local popped = due > 0 and redis.call('ZPOPMIN', k('ordered:' .. id), due) or {}
    for i = 1, #popped, 2 do
      local dead = redis.call('ZSCORE', k('dead'), popped[i]) and redis.call('EXISTS', k('d:' .. popped[i])) == 1
      if dead and redis.call('HGET', k('d:' .. popped[i]), 'error') == 'Ambiguous' then
        -- Nobody can ask the target: only a person's word that nothing is there lets it be sent again.
        dead = o[5] == '1'
        local effect = dead and redis.call('HGET', k('d:' .. popped[i]), 'effect')
        if effect and redis.call('HGET', k('fx:' .. effect), 'state') == 'sent' then redis.call('DEL', k('fx:' .. effect)) end
      end
      if dead then
        revive(popped[i], 'replay')
        back = back + 1
        redis.call('HINCRBY', k('order:' .. id), 'replayed', 1)
      else
        redis.call('HINCRBY', k('order:' .. id), 'passed', 1)
      end
      left = left - 1
    end
    if redis.call('EXISTS', k('ordered:' .. id)) == 0 then
      redis.call('HSET', k('order:' .. id), 'state', 'done', 'ended', now)
      redis.call('SREM', k('unfinished'), id)
    end
  end
end
if back > 0 then meta('w') end
return ring_all({back})

-- Shared by every delivery script, after lib.lua and gates.lua: how letters leave the books, die and come back.

-- Take a letter out of its mailbox; false where it is not in one, so that a script that is sent again
-- after a lost answer counts nothing twice.
local function take_out(id)
  local subject = redis.call('HGET', k('d:' .. id), 'subject')
  return subject and redis.call('ZREM', k('mail:' .. subject), id) == 1
end

-- By which configuration, and which version of the connector, a letter that leaves now was decided.
local config_hash, made_by = '', ''
-- A letter leaves the books for good (delivered, skipped, discarded).
local function strike(id, outcome, reason, field)
  local d = redis.call('HMGET', k('d:' .. id), 'event', 'kind', 'key', 'at', 'entity', 'attempts')
  redis.call('DEL', k('d:' .. id), k('b:' .. id))
  count(field, 1)
  if outcome == 'delivered' and d[4] then
    -- Powers of two of 125 ms: enough to tell p50 and p95, and few enough to keep.
    minute('lag:' .. math.max(0, math.min(20, math.ceil(math.log(math.max(1, now - d[4]) / 125) / math.log(2)))), 1)
  end
  redis.call('XADD', k('settled'), 'MAXLEN', '~', '10000', '*', 'id', id, 'outcome', outcome, 'reason', reason,
    'event', d[1] or '', 'kind', d[2] or '', 'key', d[3] or '', 'accepted', d[4] or '', 'entity', d[5] or '',
    'attempts', d[6] or '0', 'at', now, 'config', config_hash, 'made_by', made_by)
end

-- A day longer than the retention (trim.lua), so that a letter never expires uncounted.
local DEAD_MS = 31 * 86400000
-- A letter needs a person: it keeps its place (seq), its body and its history.
local function bury(id, fields)
  if not take_out(id) then return end
  redis.call('HDEL', k('d:' .. id), 'suspect')
  redis.call('HSET', k('d:' .. id), 'state', 'dead', 'died', now)
  for name, value in pairs(fields) do redis.call('HSET', k('d:' .. id), name, value) end
  redis.call('PEXPIRE', k('d:' .. id), DEAD_MS)
  redis.call('PEXPIRE', k('b:' .. id), DEAD_MS)
  redis.call('ZADD', k('dead'), now, id)
  redis.call('SADD', k('deadof:' .. redis.call('HGET', k('d:' .. id), 'entity')), id)
  if redis.call('EXISTS', k('seen:' .. id)) == 1 then redis.call('SET', k('seen:' .. id), 'dead', 'KEEPTTL') end
  count('dead', 1)
  redis.call('HINCRBY', k('counts'), 'died', 1) -- one that comes back is dead no longer, but it has died
  count('in_flight', -1)
end

-- A letter is dead no longer: nothing waits behind it, it is found by its entity no more.
local function undead(id)
  local entity = redis.call('HGET', k('d:' .. id), 'entity')
  if entity then redis.call('SREM', k('deadof:' .. entity), id) end
  redis.call('ZREM', k('dead'), id)
  count('dead', -1)
  open_gate('dead-' .. id)
end

-- A newer state has been delivered: what died before it of the same entity is told by it.
local function supersede(id, kinds)
  local mine = redis.call('HMGET', k('d:' .. id), 'entity', 'seq')
  if not mine[1] then return end
  local told = {}
  for _, kind in ipairs(kinds) do told[kind] = true end
  for _, old in ipairs(redis.call('SMEMBERS', k('deadof:' .. mine[1]))) do
    local d = redis.call('HMGET', k('d:' .. old), 'kind', 'seq')
    if not d[1] then
      redis.call('SREM', k('deadof:' .. mine[1]), old)
    elseif told[d[1]] and tonumber(d[2]) < tonumber(mine[2]) then
      undead(old)
      strike(old, 'skipped', 'superseded by ' .. id, 'skipped')
    end
  end
end

-- Back into its mailbox at its original place.  What killed its workers is tried in quarantine only.
function revive(id, lane)
  redis.call('PERSIST', k('d:' .. id))
  redis.call('PERSIST', k('b:' .. id))
  local subject = root(redis.call('HGET', k('d:' .. id), 'entity'))
  redis.call('HSET', k('d:' .. id), 'state', 'waiting', 'attempts', '0', 'crashes', '0', 'lane', lane, 'subject', subject)
  redis.call('HINCRBY', k('d:' .. id), 'replays', 1)
  if redis.call('HGET', k('d:' .. id), 'cause') == 'worker_crash' then redis.call('HSET', k('d:' .. id), 'suspect', '1') end
  if redis.call('EXISTS', k('seen:' .. id)) == 1 then redis.call('SET', k('seen:' .. id), '1', 'KEEPTTL') end
  redis.call('ZADD', k('mail:' .. subject), redis.call('HGET', k('d:' .. id), 'seq'), id)
  count('in_flight', 1)
  wake(subject, lane)
  undead(id)
end

-- Put right whatever time or a crash left behind: subjects of dead turns are freed, those whose wait is
-- over become ready, free slots get doorbells.  Idempotent; any worker may run it at any time.
-- A worker that dies takes neighbours along, so its death accuses nobody: the letters it was working on
-- become suspects.  Only a death in quarantine, where one letter is tried at a time, counts against that one.
-- ARGV: crashes until a letter is dead, least ms between two scans, '1' where a dead letter blocks its
--   mailbox, '1' where the caller could start a quarantine, kinds of event that may collapse (JSON), turns
--   that run in the calling process (JSON: their slots are renewed), names of processes that are known to
--   have died (JSON: their turns are dead).
-- Returns {freed, due, start a quarantine? 0|1, {ids of letters that died}, {token, life}...}; due counts
-- what was let through a gate, too.
prune()
local most, least, blocks, able = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1', ARGV[8] == '1'
for _, turn in ipairs(cjson.decode(ARGV[10])) do
  local expiry = tonumber(redis.call('ZSCORE', k('slots'), turn) or '0')
  -- Not each time: every renewal is a write to the disk.
  if expiry > now and expiry < now + SLOT * 0.7 then redis.call('ZADD', k('slots'), now + SLOT, turn) end
end
local turns = redis.call('HGETALL', k('turns'))
local died = cjson.decode(ARGV[11])
for _, name in ipairs(died) do
  for i = 1, #turns, 2 do
    if string.sub(turns[i], -#name - 1) == '-' .. name then redis.call('ZREM', k('slots'), turns[i]) end
  end
end
local last = tonumber(redis.call('GET', k('scanned')) or '-1')
if #died == 0 and last >= 0 and now >= last and now - last < least then return {0, 0, 0, {}} end
redis.call('SET', k('scanned'), now, 'PX', math.max(1000, least))
redis.call('HSET', k('meta'), 'alive', now)

local collapse = {}
for _, kind in ipairs(cjson.decode(ARGV[9])) do collapse[kind] = true end
-- The first letter of a mailbox, and those behind it that may have been collapsed with it.
local function accuse(subject)
  local entity
  for _, id in ipairs(redis.call('ZRANGE', k('mail:' .. subject), 0, 49)) do
    local d = redis.call('HMGET', k('d:' .. id), 'entity', 'kind')
    if entity and not (d[1] == entity and collapse[d[2]]) then break end
    redis.call('HSET', k('d:' .. id), 'suspect', '1')
    if not collapse[d[2]] then break end
    entity = d[1]
  end
end
local buried = {}
-- Returns the letter that died of it, and why, if one did.
local function convict(turn, subject)
  for _, id in ipairs(redis.call('ZRANGE', k('mail:' .. subject), 0, 9)) do
    if redis.call('HGET', k('d:' .. id), 'suspect') == turn then
      local crashes = redis.call('HINCRBY', k('d:' .. id), 'crashes', 1)
      redis.call('HSET', k('d:' .. id), 'suspect', '1')
      if crashes < most then return nil end
      local why = 'Its process died ' .. crashes .. ' times while it worked on nothing else. See what ended it '
        .. '(memory, a crash in native code), mend that, then replay it.'
      bury(id, {error = 'Crash', cause = 'worker_crash', message = why})
      buried[#buried + 1] = id
      return id, why
    end
  end
end

local freed, due = 0, 0
for i = 1, #turns, 2 do
  local turn = turns[i]
  if not alive(turn) then
    for _, subject in ipairs(held_by(turn)) do
      if redis.call('HGET', k('own'), subject) == turn then
        local dead, why
        if string.sub(turn, 1, 1) == 'q' then dead, why = convict(turn, subject) else accuse(subject) end
        if dead and blocks then park(subject, 'dead-' .. dead, {why = why}) else release(subject) end
        freed = freed + 1
      end
    end
    redis.call('HDEL', k('turns'), turn)
  end
end
for _, subject in ipairs(redis.call('ZRANGEBYSCORE', k('due'), '-inf', now, 'LIMIT', 0, 500)) do
  redis.call('ZREM', k('due'), subject)
  if redis.call('HGET', k('own'), subject) == 'd' then
    release(subject)
    due = due + 1
  end
end
-- Few gates and 500 subjects a scan: what is left over is due at the next one.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', k('gatedue'), '-inf', now, 'LIMIT', 0, 20)) do
  if due < 500 then due = due + tend(name, 500 - due) end
end
local call = 0
if able and redis.call('ZCARD', k('suspects')) > 0 and is_open() then
  local _, _, alone = taken()
  -- One process is asked at a time; should nothing come of it, another is.
  if alone == 0 and tonumber(redis.call('HGET', k('meta'), 'called') or '0') <= now then
    redis.call('HSET', k('meta'), 'called', now + RING)
    call = 1
  end
end
local got = {freed, due, call, buried}
return ring_all(got)

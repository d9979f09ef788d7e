-- Write down what became of a subject's letters, and (for a turn that goes on) claim the next.
-- Refused unless the subject is still owned by this turn and its slot is alive; one script, because a
-- letter must never be in two places, nor in none.  Sent twice (a lost answer) it counts once.
-- ARGV: turn, subject, what (JSON), most subjects to claim next (0: none), most letters each.
-- what = {
--   settle: [[id, "delivered"|"skipped", reason]...], bury: [[id, {field: text}]...],
--   failed: [[id, {field: text}]...]     (an attempt counted, unless field "free" is set),
--   supersede: [[id, [kind...]]...]      (older dead letters of its entity and of these kinds are told by it),
--   done: [[effect, remote, entity JSON, life ms]...], forget: [effect...],
--   links: [[source, target, link JSON, found from the target's side too?]...], aliases: [target...], unlinks: [[source, target]...],
--   audit: [row...],
--   next: "go"|"keep"|"due"|"park", delay: ms, gate: name, why: text }
-- Returns {'stale'} or {'ok', w} followed by what claim returns.
prune()
local turn, subject = ARGV[5], ARGV[6]
if not holds(turn, subject) then return {'stale'} end
local what = cjson.decode(ARGV[7])
local w = meta('w')
for _, row in ipairs(what.done or {}) do
  local fx = k('fx:' .. row[1])
  redis.call('HSET', fx, 'state', 'done', 'remote', row[2], 'entity', row[3], 'done', now)
  redis.call('PEXPIRE', fx, row[4])
end
for _, effect in ipairs(what.forget or {}) do
  local about = redis.call('HGET', k('fx:' .. effect), 'about')
  if about then redis.call('HDEL', k('unsure'), about) end
  redis.call('DEL', k('fx:' .. effect))
end
for _, row in ipairs(what.unlinks or {}) do
  redis.call('HDEL', k('links'), row[1])
  redis.call('HDEL', k('back'), row[2])
  redis.call('HDEL', k('alias'), row[2])
end
for _, row in ipairs(what.links or {}) do
  redis.call('HSET', k('links'), row[1], row[3])
  if row[4] then redis.call('HSETNX', k('back'), row[2], row[1]) end
end
-- Both sides share one mailbox from here on; whoever linked first gives it its name.  Only when the
-- subject is let go: earlier, its next letter could be drained elsewhere while this turn still writes.
for _, target in ipairs(what.aliases or {}) do join(subject, target) end
for _, row in ipairs(what.supersede or {}) do supersede(row[1], row[2]) end
for _, row in ipairs(what.settle or {}) do
  if take_out(row[1]) then
    strike(row[1], row[2], row[3], row[2])
    count('in_flight', -1)
  end
end
for _, row in ipairs(what.failed or {}) do
  local d = k('d:' .. row[1])
  for name, value in pairs(row[2]) do
    if name ~= 'free' then redis.call('HSET', d, name, value) end
  end
  if not row[2].free then redis.call('HINCRBY', d, 'attempts', 1) end
  count('retries', 1)
end
for _, row in ipairs(what.bury or {}) do bury(row[1], row[2]) end
for _, row in ipairs(what.audit or {}) do audit(row) end
local how = what.next
if how == 'keep' then
  redis.call('ZADD', k('slots'), now + SLOT, turn)
  return {'ok', w}
end
if how == 'due' then
  redis.call('HSET', k('own'), subject, 'd')
  redis.call('ZADD', k('due'), now + (what.delay or 0), subject)
elseif how == 'park' then
  redis.call('HSET', k('own'), subject, 'p:' .. what.gate)
  redis.call('SADD', k('gate:' .. what.gate), subject)
  redis.call('HSETNX', k('gates'), what.gate, cjson.encode({why = what.why or '', since = now}))
else
  release(subject)
end
local held = {}
for _, one in ipairs(held_by(turn)) do
  if one ~= subject then held[#held + 1] = one end
end
note(turn, held)
local most = tonumber(ARGV[8])
if most == 0 or #held > 0 then
  redis.call('ZADD', k('slots'), now + SLOT, turn)
  return {'ok', w}
end
local got = take(turn, most, tonumber(ARGV[9]))
table.insert(got, 1, w)
table.insert(got, 1, 'ok')
return got

-- Write down what became of a subject's letters, and (for a turn that goes on) claim the next.
-- Refused unless the subject is still owned by this turn and its slot is alive; one script, because a
-- letter must never be in two places, nor in none.  Sent twice (a lost answer) it counts once.
-- ARGV: turn, subject, what (JSON), most subjects to claim next (0: none), most letters each.
-- what = {
--   settle: [[id, "delivered"|"skipped", reason]...], bury: [[id, {field: text}]...],
--   swallow: [[id, reason]...]           (skipped where the letters of `bury` are buried),
--   hold: {gate, kind, where, entities, window ms, why, canary, about}: where the cause is systemic, what
--     `bury` names is not buried; the subject is parked behind that gate instead, nothing counted,
--   won: [kind, [place...]]              (what was delivered: a cause of that kind and place is not systemic),
--   failed: [[id, {field: text}]...]     (an attempt counted, unless field "free" is set),
--   supersede: [[id, [kind...]]...]      (older dead letters of its entity and of these kinds are told by it),
--   done: [[effect, remote, entity JSON, life ms]...], forget: [effect...],
--   told: [[effect, ISO time]...]        (as of when the text of a copied comment is),
--   links: [[source, target, link JSON, found from the target's side too?]...], aliases: [target...], unlinks: [[source, target]...],
--   audit: [row...], calls: {connection: API calls that it took}, config: hash, made_by: version,
--   next: "go"|"keep"|"due"|"park", delay: ms, gate: name, why: text, canary: {first, longest, any} }
--   (a delay with "park": the gate opens by itself after it)
-- Returns {'stale'} or {'ok', w, verdict, gate} followed by what claim returns.  The verdict is '' or what
-- became of a gate: 'shut' (the subject is parked, the first behind it), 'held' (parked), 'failed' (parked:
-- it was the canary, or was let go), 'opened' (it was the canary).
prune()
local turn, subject = ARGV[5], ARGV[6]
if not holds(turn, subject) then return overtaken(turn) end
local what = cjson.decode(ARGV[7])
local w = meta('w')
for _, row in ipairs(what.done or {}) do
  local fx = k('fx:' .. row[1])
  redis.call('HSET', fx, 'state', 'done', 'remote', row[2], 'entity', row[3], 'done', now)
  redis.call('PEXPIRE', fx, row[4])
end
for _, row in ipairs(what.told or {}) do
  if redis.call('EXISTS', k('fx:' .. row[1])) == 1 then redis.call('HSET', k('fx:' .. row[1]), 'told', row[2]) end
end
for _, effect in ipairs(what.forget or {}) do
  local fx = redis.call('HMGET', k('fx:' .. effect), 'about', 'action')
  if fx[1] then redis.call('HDEL', k('unsure'), fx[1]) end
  -- A creation that was refused is none: the brake does not count it.
  if fx[2] == 'create' then redis.call('SREM', k('created'), effect) end
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
if what.won and redis.call('EXISTS', k('causes')) == 1 then not_the_rule(what.won[1], what.won[2]) end
config_hash, made_by = what.config or '', what.made_by or ''
local delivered, took = false, not what.settle
local made = 0
for _, row in ipairs(what.settle or {}) do
  delivered = delivered or row[2] == 'delivered'
  if take_out(row[1]) then
    took = true
    if row[2] == 'delivered' then made = made + 1 end
    strike(row[1], row[2], row[3], row[2])
    count('in_flight', -1)
  end
end
if made > 0 and made_by ~= '' then
  redis.call('HINCRBY', k('versions'), made_by .. ':n', made)
  redis.call('HSET', k('versions'), made_by .. ':last', now)
end
for _, row in ipairs(what.failed or {}) do
  local d = k('d:' .. row[1])
  for name, value in pairs(row[2]) do
    if name ~= 'free' then redis.call('HSET', d, name, value) end
  end
  if not row[2].free then redis.call('HINCRBY', d, 'attempts', 1) end
  -- A counted attempt came to an end, and its process is still there: no suspect.
  if not row[2].free or row[2].attempts then redis.call('HDEL', d, 'suspect', 'crashes') end
  -- With "keep" the turn goes on: what it notes of a step is no attempt that failed.
  if what.next ~= 'keep' then count('retries', 1) end
end
local how, wish = what.next, what
if what.hold and what.bury and systemic(what.bury, what.hold) then
  how, wish = 'park', what.hold
  for _, row in ipairs(what.bury) do
    row[2].attempts = nil
    redis.call('HDEL', k('d:' .. row[1]), 'suspect', 'crashes')
    for name, value in pairs(row[2]) do redis.call('HSET', k('d:' .. row[1]), name, value) end
  end
else
  for _, row in ipairs(what.bury or {}) do bury(row[1], row[2]) end
  for _, row in ipairs(what.swallow or {}) do
    if take_out(row[1]) then
      strike(row[1], 'skipped', row[2], 'skipped')
      count('in_flight', -1)
    end
  end
end
for _, row in ipairs(what.audit or {}) do audit(row) end
if took then
  for connection, calls in pairs(what.calls or {}) do
    count('calls', calls)
    redis.call('HINCRBY', k('counts'), 'calls:' .. connection, calls)
  end
end
if how == 'keep' then
  redis.call('ZADD', k('slots'), now + SLOT, turn)
  return {'ok', w, '', ''}
end
local gate = how == 'park' and wish.gate or ''
local opened = judge(subject, delivered, #(what.settle or {}) > 0, gate)
local verdict = opened and 'opened' or ''
-- Opened by a person while this was on its way behind it.
if how == 'park' and gate == 'brake' and not redis.call('HGET', k('meta'), 'brake') then how, gate = 'go', '' end
if how == 'due' then
  redis.call('HSET', k('own'), subject, 'd')
  redis.call('ZADD', k('due'), now + (what.delay or 0), subject)
elseif how == 'park' then
  verdict = park(subject, gate, wish)
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
  return {'ok', w, verdict, opened or gate}
end
local got = take(turn, most, tonumber(ARGV[9]))
for _, one in ipairs({opened or gate, verdict, w, 'ok'}) do table.insert(got, 1, one) end
return got

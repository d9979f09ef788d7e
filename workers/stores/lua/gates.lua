-- Shared by every delivery script, after lib.lua: what subjects wait behind, and how they are let go.
--
-- A plain gate (a dead letter that blocks) stays shut until somebody opens it; its subjects stand in the set
-- gate:<gate>.  One with a clock stands in gatedue, its subjects in held:<gate> by the order of parking:
--   till       it opens by itself at that moment (an endpoint class that asked to wait)
--   canary     {first, longest, any}: every so often exactly one subject is let through, and its outcome
--              decides; `wait` is the interval, which doubles, `tries` how many failed, `out` who is out.
-- While it opens, `opening` is the size of the next slice: it doubles with every scan, so that thousands of
-- subjects never make one script long, and few are tried in vain where nothing was mended.  Who fails again
-- while it opens shuts it again; `rest` is until when a gate with a canary remembers that.
-- `about` tells people what it was shut for, `died` names the dead letters of the same cause.
local FIRST_SLICE, SLICE = 8, 500
local revive -- in letters.lua; an opened gate brings back what died before it was shut

local function gate_of(name)
  local found = redis.call('HGET', k('gates'), name)
  return found and cjson.decode(found)
end
local function keep_gate(name, gate) redis.call('HSET', k('gates'), name, cjson.encode(gate)) end
local function look_at(name, when) redis.call('ZADD', k('gatedue'), when, name) end

local function no_canary(gate)
  if gate.out then redis.call('HDEL', k('canary'), gate.out) end
  gate.out = nil
end

local function forget_gate(name, gate)
  no_canary(gate)
  redis.call('HDEL', k('gates'), name)
  redis.call('ZREM', k('gatedue'), name)
end

-- Let a subject wait behind a gate, which is made where there is none.
-- wish = {why, delay (ms: it is over then), canary {first, longest, any}, about, died}.
-- Returns 'shut' (made now), 'failed' (its canary, or one of those it let go) or 'held'.
local function park(subject, name, wish)
  local gate, verdict = gate_of(name), 'held'
  local changed = not gate
  if not gate then
    gate = {why = wish.why or '', since = now, about = wish.about, died = wish.died}
    verdict = 'shut'
  end
  if wish.delay and now + wish.delay > (gate.till or 0) then
    gate.till, changed = now + wish.delay, true
    look_at(name, gate.till)
  end
  if wish.canary and not gate.canary then
    gate.canary, gate.wait, changed = wish.canary, wish.canary.first, true
    look_at(name, now + gate.wait)
  end
  if gate.out == subject or gate.opening then
    no_canary(gate)
    gate.opening, gate.rest, changed, verdict = nil, nil, true, 'failed'
    if gate.canary then
      gate.wait, gate.tries = math.min(gate.canary.longest, gate.wait * 2), (gate.tries or 0) + 1
      look_at(name, now + gate.wait)
    end
  end
  if changed then keep_gate(name, gate) end
  redis.call('HSET', k('own'), subject, 'p:' .. name)
  if gate.till or gate.canary then redis.call('ZADD', k('held:' .. name), meta('order'), subject)
  else redis.call('SADD', k('gate:' .. name), subject) end
  return verdict
end

-- Take the next subject from behind a gate; nothing when none waits there.
local function next_held(name)
  while true do
    local subject = redis.call('ZPOPMIN', k('held:' .. name))[1] or redis.call('SPOP', k('gate:' .. name))
    if not subject then return nil end
    if redis.call('HGET', k('own'), subject) == 'p:' .. name then return subject end
  end
end

-- Let up to `most` subjects go on; returns how many.
local function let_go(name, most)
  for n = 1, most do
    local subject = next_held(name)
    if not subject then return n - 1 end
    release(subject)
  end
  return most
end

local function next_slice(name, gate, most)
  local size = math.min(gate.opening, most)
  local gone = let_go(name, size)
  if gone == size then
    gate.opening = math.min(SLICE, gate.opening * 2)
    look_at(name, now)
  elseif gate.canary and not (gate.rest and gate.rest <= now) then
    gate.rest = gate.rest or now + gate.canary.first
    look_at(name, gate.rest)
  else
    forget_gate(name, gate)
    return gone
  end
  keep_gate(name, gate)
  return gone
end

local function begin_opening(name, gate)
  no_canary(gate)
  gate.opening, gate.rest = gate.opening or FIRST_SLICE, nil
  for _, id in ipairs(gate.died or {}) do
    if redis.call('ZSCORE', k('dead'), id) and redis.call('EXISTS', k('d:' .. id)) == 1 then revive(id, 'replay') end
  end
  gate.died = nil
  keep_gate(name, gate)
  look_at(name, now)
end

-- Let one subject through, unless one is on its way.  One that waits for something else (a retry, another
-- gate) or is gone says nothing: another one goes.
local function send_canary(name, gate)
  local owner = gate.out and redis.call('HGET', k('own'), gate.out)
  if owner and owner ~= 'd' and string.sub(owner, 1, 2) ~= 'p:' then
    look_at(name, now + gate.canary.first)
    return 0
  end
  no_canary(gate)
  local subject = next_held(name)
  if not subject then
    forget_gate(name, gate)
    return 0
  end
  gate.out = subject
  redis.call('HSET', k('canary'), subject, name)
  keep_gate(name, gate)
  look_at(name, now + gate.wait)
  release(subject)
  return 1
end

-- Do what a gate's clock says; returns how many subjects went on (at most `most`).
local function tend(name, most)
  local gate = gate_of(name)
  if not gate then -- opened by a version that knows no held:<gate>
    local gone = let_go(name, most)
    if gone < most then redis.call('ZREM', k('gatedue'), name) end
    return gone
  end
  if not gate.opening and gate.till then
    if gate.till > now then
      look_at(name, gate.till)
      return 0
    end
    begin_opening(name, gate)
  end
  if gate.opening then return next_slice(name, gate, most) end
  if gate.canary then return send_canary(name, gate) end
  redis.call('ZREM', k('gatedue'), name)
  return 0
end

-- Somebody opens a gate: the first go on at once, the others with the next scans.  Returns how many there are.
local function open_gate(name)
  if name == 'brake' then unbrake() end
  local parked = redis.call('ZCARD', k('held:' .. name)) + redis.call('SCARD', k('gate:' .. name))
  local gate = gate_of(name)
  if gate then begin_opening(name, gate) end
  tend(name, SLICE)
  return parked
end

-- A subject settles: where it was the canary of a gate, its outcome decides.  `to` is the gate that it is
-- being parked behind, '' where none.  Returns the gate that opens, or nothing.
local function judge(subject, delivered, settled, to)
  local name = redis.call('HGET', k('canary'), subject)
  local gate = name and gate_of(name)
  if not gate or gate.out ~= subject then
    if name then redis.call('HDEL', k('canary'), subject) end
    return nil
  end
  if to == name then return nil end -- park() notes the failure
  if delivered or gate.canary.any then
    begin_opening(name, gate)
    return name
  end
  if settled then -- skipped: it proves nothing, the next one goes at once
    no_canary(gate)
    keep_gate(name, gate)
    look_at(name, now)
  end
  return nil
end

-- Say whether a cause is systemic: enough different entities failed with it within a window, and nothing of
-- its kind succeeded meanwhile.  Otherwise the failure is noted, for the next one.  rows = [[id, fields]...], of
-- one entity.
-- hold = {gate, kind, where, entities, window ms, ...}; on yes it knows what `died` before.
local function systemic(rows, hold)
  if redis.call('HEXISTS', k('gates'), hold.gate) == 1 then return true end
  local window, mine = k('window:' .. hold.gate), redis.call('HGET', k('d:' .. rows[1][1]), 'entity')
  local known = redis.call('HGETALL', window)
  local others, died, own = 0, {}, {}
  for i = 1, #known, 2 do
    local one = cjson.decode(known[i + 1])
    if one.at <= now - hold.window then
      redis.call('HDEL', window, known[i])
    elseif known[i] == mine then
      own = one.ids
    else
      others = others + 1
    end
    if one.at > now - hold.window then
      for _, old in ipairs(one.ids) do died[#died + 1] = old end
    end
  end
  if others + 1 >= hold.entities then
    hold.died = #died > 0 and died or nil
    redis.call('DEL', window)
    redis.call('HDEL', k('causes'), hold.gate)
    return true
  end
  for _, row in ipairs(rows) do own[#own + 1] = row[1] end
  while #own > 20 do table.remove(own, 1) end
  redis.call('HSET', window, mine, cjson.encode({at = now, ids = own}))
  redis.call('PEXPIRE', window, hold.window)
  redis.call('HSET', k('causes'), hold.gate, cjson.encode({kind = hold.kind, where = hold.where}))
  redis.call('PEXPIRE', k('causes'), hold.window)
  return false
end

-- Something of a kind was delivered at some places: what failed there before was not the rule.
local function not_the_rule(kind, places)
  local causes = redis.call('HGETALL', k('causes'))
  for i = 1, #causes, 2 do
    local about = cjson.decode(causes[i + 1])
    local here = about.where == ''
    for _, place in ipairs(places) do here = here or place == about.where end
    if about.kind == kind and here then
      redis.call('DEL', k('window:' .. causes[i]))
      redis.call('HDEL', k('causes'), causes[i])
    end
  end
end

-- Shared by every delivery script.  KEYS[1] is the connector's tag, e.g. "jc:{payments-bugs}:".
-- ARGV[1] now in ms ('' = the server's TIME), [2] concurrency and, after a colon, the highest write
-- count that the caller knows to be acknowledged, [3] life of a doorbell in ms,
-- [4] life of a turn's slot in ms.  A script's own arguments start at ARGV[5].
local P = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local limit, highest = string.match(ARGV[2], '^(%d+):?(%d*)$')
local conc, RING, SLOT = tonumber(limit), tonumber(ARGV[3]), tonumber(ARGV[4])
local KNOWN = tonumber(highest) or 0 -- see epoch.lua
local LANES = {'live', 'replay', 'backfill'}
local RANK = {live = 1, replay = 2, backfill = 3}

local function k(name) return P .. name end
local function meta(field, by)
  -- When the last acknowledged write was made: what is missing after a loss is younger.
  if field == 'w' and by ~= 0 then redis.call('HSET', k('meta'), 'alive', now) end
  return redis.call('HINCRBY', k('meta'), field, by or 1)
end
-- What happened in each of the last minutes, for charts and rates.
local function minute(field, by)
  local n = math.floor(now / 60000)
  redis.call('HINCRBY', k('minute:' .. n), field, by)
  redis.call('PEXPIRE', k('minute:' .. n), 10800000)
end
local function count(field, by)
  redis.call('HINCRBY', k('counts'), field, by)
  if by > 0 and field ~= 'in_flight' then minute(field, by) end
end
-- Also the first write of every script but accept: a full store refuses a script whose first write
-- could grow it, and only accept may be refused.
local function prune() redis.call('ZREMRANGEBYSCORE', k('slots'), '-inf', now) end
local function is_open()
  local m = redis.call('HMGET', k('meta'), 'open_at', 'halted')
  return tonumber(m[1] or '0') <= now and not m[2]
end

-- Its turns are as many as its connection's limits leave room for: no more are rung for.
local function hushed() return tonumber(redis.call('HGET', k('meta'), 'hush') or '0') > now end

-- A lane whose part of a connection's limits is used up is left alone for a while; live is never.
local function lane_open(lane)
  return lane == 'live' or tonumber(redis.call('HGET', k('meta'), 'shut:' .. lane) or '0') <= now
end

local function waiting()
  local n = 0
  for _, lane in ipairs(LANES) do
    if lane_open(lane) then n = n + redis.call('ZCARD', k('ready:' .. lane)) end
  end
  return n
end

-- The slots that count against the concurrency, the doorbells among them, and the turns of the quarantine,
-- which do not count: full slots must not keep suspects waiting.
local function taken()
  local n, bells, alone = 0, 0, 0
  for _, token in ipairs(redis.call('ZRANGE', k('slots'), 0, -1)) do
    local kind = string.sub(token, 1, 1)
    if kind == 'q' then alone = alone + 1 else n = n + 1 end
    if kind == 'b' then bells = bells + 1 end
  end
  return n, bells, alone
end

-- Reserve a slot for a doorbell.  Returns token and life in ms, or nothing.  While nobody answers,
-- the life (and so the interval of ringing again) doubles, up to 32 times.
local function ring()
  prune()
  local n, out = taken()
  if n >= conc or not is_open() or hushed() then return nil end
  -- No more doorbells out than there are subjects to look at.
  if out >= waiting() then return nil end
  local unanswered = meta('unanswered') - 1
  local life = RING * math.min(32, 2 ^ math.floor(unanswered / conc))
  local token = 'b' .. meta('turn')
  redis.call('ZADD', k('slots'), now + life, token)
  return token, life
end

local function bell()
  local token, life = ring()
  if token then return {token, life} end
  return {}
end

-- Add a doorbell to an answer for every slot that is free and needed.
local function ring_all(got)
  while true do
    local token, life = ring()
    if not token then return got end
    got[#got + 1] = {token, life}
  end
end

local function set_ready(subject, lane)
  redis.call('ZADD', k('ready:' .. lane), meta('order'), subject)
  redis.call('HSET', k('own'), subject, 'r:' .. lane)
end

-- A letter that was being worked on when its worker died: only the quarantine may try it again.
local function is_suspect(id) return redis.call('HEXISTS', k('d:' .. id), 'suspect') == 1 end
local function set_apart(subject)
  redis.call('ZADD', k('suspects'), meta('order'), subject)
  redis.call('HSET', k('own'), subject, 's')
end

-- A delivery came into a mailbox: make its subject ready unless somebody will look at it anyway.  One that
-- is set apart stays there.
local function wake(subject, lane)
  local owner = redis.call('HGET', k('own'), subject)
  if not owner then
    set_ready(subject, lane)
  elseif string.sub(owner, 1, 2) == 'r:' then
    local at = string.sub(owner, 3)
    if RANK[lane] < RANK[at] then
      redis.call('ZREM', k('ready:' .. at), subject)
      set_ready(subject, lane)
    end
  end
end

-- The best lane among the first letters of a mailbox.
local function lane_of(subject)
  local best = 3
  for _, id in ipairs(redis.call('ZRANGE', k('mail:' .. subject), 0, 31)) do
    local rank = RANK[redis.call('HGET', k('d:' .. id), 'lane') or 'live'] or 1
    if rank < best then best = rank end
    if best == 1 then break end
  end
  return LANES[best]
end

-- The subject whose mailbox an entity shares.  A long way there is shortened as it is walked.
local function root(entity)
  local at, steps = entity, 0
  while steps < 100 do
    local up = redis.call('HGET', k('alias'), at)
    if not up or up == at then break end
    at, steps = up, steps + 1
  end
  if steps > 1 then redis.call('HSET', k('alias'), entity, at) end
  return at
end

-- From here on two entities share one mailbox.  A target without mail of its own joins the subject;
-- otherwise the subject, which is being let go, joins the target's: somebody else may hold that one, and
-- a held mailbox must keep its name, or its next letters would be drained elsewhere meanwhile.
local function join(subject, target)
  local mine, home = root(subject), root(target)
  if home == mine then return end
  if home == target and redis.call('HEXISTS', k('own'), target) == 0 then redis.call('HSET', k('alias'), target, mine)
  else redis.call('HSET', k('alias'), mine, home) end
end

-- Give a subject up: back into its lane, apart when its first letter is a suspect, or out of the books when
-- its mailbox is empty.  Letters of an entity that has been linked to another subject move over to that
-- one's mailbox.
local function release(subject)
  local home = root(subject)
  if home ~= subject then
    for _, id in ipairs(redis.call('ZRANGE', k('mail:' .. subject), 0, -1)) do
      redis.call('ZADD', k('mail:' .. home), redis.call('HGET', k('d:' .. id), 'seq'), id)
      redis.call('HSET', k('d:' .. id), 'subject', home)
    end
    redis.call('DEL', k('mail:' .. subject))
    redis.call('HDEL', k('own'), subject)
    if redis.call('EXISTS', k('mail:' .. home)) == 1 then wake(home, lane_of(home)) end
  else
    local first = redis.call('ZRANGE', k('mail:' .. subject), 0, 0)[1]
    if not first then redis.call('HDEL', k('own'), subject)
    elseif is_suspect(first) then set_apart(subject)
    else set_ready(subject, lane_of(subject)) end
  end
end

local function alive(turn)
  local expiry = redis.call('ZSCORE', k('slots'), turn)
  return expiry and tonumber(expiry) > now
end

-- The fence: this turn still holds this subject.
local function holds(turn, subject)
  return redis.call('HGET', k('own'), subject) == turn and alive(turn)
end

-- Whether a turn holds the mailbox of an entity: it waits in no lane, for no clock, behind no gate.
local function in_turn(entity)
  local owner = redis.call('HGET', k('own'), root(entity))
  return owner and owner ~= 'd' and owner ~= 's' and not string.match(owner, '^[rp]:')
end

-- What a turn is told that comes too late: frozen, cut off or slow past its slot, it has lost its subjects.  One
-- that is alive has only sent something twice, after a lost answer; that is not counted.
local function overtaken(turn)
  if not alive(turn) then count('overtaken', 1) end
  return {'stale'}
end

local function held_by(turn) return cjson.decode(redis.call('HGET', k('turns'), turn) or '[]') end
local function note(turn, subjects)
  if #subjects == 0 then redis.call('HDEL', k('turns'), turn)
  else redis.call('HSET', k('turns'), turn, cjson.encode(subjects)) end
end

-- Whether a letter accepted at a moment may have been worked on in a time that the store has forgotten:
-- "from:noticed:kind" in ms, see epoch.lua for the kinds.
local forgotten
local function doubt_about(at)
  forgotten = forgotten or redis.call('HMGET', k('meta'), 'doubt_until', 'doubt_from', 'doubt_at', 'rebuilt')
  local d = forgotten
  if d[1] and tonumber(at) <= tonumber(d[1]) then return d[2] .. ':' .. d[3] .. ':' .. (d[4] and 'r' or '') end
  return d[4] and '0:' .. d[4] .. ':c'
end

-- What a turn still holds goes back untouched.
local function give_back(turn)
  for _, subject in ipairs(held_by(turn)) do
    if redis.call('HGET', k('own'), subject) == turn then release(subject) end
  end
  note(turn, {})
end

-- Which lane to serve: live first, but every 4th claim starts with replay and every 8th with
-- backfill, so that none starves.
local function pop()
  local n = meta('claims')
  local order = LANES
  if n % 8 == 0 then order = {'backfill', 'replay', 'live'}
  elseif n % 4 == 0 then order = {'replay', 'live', 'backfill'} end
  for _, lane in ipairs(order) do
    local got = lane_open(lane) and redis.call('ZPOPMIN', k('ready:' .. lane)) or {}
    if got[1] then return got[1], lane end
  end
end

-- A backlog is served in groups: more than one subject at once, but only of the backfill lane, only while
-- nothing waits in the other lanes.
local function goes_in_groups(lane)
  return lane == 'backfill' and redis.call('ZCARD', k('ready:live')) + redis.call('ZCARD', k('ready:replay')) == 0
end

local function pop_another()
  local subject = redis.call('ZRANGE', k('ready:backfill'), 0, 0)[1]
  if not subject or not goes_in_groups('backfill') then return nil end
  redis.call('ZREM', k('ready:backfill'), subject)
  return subject, 'backfill'
end

-- A letter as a turn gets it: {id, body, field, value...}; its entity is noted in `entities`.
local function letter_of(id, entities)
  local fields = redis.call('HGETALL', k('d:' .. id))
  local letter = {id, redis.call('GET', k('b:' .. id)) or ''}
  for i = 1, #fields do letter[#letter + 1] = fields[i] end
  for i = 1, #fields, 2 do
    if fields[i] == 'at' then
      local doubt = doubt_about(fields[i + 1])
      if doubt then letter[#letter + 1] = 'doubt'; letter[#letter + 1] = doubt end
    elseif fields[i] == 'entity' then
      entities[fields[i + 1]] = true
      local unsure = redis.call('HGET', k('unsure'), fields[i + 1])
      if unsure then letter[#letter + 1] = 'unsure'; letter[#letter + 1] = unsure end
      local stone = redis.call('HGET', k('unlinked'), fields[i + 1])
      if stone then letter[#letter + 1] = 'unlinked'; letter[#letter + 1] = stone end
    end
  end
  return letter
end

-- {subject, lane, {entity, link...}, letter...}, up to the first suspect behind the first letter.  Alone it is
-- one letter, and those that were announced as one digest with it: half of that may not be told.
local function box_of(subject, lane, ids, alone)
  local batch = alone and redis.call('HGET', k('d:' .. ids[1]), 'batch') or ''
  local entities, letters, links = {}, {}, {}
  for n, id in ipairs(ids) do
    if n > 1 and alone and (batch == '' or redis.call('HGET', k('d:' .. id), 'batch') ~= batch) then break end
    if n > 1 and not alone and is_suspect(id) then break end
    letters[n] = letter_of(id, entities)
  end
  for entity, _ in pairs(entities) do
    local link = redis.call('HGET', k('links'), entity)
    if link then links[#links + 1] = entity; links[#links + 1] = link end
  end
  return {subject, lane, links, unpack(letters)}
end

-- Move up to `most` ready subjects into the turn; gives the slot back in the same script that sees
-- the lanes empty or the connector closed (as two steps it loses wake-ups).  A turn of the quarantine takes
-- one letter of one suspect at a time, and writes down which, so that its death accuses that letter only.
-- Returns {status, open_at, {subject, lane, {entity, link...}, {id, body, field, value...}...}...}.
local function take(turn, most, letters)
  if not alive(turn) then return {'gone', 0} end
  if not is_open() then
    redis.call('ZREM', k('slots'), turn)
    note(turn, {})
    return {'closed', tonumber(redis.call('HGET', k('meta'), 'open_at'))}
  end
  local alone = string.sub(turn, 1, 1) == 'q'
  if alone then most = 1 end
  local got, held = {'work', 0}, {}
  while #held < most do
    local subject, lane
    if alone then subject = redis.call('ZPOPMIN', k('suspects'))[1]
    elseif #held == 0 then subject, lane = pop()
    else subject, lane = pop_another() end
    if not subject then break end
    lane = lane or lane_of(subject) -- a suspect's calls are counted to the lane that it would stand in
    if not goes_in_groups(lane) then most = 1 end
    local ids = redis.call('ZRANGE', k('mail:' .. subject), 0, letters - 1)
    if #ids == 0 then
      redis.call('HDEL', k('own'), subject)
    elseif root(subject) ~= subject then
      release(subject) -- it was joined to another while it waited
    elseif not alone and is_suspect(ids[1]) then
      set_apart(subject)
    else
      redis.call('HSET', k('own'), subject, turn)
      held[#held + 1] = subject
      if alone then redis.call('HSET', k('d:' .. ids[1]), 'suspect', turn) end
      got[#got + 1] = box_of(subject, lane, ids, alone)
    end
  end
  if #held == 0 then
    redis.call('ZREM', k('slots'), turn)
    note(turn, {})
    return {'empty', 0}
  end
  redis.call('ZADD', k('slots'), now + SLOT, turn)
  note(turn, held)
  return got
end

-- The brake of a new connector is over: its time has passed, or a person has looked and let it go on.
local function unbrake()
  redis.call('HDEL', k('meta'), 'brake')
  redis.call('DEL', k('created'))
end

local function audit(row)
  redis.call('XADD', k('audit'), 'MAXLEN', '~', '20000', '*', 'row', row, 'w', meta('w', 0), 'at', now)
end

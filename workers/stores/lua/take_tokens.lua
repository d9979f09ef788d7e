-- Take tokens from every bucket of a call, or from none; give back what was taken and not used.
-- A closed connection or class gives none; a breaker that is half open gives one to each counted probe.
-- Sent twice (a lost answer) it answers as before: a holder asks for one thing at a time, numbered.
-- Where a bucket runs low it is shared by weight between the connectors that asked lately, and within a connector
-- between its lanes; what one does not use, others may.
-- ARGV: [2] holder, [3] number of the asking, [4] calls at most (0: only give back), [5] ms that the caller would wait
--   for a token of its own, [6] class, [7] connector, [8] its weight, [9] lane, [10] how many rows to give back;
--   each: bucket, form, microseconds a unit, units; then the buckets of the call, each: name, form ('rate'; 'aligned'
--   or 'started': a window), microseconds a unit, units at once (of a window: in all), units a call, window in ms,
--   '1' to share it.
-- Returns {calls granted, ms to wait (before the first call, or before asking again), closed until, kind, bucket}.
local told = redis.call('GET', k('took:' .. ARGV[2]))
if told then
  local before = cjson.decode(told)
  if before[1] == ARGV[3] then return before[2] end
end
local most, patience, class = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local LANES = {live = 6, replay = 1, backfill = 1}
-- Whoever comes from another lane (a suspect, or one that a newer version knows) is served as a live one.
local weight, lane = tonumber(ARGV[8]), LANES[ARGV[9]] and ARGV[9] or 'live'
local member = ARGV[7] .. '|' .. lane .. '|' .. ARGV[8]
-- The part of a bucket that whoever has had its share leaves to the others, and of a window for later live events.
local LEFT = {live = 0.25, replay = 0.375, backfill = 0.5}
local KEPT = {live = 0, replay = 0.1, backfill = 0.25}
local at, back = 11, tonumber(ARGV[10])

local function answered(got)
  if got[1] > 0 or back > 0 then redis.call('SET', k('took:' .. ARGV[2]), cjson.encode({ARGV[3], got}), 'PX', 30000) end
  return got
end

for _ = 1, back do
  local name, form, gap, units = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if form == 'rate' then
    local tat = redis.call('GET', k('tat:' .. name))
    if tat then redis.call('SET', k('tat:' .. name), string.format('%.0f', tonumber(tat) - gap * units), 'KEEPTTL') end
  else
    local used = tonumber(redis.call('HGET', k('win:' .. name), 'used') or '0')
    if used > 0 then redis.call('HSET', k('win:' .. name), 'used', math.max(0, used - units)) end
  end
  at = at + 4
end
if most < 1 then return answered({0, 0, 0, '', ''}) end

local till = closed()
local kind = redis.call('HGET', k('state'), 'kind') or ''
if till > now then return answered({0, till - now, till, kind, ''}) end
local shut = tonumber(redis.call('HGET', k('state'), 'closed:' .. class) or '0')
if shut > now then return answered({0, shut - now, shut, 'class', ''}) end
if shut > 0 then redis.call('HDEL', k('state'), 'closed:' .. class, 'why:' .. class) end
local probing = kind == 'breaker'
if probing then
  local wait = probe_wait()
  if wait > 0 then return answered({0, wait, 0, 'breaker', ''}) end
  most = 1
end

-- This caller's part of a bucket: 1 where nobody else asked lately.
local function part_of(name)
  redis.call('ZREMRANGEBYSCORE', k('asking:' .. name), '-inf', now)
  local total, mine, lanes, seen = 0, weight, LANES[lane], {}
  for _, one in ipairs(redis.call('ZRANGE', k('asking:' .. name), 0, -1)) do
    local who, its, heavy = string.match(one, '^(.*)|(%a+)|(%d+)$')
    if who == ARGV[7] then
      if its ~= lane then lanes = lanes + (LANES[its] or 1) end
    elseif not seen[who] then
      seen[who] = true
      total = total + tonumber(heavy)
    end
  end
  return mine / (total + mine) * LANES[lane] / lanes
end
local function heard(name, span)
  redis.call('ZADD', k('asking:' .. name), now + span, member)
  if redis.call('PTTL', k('asking:' .. name)) < span + 1000 then
    redis.call('PEXPIRE', k('asking:' .. name), math.ceil(span) + 60000)
  end
end

local function rolling(one)
  local stored = tonumber(redis.call('GET', k('tat:' .. one.name)) or '0')
  one.tat = math.max(micros, stored)
  local level = (micros + one.size * one.gap - one.tat) / one.gap
  one.room, one.patient, one.wait = math.floor(level / one.cost), true, 0
  one.late = math.ceil((one.cost - level) * one.gap / 1000)
  if not one.shared or level - one.cost >= one.size / 2 then return end
  one.part = part_of(one.name)
  local reserve = one.size * LEFT[lane]
  -- A bucket that has been full for a while holds a little more than it could.
  local lying = math.min(one.size + 1, (micros + one.size * one.gap - stored) / one.gap)
  local entitled = 0
  if one.part < 1 then
    local own = math.max(micros, tonumber(redis.call('HGET', k('part:' .. one.name), ARGV[7] .. '|' .. lane) or '0'))
    one.own, one.own_gap = own, one.gap / one.part
    local most_own = math.max(2 * one.cost, one.size * one.part)
    entitled = (micros + most_own * one.own_gap - own) / one.own_gap
  elseif lane == 'live' or one.size < 4 then
    return
  end
  if entitled >= one.cost then
    one.room = math.min(one.room, math.floor(entitled / one.cost))
    one.charged = true
  else
    one.room = math.min(one.room, math.floor((lying - reserve) / one.cost))
    one.patient = false
    -- Among several not sooner than half of what may come at once: many may be waiting for the same token.
    local least = one.part < 1 and one.size / 2 or 0
    one.late = math.ceil(math.max(one.cost + reserve - lying, least) * one.gap / 1000)
    if one.part < 1 then one.late = math.min(one.late, math.ceil((one.cost - entitled) * one.own_gap / 1000)) end
  end
end

local function window(one)
  local was = redis.call('HMGET', k('win:' .. one.name), 'end', 'used', 'W', 'w:' .. ARGV[7], 'u:' .. ARGV[7])
  one.ends, one.used = tonumber(was[1] or '0'), tonumber(was[2] or '0')
  -- What was given back is not told by connector: of what is used nobody has had more than all.
  local mine, total, known = math.min(one.used, tonumber(was[5] or '0')), tonumber(was[3] or '0'), was[4]
  if one.ends <= now then
    redis.call('DEL', k('win:' .. one.name))
    one.used, mine, total, known = 0, 0, 0, false
    one.ends = one.form == 'aligned' and (math.floor(now / one.per) + 1) * one.per or now + one.per
  end
  if not known then total = total + weight end
  one.enters, one.patient = not known, false
  local left = math.min(1, (one.ends - now) / one.per)
  local free = one.size - one.used - one.size * KEPT[lane] * left
  local part = one.size * weight / total
  if one.shared then
    -- Its own share, or what the others' unused shares leave: those are set free little by little.
    local beyond = free - math.max(0, one.size - part - (one.used - mine)) * left
    free = math.max(math.min(free, part - mine), beyond)
  end
  one.room, one.late = math.floor(free / one.cost), one.ends - now
  -- What is only kept for others is set free little by little.
  if one.used + one.cost <= one.size then one.late = math.min(one.late, math.max(1000, one.per / 60)) end
end

local buckets, calls, wait, scarce = {}, most, 0, nil
for i = at, #ARGV, 7 do
  local one = {name = ARGV[i], form = ARGV[i + 1], gap = tonumber(ARGV[i + 2]), size = tonumber(ARGV[i + 3]),
    cost = tonumber(ARGV[i + 4]), per = tonumber(ARGV[i + 5]), shared = ARGV[i + 6] == '1'}
  if one.form == 'rate' then rolling(one) else window(one) end
  buckets[#buckets + 1] = one
  calls = math.min(calls, one.room)
  if one.room < 1 then
    if not (one.patient and one.late <= patience) then one.refuses = true end
    if one.late > wait then wait, scarce = one.late, one end
  end
end
local refused = false
for _, one in ipairs(buckets) do
  if one.refuses then refused = true end
end
for _, one in ipairs(buckets) do
  -- Who was refused asks again when the wait is over, and who holds a batch when that is used up: until then its
  -- share is its own.
  if one.part then heard(one.name, 3000 + (refused and math.max(1, wait) or 0) + one.cost * one.gap / one.part / 1000) end
end
if refused then return answered({0, math.max(1, math.ceil(wait)), 0, 'limit', scarce and scarce.name or ''}) end
if calls < 1 then calls = 1 else wait = 0 end
for _, one in ipairs(buckets) do
  local units = one.cost * calls
  if one.form == 'rate' then
    local tat = one.tat + one.gap * units
    redis.call('SET', k('tat:' .. one.name), string.format('%.0f', tat), 'PX', math.ceil((tat - micros) / 1000) + 1000)
    if one.charged then
      redis.call('HSET', k('part:' .. one.name), ARGV[7] .. '|' .. lane, string.format('%.0f', one.own + one.own_gap * units))
      redis.call('PEXPIRE', k('part:' .. one.name), math.ceil((one.own + one.own_gap * units - micros) / 1000) + 60000)
    end
  else
    redis.call('HSET', k('win:' .. one.name), 'end', one.ends, 'used', one.used + units, 'w:' .. ARGV[7], weight)
    redis.call('HINCRBY', k('win:' .. one.name), 'u:' .. ARGV[7], units)
    if one.enters then redis.call('HINCRBY', k('win:' .. one.name), 'W', weight) end
    redis.call('PEXPIRE', k('win:' .. one.name), math.ceil(one.ends - now))
  end
end
if probing then probed() end
return answered({calls, math.ceil(wait), 0, probing and 'probe' or '', ''})

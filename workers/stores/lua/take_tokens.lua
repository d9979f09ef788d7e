-- Take tokens from every bucket of a call, or from none: GCRA, one theoretical arrival time a bucket.
-- A closed connection gives none.  Replay-safe enough for a lost reply: a token too many is spent, never
-- one too few.  ARGV[2] how many calls at most; then per bucket: name, microseconds per unit, burst in
-- units, units per call.
-- Returns {calls granted, wait in ms, closed until, kind}.
local till = closed()
if till > now then return {0, till - now, till, redis.call('HGET', k('state'), 'kind') or ''} end
local most, wait = tonumber(ARGV[2]), 0
for i = 3, #ARGV, 4 do
  local gap, burst, cost = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local tat = math.max(micros, tonumber(redis.call('GET', k('tat:' .. ARGV[i])) or '0'))
  local room = math.floor((micros + burst * gap - tat) / (gap * cost))
  if room < 1 then
    local late = math.ceil((tat + gap * cost - burst * gap - micros) / 1000)
    if late > wait then wait = late end
  end
  if room < most then most = room end
end
if most < 1 then return {0, math.max(1, wait), 0, 'limit'} end
for i = 3, #ARGV, 4 do
  local gap, cost = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 3])
  local tat = math.max(micros, tonumber(redis.call('GET', k('tat:' .. ARGV[i])) or '0')) + gap * cost * most
  redis.call('SET', k('tat:' .. ARGV[i]), string.format('%.0f', tat), 'PX', math.ceil((tat - micros) / 1000) + 1000)
end
return {most, 0, 0, ''}

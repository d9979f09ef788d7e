-- The target has told how much is left: where that is less than we think, we think less.  Never more: what others
-- take of the same account must not be given out twice.
-- ARGV, each row: bucket, form, microseconds a unit, units at once (of a window: in all), window in ms, units left,
-- ms until they come back (-1: not told).  Safe to send twice.
local changed = 0
for i = 2, #ARGV, 7 do
  local name, form, gap, size = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local per, left, back = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])
  if form == 'rate' then
    local least = micros + (size - math.min(size, left)) * gap
    if left < 1 and back > 0 then least = math.max(least, micros + back * 1000 + (size - 1) * gap) end
    if least > micros and least > tonumber(redis.call('GET', k('tat:' .. name)) or '0') then
      redis.call('SET', k('tat:' .. name), string.format('%.0f', least), 'PX', math.ceil((least - micros) / 1000) + 1000)
      changed = changed + 1
    end
  else
    local was = redis.call('HMGET', k('win:' .. name), 'end', 'used')
    local ends, used = tonumber(was[1] or '0'), tonumber(was[2] or '0')
    local told = back >= 0 and now + math.min(back, per) or 0
    if ends <= now then
      ends, used = form == 'aligned' and (math.floor(now / per) + 1) * per or now + per, 0
      redis.call('DEL', k('win:' .. name))
    end
    -- A window that ends much later than ours is the next one: ours had begun too early.
    if told > ends + 30000 then used = 0 end
    if told > 0 and form == 'started' then ends = told end
    local gone = math.max(used, size - math.min(size, left))
    redis.call('HSET', k('win:' .. name), 'end', ends, 'used', gone)
    redis.call('PEXPIRE', k('win:' .. name), math.max(1, math.ceil(ends - now)))
    if gone > used then changed = changed + 1 end
  end
end
return changed

-- A turn that had lost its lease has sent something all the same, or the network brought it after everybody had looked:
-- what it set may stand over what came after it.  Until the next update of the entity is settled, its link's base is not
-- believed about these fields.  What it added stands twice; that is counted once for each effect.
-- ARGV: entity, names of the fields (JSON, '[]' none), then effects that may stand twice now.
-- Returns how many of these were not known yet.
prune()
local fields, late = cjson.decode(ARGV[6]), 0
for _, name in ipairs(cjson.decode(redis.call('HGET', k('unsure'), ARGV[5]) or '[]')) do fields[#fields + 1] = name end
if #fields > 0 then redis.call('HSET', k('unsure'), ARGV[5], cjson.encode(fields)) end
for i = 7, #ARGV do
  local fx = k('fx:' .. ARGV[i])
  if redis.call('EXISTS', fx) == 1 and redis.call('HSETNX', fx, 'late', now) == 1 then late = late + 1 end
end
if late > 0 then count('late', late) end
return late

-- A turn that had lost its lease has sent something all the same: what it set may stand over what came after it.
-- Until the next update of the entity is settled, its link's base is not believed about these fields.
-- ARGV: entity, names of the fields (JSON, '[]' none), how many things were added that may stand twice now.
prune()
local fields = cjson.decode(ARGV[6])
for _, name in ipairs(cjson.decode(redis.call('HGET', k('unsure'), ARGV[5]) or '[]')) do
  fields[#fields + 1] = name
end
if #fields > 0 then redis.call('HSET', k('unsure'), ARGV[5], cjson.encode(fields)) end
if tonumber(ARGV[7]) > 0 then count('late', tonumber(ARGV[7])) end
return #fields

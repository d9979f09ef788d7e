-- Some fields of many dead letters in one answer: one command each costs a client more than all of this.
-- ARGV: first place (newest first), last place, then fields.  Returns {{id, value or false...}...}.
prune()
local fields = {}
for i = 7, #ARGV do fields[#fields + 1] = ARGV[i] end
local rows = {}
for _, id in ipairs(redis.call('ZREVRANGE', k('dead'), ARGV[5], ARGV[6])) do
  local row = redis.call('HMGET', k('d:' .. id), unpack(fields))
  table.insert(row, 1, id)
  rows[#rows + 1] = row
end
return rows

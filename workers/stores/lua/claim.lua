-- Take ready subjects into the turn with their letters.  ARGV: turn, most subjects, most letters each.
-- What the turn already holds goes back first: the answer to an earlier claim was lost on its way.
prune()
local turn = ARGV[5]
for _, subject in ipairs(held_by(turn)) do
  if redis.call('HGET', k('own'), subject) == turn then release(subject) end
end
return take(turn, tonumber(ARGV[6]), tonumber(ARGV[7]))

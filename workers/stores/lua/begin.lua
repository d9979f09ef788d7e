-- Trade a doorbell's token for a turn and take the first ready subjects into it.  A doubled doorbell finds
-- its token gone and may only use a free slot: letting it reuse the token breaks the bound on live turns.
-- The caller names the turn, once each, so that a script that is sent again after a lost answer goes on
-- with the turn it began instead of leaving that to expire; what it had taken goes back first.
-- ARGV: token, turn, most subjects, most letters each.
-- Returns what claiming returns (see lib.lua); status `full` where there is no free slot.
prune()
redis.call('HSET', k('meta'), 'unanswered', 0)
local token, turn = ARGV[5], ARGV[6]
local mine = redis.call('ZREM', k('slots'), token) == 1
give_back(turn)
if not alive(turn) then
  if not is_open() then return {'closed', tonumber(redis.call('HGET', k('meta'), 'open_at'))} end
  if waiting() == 0 then return {'empty', 0} end
  if not (mine or taken() < conc) then return {'full', 0} end
  redis.call('ZADD', k('slots'), now + SLOT, turn)
end
return take(turn, tonumber(ARGV[7]), tonumber(ARGV[8]))

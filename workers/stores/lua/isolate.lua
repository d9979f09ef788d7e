-- Begin a turn of the quarantine and take the first suspect into it: one at a time in each connector, so
-- that a death there accuses exactly one letter.  It needs no free slot.  Safe to send again, like begin.
-- ARGV: turn (its name begins with q).
-- Returns what claiming returns (see lib.lua); status `full` while another one is at work.
prune()
redis.call('HDEL', k('meta'), 'called')
local turn = ARGV[5]
give_back(turn)
if not alive(turn) then
  if not is_open() then return {'closed', tonumber(redis.call('HGET', k('meta'), 'open_at'))} end
  if redis.call('ZCARD', k('suspects')) == 0 then return {'empty', 0} end
  local _, _, alone = taken()
  if alone > 0 then return {'full', 0} end
  redis.call('ZADD', k('slots'), now + SLOT, turn)
end
return take(turn, 1, 50)

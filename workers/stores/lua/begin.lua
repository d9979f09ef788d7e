-- Trade a doorbell's token for a turn token.  A doubled doorbell finds its token gone and may only use
-- a free slot: letting it reuse the token breaks the bound on live turns.
-- ARGV: token, a nonce of the worker process.  Returns the turn token, or '' when there is nothing to do.
prune()
redis.call('HSET', k('meta'), 'unanswered', 0)
local mine = redis.call('ZREM', k('slots'), ARGV[5]) == 1
if not is_open() or waiting() == 0 then return '' end
if mine or redis.call('ZCARD', k('slots')) < conc then
  local turn = 't' .. meta('turn') .. '-' .. ARGV[6]
  redis.call('ZADD', k('slots'), now + SLOT, turn)
  return turn
end
return ''

-- A turn is over: what it still holds goes back untouched, its slot is handed on as a doorbell if work
-- is left.  ARGV: turn.  Returns {token, life} or {}.
prune()
local turn = ARGV[5]
give_back(turn)
redis.call('ZREM', k('slots'), turn)
return bell()

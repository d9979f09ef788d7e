-- Enter a connector in the books, or find it there.  What polls read begins when it was first seen by
-- anybody: a webhook that is refused between then and the first poll would be lost otherwise.
-- ARGV: format of our records, for how many ms the caller has known the connector (the store may have
-- been away meanwhile).  Returns {format of the records, when it was first seen in ms, w}.
prune()
-- Books that are new here are those of a connector that is new: its brake is armed, see intent.lua.
if redis.call('HSETNX', k('meta'), 'format', ARGV[5]) == 1 and redis.call('HEXISTS', k('meta'), 'activated') == 0 then
  redis.call('HSETNX', k('meta'), 'brake', 'armed')
end
local seen, known = now - tonumber(ARGV[6]), redis.call('HGET', k('meta'), 'activated')
if not known or seen < tonumber(known) then
  redis.call('HSET', k('meta'), 'activated', seen)
end
return {redis.call('HGET', k('meta'), 'format'), redis.call('HGET', k('meta'), 'activated'),
  tonumber(redis.call('HGET', k('meta'), 'w') or '0')}

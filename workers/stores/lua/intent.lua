-- Write down what is about to leave, before it leaves; the fence decides whether it may.
-- ARGV: turn, subject, effect, action, delivery, request hash, deadline ms from now, life ms,
--   resend ('1' after a look-up found nothing), names of the fields that an update sets (JSON, '' else).
-- Until its outcome is settled, an update makes its entity unsure: what the link's base says of those
-- fields may be true no longer, so nothing may be left out for being the same as the base.
-- Returns {'stale'} | {'go'} | {'done', remote, entity JSON} | {'unknown', sent at, deadline, looked up times}.
prune()
local turn, subject, fx = ARGV[5], ARGV[6], k('fx:' .. ARGV[7])
if not holds(turn, subject) then return overtaken(turn) end
local was = redis.call('HMGET', fx, 'state', 'remote', 'entity', 'at', 'deadline', 'looks')
if was[1] == 'done' then return {'done', was[2] or '', was[3] or ''} end
if was[1] == 'sent' and ARGV[13] ~= '1' then
  redis.call('HINCRBY', fx, 'looks', 1)
  return {'unknown', tonumber(was[4]), tonumber(was[5]), tonumber(was[6] or '0')}
end
redis.call('HSET', fx, 'state', 'sent', 'action', ARGV[8], 'delivery', ARGV[9], 'request', ARGV[10], 'turn', turn,
  'at', now, 'deadline', now + tonumber(ARGV[11]))
redis.call('HINCRBY', fx, 'attempt', 1)
-- Only of a letter that is there: a record without its place would be counted nowhere.
if redis.call('EXISTS', k('d:' .. ARGV[9])) == 1 then redis.call('HSET', k('d:' .. ARGV[9]), 'effect', ARGV[7]) end
local about = ARGV[14] and ARGV[14] ~= '' and redis.call('HGET', k('d:' .. ARGV[9]), 'entity')
if about then
  redis.call('HSET', fx, 'about', about)
  redis.call('HSET', k('unsure'), about, ARGV[14])
end
redis.call('PEXPIRE', fx, tonumber(ARGV[12]))
redis.call('ZADD', k('slots'), now + SLOT, turn)
return {'go'}

-- Write down what is about to leave, before it leaves; the fence decides whether it may.
-- ARGV: turn, subject, effect, action, delivery, request hash, deadline ms from now, life ms,
--   resend ('1' after a look-up found nothing), names of the fields that an update sets (JSON, '' else),
--   doubt ("from:noticed" ms where it may have been sent in between and forgotten, see epoch.lua; '' else),
--   what to note in the field `batch` of the deliveries that follow: one write tells them all ('' none),
--   brake ("creations:within" ms for a create, '' else).
-- Until its outcome is settled, an update makes its entity unsure: what the link's base says of those
-- fields may be true no longer, so nothing may be left out for being the same as the base.
-- The brake: a connector that is new may make so many creations in a time, counted from the first of them; then
-- it waits for a person (meta `brake`: 'armed', the moment of the first in ms, 'on'; absent once it is over, and in
-- books of before there was one).  Here, because between looking and announcing another worker could announce.
-- Returns {'stale'} | {'braked'} | {'go', w, 'over' where no brake need be told any more}
--   | {'done', remote, entity JSON}
--   | {'unknown', sent at the latest, deadline, looked up times, sent at the earliest}.
prune()
local turn, subject, fx = ARGV[5], ARGV[6], k('fx:' .. ARGV[7])
if not holds(turn, subject) then return overtaken(turn) end
local was = redis.call('HMGET', fx, 'state', 'remote', 'entity', 'at', 'deadline', 'looks', 'since')
local from, noticed = string.match(ARGV[15] or '', '^(%d+):(%d+)$')
if was[1] == 'done' then return {'done', was[2] or '', was[3] or ''} end
if (was[1] == 'sent' or (from and not was[1])) and ARGV[13] ~= '1' then
  local at, deadline, since = tonumber(was[4] or '0'), tonumber(was[5] or '0'), tonumber(was[7] or was[4] or '0')
  if from then
    -- It may have been sent, or sent again, at any time that is forgotten.
    since = was[1] and math.min(since, tonumber(from)) or tonumber(from)
    at, deadline = math.max(at, tonumber(noticed)), math.max(deadline, tonumber(noticed) + tonumber(ARGV[11]))
    redis.call('HSET', fx, 'state', 'sent', 'action', ARGV[8], 'delivery', ARGV[9], 'request', ARGV[10], 'turn', turn,
      'at', at, 'deadline', deadline, 'since', since)
    redis.call('PEXPIRE', fx, tonumber(ARGV[12]))
  end
  redis.call('HINCRBY', fx, 'looks', 1)
  return {'unknown', at, deadline, tonumber(was[6] or '0'), since}
end
local most, within = string.match(ARGV[17] or '', '^(%d+):(%d+)$')
local brake, over = most and redis.call('HGET', k('meta'), 'brake'), ''
if brake and brake ~= 'on' and brake ~= 'armed' and now - tonumber(brake) > tonumber(within) then
  unbrake()
  brake = false
end
if most and not brake then over = 'over' end
-- What is sent again was counted when it was sent first.
if brake and ARGV[13] ~= '1' then
  if brake == 'on' or redis.call('SCARD', k('created')) >= tonumber(most) then
    redis.call('HSET', k('meta'), 'brake', 'on')
    return {'braked'}
  end
  if brake == 'armed' then redis.call('HSET', k('meta'), 'brake', now) end
  redis.call('SADD', k('created'), ARGV[7])
end
local w = meta('w')
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
for i = 18, #ARGV do
  if redis.call('EXISTS', k('d:' .. ARGV[i])) == 1 then redis.call('HSET', k('d:' .. ARGV[i]), 'batch', ARGV[16]) end
end
redis.call('PEXPIRE', fx, tonumber(ARGV[12]))
redis.call('ZADD', k('slots'), now + SLOT, turn)
return {'go', w, over}

-- Store deliveries, once each, and reserve doorbells for them; with a cursor, advance it in the same
-- commit.  Atomic because a delivery that is stored but not in a mailbox, or a cursor that runs ahead
-- of its events, is a lost event.
-- ARGV: revive ('1' a repeat of a dead or discarded delivery brings it back), cursor field ('' none),
--   cursor JSON, then per delivery: id, event id, entity ref, kind, lane, key, dedupe life ms,
--   flags (1: only where the entity is linked or has mail; 2: a poll brings what a webhook should), body.
-- Returns {w, {outcome per delivery: accepted|duplicate|revived|filtered}, {token, life}...}.
local forgotten_until = tonumber(redis.call('HGET', k('meta'), 'doubt_until') or '-1') -- links may be missing
local revives, cursor, value = ARGV[5] == '1', ARGV[6], ARGV[7]
local outcomes, fresh = {}, 0
for i = 8, #ARGV, 9 do
  local id, event, entity, kind = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local lane, key, life, body = ARGV[i + 4], ARGV[i + 5], tonumber(ARGV[i + 6]), ARGV[i + 8]
  local follows, expected = ARGV[i + 7] % 2 == 1, tonumber(ARGV[i + 7]) >= 2
  local seen = redis.call('GET', k('seen:' .. id))
  local known = redis.call('EXISTS', k('d:' .. id)) == 1
  local dead = known and redis.call('HGET', k('d:' .. id), 'state') == 'dead'
  -- A dead letter past its retention was given up as well.
  local given_up = not known and (seen == 'discarded' or seen == 'dead')
  if revives and dead then
    redis.call('SET', k('b:' .. id), body)
    revive(id, lane)
    outcomes[#outcomes + 1] = 'revived'
    fresh = fresh + 1
  elseif known or (seen and not (revives and given_up)) then
    if revives then redis.call('ZREM', k('polled'), id) end -- its webhook came after all
    outcomes[#outcomes + 1] = 'duplicate'
  elseif follows and now > forgotten_until and redis.call('HEXISTS', k('links'), entity) == 0
    and redis.call('EXISTS', k('mail:' .. root(entity))) == 0 then
    count('filtered', 1)
    outcomes[#outcomes + 1] = 'filtered'
  else
    -- Into the mailbox first: where that fails, nothing is left that would make its repeat a duplicate.
    local subject, seq = root(entity), meta('seq')
    redis.call('ZADD', k('mail:' .. subject), seq, id)
    if given_up then
      count('discarded', -1)
      outcomes[#outcomes + 1] = 'revived'
    else
      count('accepted', 1)
      if expected then redis.call('ZADD', k('polled'), now, id) end
      outcomes[#outcomes + 1] = 'accepted'
    end
    redis.call('HSET', k('d:' .. id), 'event', event, 'entity', entity, 'subject', subject, 'kind', kind,
      'lane', lane, 'key', key, 'seq', seq, 'at', now, 'attempts', '0', 'state', 'waiting')
    redis.call('SET', k('b:' .. id), body)
    redis.call('SET', k('seen:' .. id), '1', 'PX', life)
    count('in_flight', 1)
    wake(subject, lane)
    fresh = fresh + 1
  end
end
if cursor ~= '' then redis.call('HSET', k('cursor'), cursor, value) end
local got = {meta('w', fresh > 0 and 1 or 0), outcomes}
for _ = 1, fresh do
  local token, life = ring()
  if not token then break end
  got[#got + 1] = {token, life}
end
return got

-- Shared by every delivery script, after the others: a store that has forgotten what it acknowledged.
--
-- Every counted write moves `w`; callers send the highest count that they know to be acknowledged.  A count
-- below that says that the store was put back to an older copy, or that a replica took over that lacks the
-- last moment.  Whoever sees it first stops all writing of this connector, in the very script that sees it:
-- turns lose what they hold (their next step is refused), `halted` keeps new ones from beginning.  What it
-- takes to go on is in workers/recovery.py.  In `meta`:
--   halted       why: restored | lost (the books are empty) | rebuild (a person rebuilds them); absent while running
--   halted_at, halted_from   when it was noticed; from when on acknowledged writes may be missing
--   doubt_from, doubt_at, doubt_until   letters accepted up to `until` may have been worked on between the
--     other two, although nothing here says so
--   rebuilt      when books that had been lost were halted for their rebuilding: nothing is known of comments of
--     the time before, for ever.  A letter's doubt is then of kind r (in doubt, and comments since ever), after
--     `until` of kind c (comments only)
-- The counts jump ahead, so that nobody who remembers less or more sees it a second time.
local JUMP = 1000000
-- How far the clocks of two servers may differ.
local SKEW = 60000

local function halt(why, from)
  prune()
  local turns = redis.call('HGETALL', k('turns'))
  for i = 1, #turns, 2 do
    for _, subject in ipairs(held_by(turns[i])) do
      if redis.call('HGET', k('own'), subject) == turns[i] then release(subject) end
    end
  end
  redis.call('DEL', k('slots'), k('turns'))
  meta('turn', JUMP)
  redis.call('HSETNX', k('meta'), 'open_at', 0)
  redis.call('HSET', k('meta'), 'unanswered', 0, 'halted', why, 'halted_at', now, 'halted_from', from)
end

local function put_in_doubt(from)
  local before = redis.call('HMGET', k('meta'), 'doubt_from', 'doubt_until')
  -- What an earlier loss left in doubt stays so.
  local first = from
  if before[1] and tonumber(before[2]) > now - 7 * 86400000 then first = math.min(from, tonumber(before[1])) end
  redis.call('HSET', k('meta'), 'doubt_from', first, 'doubt_at', now, 'doubt_until', 9000000000000000)
end

local function went_back()
  local m = redis.call('HMGET', k('meta'), 'w', 'alive', 'halted', 'activated')
  local from = math.max(0, tonumber(m[2] or m[4] or '0') - SKEW)
  local why = not (m[1] or m[4]) and 'lost' or 'restored'
  if m[3] == 'lost' or m[3] == 'rebuild' then why = m[3] end
  halt(why, from)
  put_in_doubt(from)
  redis.call('HSET', k('meta'), 'w', KNOWN + JUMP)
  count('restored', 1)
end

if KNOWN > tonumber(redis.call('HGET', k('meta'), 'w') or '0') then went_back() end

-- A person takes a connector's books in hand to rebuild them: nothing is written meanwhile.  One that is halted
-- already stays so since it was; one that was interrupted goes on.  ARGV: audit row.
-- Returns {when it was halted, from when on writes may be missing} in ms.
prune()
local m = redis.call('HMGET', k('meta'), 'halted', 'alive')
if not m[1] then halt('rebuild', math.max(0, tonumber(m[2] or now) - SKEW)) end
redis.call('HSET', k('meta'), 'halted', 'rebuild')
if m[1] ~= 'rebuild' then audit(ARGV[5]) end
local at = redis.call('HMGET', k('meta'), 'halted_at', 'halted_from')
return {tonumber(at[1]), tonumber(at[2])}

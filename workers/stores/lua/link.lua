-- Make a pair of two items that a person named, and let both share a mailbox from here on.  One script, because
-- a turn could link either of them meanwhile; nothing is done while a turn holds one.
-- ARGV: source, target, link JSON, audit row.
-- Returns {'ok', w}, {'linked'} (either of them is one of a pair), {'held'} or {'halted'} (the books are being
-- put right).
prune()
local source, target, text = ARGV[5], ARGV[6], ARGV[7]
if redis.call('HGET', k('meta'), 'halted') then return {'halted'} end
local before = redis.call('HGET', k('links'), source)
-- Sent twice after a lost answer it was done once.
if before == text then return {'ok', meta('w', 0)} end
if before or redis.call('HEXISTS', k('back'), target) == 1 then return {'linked'} end
if in_turn(source) or in_turn(target) then return {'held'} end
local w = meta('w')
redis.call('HSET', k('links'), source, text)
redis.call('HSET', k('back'), target, source)
join(source, target)
redis.call('HDEL', k('unlinked'), source, target)
audit(ARGV[8])
return {'ok', w}

-- Make links anew that were found in the systems; one that is there already knows more and stays, and a pair that
-- a person has ended stays ended.
-- ARGV: cursor field, cursor JSON, then per link: source, target, link JSON.  Returns how many are new.
prune()
local fresh = 0
for i = 7, #ARGV, 3 do
  local source, target = ARGV[i], ARGV[i + 1]
  local ended = redis.call('HEXISTS', k('unlinked'), source) + redis.call('HEXISTS', k('unlinked'), target) > 0
  if not ended and redis.call('HSETNX', k('links'), source, ARGV[i + 2]) == 1 then
    redis.call('HSETNX', k('back'), target, source)
    join(source, target)
    fresh = fresh + 1
  end
end
redis.call('HSET', k('cursor'), ARGV[5], ARGV[6])
if fresh > 0 then meta('w') end
return fresh

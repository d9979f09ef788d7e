-- Count what only polls brought, once the webhook has had its time.  ARGV: that time in ms.
-- Returns how many were missed.
prune()
local late = redis.call('ZRANGEBYSCORE', k('polled'), '-inf', '(' .. (now - tonumber(ARGV[5])))
for _, id in ipairs(late) do redis.call('ZREM', k('polled'), id) end
if #late > 0 then count('missed', #late) end
return #late

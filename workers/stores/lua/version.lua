-- Keep a version of the connector, once; the ones that were used longest ago make room.
-- ARGV: version, record, most versions that are kept.  Returns 1 where it was not known.
prune()
local name = ARGV[5]
if redis.call('HSETNX', k('versions'), name, ARGV[6]) == 0 then return 0 end
redis.call('HSETNX', k('versions'), name .. ':first', now)
redis.call('HSETNX', k('versions'), name .. ':last', now)
local fields = redis.call('HKEYS', k('versions'))
local names, oldest, least = 0, nil, nil
for _, one in ipairs(fields) do
  if not string.find(one, ':', 1, true) then
    names = names + 1
    local last = tonumber(redis.call('HGET', k('versions'), one .. ':last') or '0')
    if one ~= name and (not least or last < least) then oldest, least = one, last end
  end
end
if names > tonumber(ARGV[7]) and oldest then
  redis.call('HDEL', k('versions'), oldest, oldest .. ':n', oldest .. ':first', oldest .. ':last')
end
return 1

-- Put right whatever time or a crash left behind: subjects of dead turns are freed, those whose wait is
-- over become ready, free slots get doorbells.  Idempotent; any worker may run it at any time.
-- ARGV: crashes until a letter is dead, least ms between two scans, '1' where a dead letter blocks its mailbox.
-- Returns {freed, due, {token, life}...}; due counts what was let through a gate, too.
prune()
local least, last = tonumber(ARGV[6]), tonumber(redis.call('GET', k('scanned')) or '-1')
if last >= 0 and now >= last and now - last < least then return {0, 0} end
redis.call('SET', k('scanned'), now, 'PX', math.max(1000, least))
redis.call('HSET', k('meta'), 'alive', now)
local freed, due = 0, 0
local turns = redis.call('HGETALL', k('turns'))
for i = 1, #turns, 2 do
  if not alive(turns[i]) then
    for _, subject in ipairs(held_by(turns[i])) do
      if redis.call('HGET', k('own'), subject) == turns[i] then
        local id = redis.call('ZRANGE', k('mail:' .. subject), 0, 0)[1]
        local crashes = id and redis.call('HINCRBY', k('d:' .. id), 'crashes', 1) or 0
        local why = 'The worker died ' .. crashes .. ' times while it held this delivery.'
        local dies = id and crashes >= tonumber(ARGV[5])
        if dies then bury(id, {error = 'Crash', cause = 'worker_crash', message = why}) end
        if dies and ARGV[7] == '1' then park(subject, 'dead-' .. id, {why = why}) else release(subject) end
        freed = freed + 1
      end
    end
    redis.call('HDEL', k('turns'), turns[i])
  end
end
for _, subject in ipairs(redis.call('ZRANGEBYSCORE', k('due'), '-inf', now, 'LIMIT', 0, 500)) do
  redis.call('ZREM', k('due'), subject)
  if redis.call('HGET', k('own'), subject) == 'd' then
    release(subject)
    due = due + 1
  end
end
-- Few gates and 500 subjects a scan: what is left over is due at the next one.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', k('gatedue'), '-inf', now, 'LIMIT', 0, 20)) do
  if due < 500 then due = due + tend(name, 500 - due) end
end
local got = {freed, due}
return ring_all(got)

-- A person takes away what waits behind a gate: the first letter of each subject becomes a dead letter, its
-- mailbox goes on.  In slices, oldest first; who comes back behind the gate meanwhile stands at its end.
-- ARGV: gate, most subjects, audit row ('' none).  Returns {{ids}, {token, life}...}.
prune()
local name, buried = ARGV[5], {}
local gate = gate_of(name)
for _ = 1, tonumber(ARGV[6]) do
  local subject = next_held(name)
  if not subject then break end
  local id = redis.call('ZRANGE', k('mail:' .. subject), 0, 0)[1]
  if id then
    local fields = {}
    -- It may never have been tried: a body of a newer version.
    if redis.call('HEXISTS', k('d:' .. id), 'error') == 0 then
      fields = {error = 'Held', cause = name, message = gate and gate.why or ''}
    end
    bury(id, fields)
    buried[#buried + 1] = id
  end
  release(subject)
end
if #buried > 0 and ARGV[7] ~= '' then audit(ARGV[7]) end
local got = {buried}
return ring_all(got)

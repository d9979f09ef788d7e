-- Open a gate: what was parked behind it is ready again.  ARGV: gate, audit row ('' none).
-- Returns {number of subjects, {token, life}...}.
prune()
local got = {open_gate(ARGV[5])}
if ARGV[6] ~= '' then audit(ARGV[6]) end
while true do
  local token, life = ring()
  if not token then break end
  got[#got + 1] = {token, life}
end
return got

-- Open a gate: what was parked behind it is ready again.  ARGV: gate, audit row ('' none).
-- Returns {number of subjects, {token, life}...}.
prune()
local got = {open_gate(ARGV[5])}
if ARGV[6] ~= '' then audit(ARGV[6]) end
return ring_all(got)

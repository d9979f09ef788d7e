-- Open a gate: what was parked behind it goes on, the first at once, the others with the next scans; dead
-- letters that it names as of the same cause come back.  ARGV: gate, audit row ('' none).
-- Returns {number of subjects, {token, life}...}.
prune()
local got = {open_gate(ARGV[5])}
if ARGV[6] ~= '' then audit(ARGV[6]) end
return ring_all(got)

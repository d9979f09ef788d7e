-- Take ready subjects into the turn with their letters.  ARGV: turn, most subjects, most letters each.
return take(ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]))

-- Write down who takes care of a group of dead letters, and how far they are.  ARGV: group, care (JSON), audit row.
prune()
redis.call('HSET', k('care'), ARGV[5], ARGV[6])
audit(ARGV[7])
return 1

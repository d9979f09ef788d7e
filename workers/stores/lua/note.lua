-- Add a row to the audit.  ARGV: audit row.
prune()
audit(ARGV[5])
return 1

"""Set up a first connector, or one more: questions, credentials that are tried, files written at the end."""

"""Say how things stand and do what an operator does; command line, pages and API are only faces of it."""

"""Start the command line by ``python -m workers.cli``."""

from workers.cli import main

main(prog_name="connector")

"""`python -m halt400`: the command line."""

from halt400.cli import main

main()

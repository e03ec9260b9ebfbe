"""Run ``python -m fathom`` as the command ``fathom``."""

from fathom.cli import main

main()

"""`python -m mastac` is the command `mastac`."""

import sys

from mastac.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m launcher.cli`: the command line without its console script."""

import sys

from launcher.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

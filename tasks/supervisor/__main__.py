"""`python -m tasks.supervisor`: a worker for each GPU of this machine."""

import sys

from tasks.supervisor.command_line import main

if __name__ == "__main__":
    sys.exit(main())

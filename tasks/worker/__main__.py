"""`python -m tasks.worker`: one worker process."""

import sys

from tasks.worker.process import main

if __name__ == "__main__":
    sys.exit(main())

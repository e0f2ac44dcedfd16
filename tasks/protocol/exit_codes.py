"""Exit statuses of workers and supervisors, besides 0 (done, or asked to end) and 1 (a crash)."""

USAGE = 2  # argparse's status for options that it does not know: a restart cannot help
MUST_ACT = 3  # a person must act: a restart cannot help

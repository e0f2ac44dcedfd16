"""Exit statuses of workers and supervisors, besides 0 (done, or asked to end) and 1 (a crash)."""

USAGE = 2  # argparse's status for options that it does not know: a restart cannot help
MUST_ACT = 3  # a person must act: a restart cannot help
ENGINE_BROKEN = 4  # the engine fails whatever it is given: the machine's fault, and no shard's
ENGINE_HUNG = 5  # the engine, or a read of the input, hung: the worker ended itself

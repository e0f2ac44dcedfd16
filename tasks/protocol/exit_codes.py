"""."""

MUST_ACT = 3  # exit status: restarting cannot help

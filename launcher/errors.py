"""The expected failures of a command, each with its exit status (docs/exit-codes.md)."""

from tasks.errors import Problem

__all__ = [
    "BudgetReached",
    "ConfirmationNeeded",
    "DeadlineMissed",
    "FailedRows",
    "Infeasible",
    "Interrupted",
    "NotLoaded",
    "NothingNew",
    "Problem",
    "Usage",
]


class Usage(Problem):
    """The command line or the job file is wrong."""

    code = 2


class NothingNew(Problem):
    """All that the job asks for exists already: not an error, and nothing to do."""

    code = 0


class Infeasible(Problem):
    """No choice meets the limits; the message names the limit that binds."""

    code = 3


class ConfirmationNeeded(Problem):
    """Money would be spent, and the user has not agreed to it."""

    code = 4


class BudgetReached(Problem):
    """The run stopped at its budget and can be resumed."""

    code = 5


class FailedRows(Problem):
    """The run is finished, and some rows could not be embedded."""

    code = 6


class DeadlineMissed(Problem):
    """The run is finished, after its deadline. Where rows failed, too, FailedRows is raised instead."""

    code = 7


class NotLoaded(Problem):
    """The run is finished, and its vectors are not all in the job's sink."""

    code = 8


class Interrupted(Problem):
    """The user pressed Ctrl-C; the message says what still runs."""

    code = 130

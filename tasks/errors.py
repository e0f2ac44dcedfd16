"""The base of all errors for users: what happened, and what to try next. Everything else is a bug with a traceback."""


class Problem(Exception):  # noqa: N818 - the name says what it is to a user, as CONTRIBUTING.md#style has it
    """An error that the user can act on. `hint` is the next thing to try; `code` is the exit status."""

    code = 1

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.hint = hint

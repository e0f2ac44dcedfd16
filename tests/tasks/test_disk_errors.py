"""Why a file cannot be written, in words."""

import errno
import os

import pytest

from tasks.disk_errors import cause_of, with_cause


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.ENOENT, "no file can be made there"),
        (errno.EACCES, "this user may not write there"),
        (errno.EROFS, "it is mounted read-only"),
    ],
)
def test_a_known_error_is_named_before_what_to_do(number: int, cause: str) -> None:
    error = OSError(number, os.strerror(number))
    assert cause_of(error) == cause
    assert with_cause(error, "name another place") == f"{cause}: name another place"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "input/output error"), OSError("of a library")])
def test_an_error_that_is_not_known_has_no_cause(error: OSError) -> None:
    assert cause_of(error) is None
    assert with_cause(error, "name another place") == "name another place"

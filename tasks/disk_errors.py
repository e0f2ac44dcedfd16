"""Why a file cannot be written, in words: the errors of the operating system that users meet."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
# A missing folder is made before a file is written; the kernel's own file systems, such as /proc, say that it is missing
# all the same.
NO_FILES = (errno.ENOENT, errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
_CAUSES = {
    **dict.fromkeys(FULL, "the disk is full"),
    **dict.fromkeys(NO_FILES, "no file can be made there"),
    errno.ENOTDIR: "a file is where a folder should be",
    errno.EEXIST: "a file is where a folder should be",
    errno.EISDIR: "a folder is where the file should be",
    errno.EACCES: "this user may not write there",
    errno.EROFS: "it is mounted read-only",
    errno.ENAMETOOLONG: "the name is too long",
}


def cause_of(error: OSError) -> str | None:
    """Why writing failed; None where the error's own text must do."""
    return _CAUSES.get(error.errno or 0)


def with_cause(error: OSError, hint: str) -> str:
    """The cause, where it is known, and then what to do."""
    cause = cause_of(error)
    return f"{cause}: {hint}" if cause else hint

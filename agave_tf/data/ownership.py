"""Tells whether other users may have written a file, whose content is then not used."""

import os
import stat

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def user_number() -> int:
    """The number of the user; 0 on systems without such, such as Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def is_of_others(path: str) -> bool:
    """Tells whether a file, or a link on the way to it, belongs to another user.

    Files of root do not count as such. Systems without owners, such as Windows, have no
    other users.

    Raises:
      OSError: there is no such file.
    """
    if not hasattr(os, "geteuid"):
        return False
    trusted = {0, os.geteuid()}
    return not {os.lstat(path).st_uid, os.stat(path).st_uid} <= trusted


def others_may_write(path: str) -> bool:
    """Tells whether the permissions of a file or directory let other users write.

    Raises:
      OSError: there is no such file.
    """
    return hasattr(os, "geteuid") and bool(os.stat(path).st_mode & _OTHERS_MAY_WRITE)


def keep_from_others(path: str) -> None:
    """Takes from all other users the permission to write to a file or directory.

    A umask of 002, which many systems set, gives it to the user's group.
    """
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & ~_OTHERS_MAY_WRITE)

"""The directory of the caches, and which of its files other users may have written.

The content of such a file is not used.
"""

import os
import stat

from agave_tf.settings.data import DataConfig

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_directory(config: DataConfig) -> str:
    """The directory that holds the caches of all data sets."""
    return config.cache_dir or home_cache_directory()


def home_cache_directory() -> str:
    """The directory of the package's caches, unless the user names another."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "agave_tf")


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

"""Local files that are read, but no pipe, socket or device, which might never end."""

import errno
import io
import os
import stat
from pathlib import Path

from embed_assets.errors import MediaError, SettingsError

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)  # a pipe without a writer blocks


def open_regular(path: Path) -> io.FileIO:
    """Return the file, unbuffered. Its type is that of the open descriptor: the name may have been replaced.

    Raises MediaError "unreadable" for pipes, sockets and devices, and OSError as `open` does.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):  # a socket, or a device without a driver
            raise _no_file(path) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise _no_file(path)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file, at most max_bytes + 1 of them. Raises as `open_regular`."""
    with io.BufferedReader(open_regular(path)) as file:
        # The size first: read(n) allocates n bytes before it reads the first one.
        size = file.seek(0, 2)
        file.seek(0)
        return file.read(min(size, max_bytes) + 1)


def read_query_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file to search with. Raises SettingsError where there is none, or one that is too large."""
    if not path.is_file():
        raise SettingsError(f"Query file {str(path)!r} does not exist.")
    data = read_regular(path, max_bytes)
    if len(data) > max_bytes:
        raise SettingsError(f"Query file {str(path)!r} is larger than limits.max_bytes, {max_bytes:,}.")
    return data


def _no_file(path: Path) -> MediaError:
    return MediaError("unreadable", f"{path.name} is a pipe, a socket or a device, no file", again=True)

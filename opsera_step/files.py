"""Write files to an untrusted checkout: safely, completely, and readable for later steps.

Output files follow links within the workspace and reject links out of it. Directories for
reports follow no link below the workspace. On POSIX systems that is free of races: each level is
opened with O_NOFOLLOW relative to the one above, and files are created exclusively. Windows has no
such calls: there each level is checked for links and junctions (reparse points) right before it is
used, which leaves a moment between the check and the use; files are created exclusively there too.

New files get mode 0644 and new directories 0755 whatever the umask, and as root the owner of the
nearest existing parent, since a container runs as root in a workspace of the runner's user.
"""

from __future__ import annotations

import errno
import os
import secrets
import select
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

FILE_MODE, DIRECTORY_MODE = 0o644, 0o755

_HAS_DIR_FDS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_NOCTTY: int = getattr(os, "O_NOCTTY", 0)
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
_BASE: int = getattr(os, "O_PATH", os.O_RDONLY) | _DIRECTORY
_TEMPORARY: int = getattr(os, "O_TEMPORARY", 0)  # Windows removes such a file when it is closed
_REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT of Windows
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_MOST_LINKS = 40
_MOST_RESTORED = 1 << 24
_BINARY: int = getattr(os, "O_BINARY", 0)
_PIPE_SECONDS = 5.0
"""Seconds to wait for the writer of a pipe."""
_PATIENCE = 2.0
"""Seconds that the reader of a named pipe may do nothing."""


class UnsafePath(OSError):
    """A path that is rejected because of its links; `strerror` is the reason as a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)


def workspace_of(*checkouts: str) -> Path:
    """Return the top directory of the checkout.

    That is the one of these that the current directory is in; else the current directory.
    """
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return Path(os.sep)
    found = (Path(one).resolve() for one in checkouts)
    return next((one for one in found if _is_within(here, one)), here)


def reason_of(error: OSError) -> str:
    """Return why a file can't be written, with the operating system's message if there is one."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "a part of its path is not a directory"
    return error.strerror or str(error)


def output_file_problem(path: str, workspace: Path) -> str:
    """Return why an output file is refused before the first request; empty if it isn't."""
    try:
        is_directory = _output_target(path, workspace).is_dir()
    except UnsafePath as error:
        return f"{error.strerror}. Remove the link, or use another file."
    except OSError:
        return ""  # the job continues without what can't be written
    return f"{path} is a directory. Use the path of a file." if is_directory else ""


def report_dir_problem(path: str, workspace: Path) -> str:
    """Return why a report directory is refused before the first request; empty if it isn't."""
    try:
        base, parts = _strict_parts(path, workspace)
        for part in parts:
            base = base / part
            _refuse_link(base, path)
    except UnsafePath as error:
        return f"{error.strerror}. Use a dedicated directory, such as opsera-report."
    except OSError:
        return ""
    return ""


def write_output_file(
    path: str, text: str, workspace: Path, *, replaces_refused_link: bool = False
) -> None:
    """Replace a file atomically.

    An existing file keeps its mode and owner. A file that can't be replaced (a mounted one, or in a
    directory that is read-only) is overwritten, and restored if that fails. With
    `replaces_refused_link` a link that leads elsewhere is removed rather than refused.

    Raises:
        UnsafePath: A link leads out of the workspace, or to what is not a regular file.
        OSError: The file can't be written; then it is as it was before.
    """
    try:
        target = _output_target(path, workspace)
    except UnsafePath:
        if not (replaces_refused_link and _is_link(Path(path))):
            raise
        Path(path).unlink()
        target = _output_target(path, workspace)
    data = text.encode("utf-8", "replace")
    info = _lstat(target)
    if info is not None and not stat.S_ISREG(info.st_mode):
        _write_special(target, data)
        return
    _make_directories(target.parent)
    try:
        _replace(target, data, info)
    except OSError as error:
        if info is None or error.errno in _NO_ROOM:
            raise
        _overwrite(target, data)


def discard_output_file(path: str, workspace: Path) -> None:
    """Remove an output file that an earlier job left, if it is a regular file."""
    with suppress(OSError):
        target = _output_target(path, workspace)
        if stat.S_ISREG(target.lstat().st_mode):
            target.unlink()


def append(path: str, text: str, *, on_own_line: bool = True) -> None:
    """Append to a file of the platform, after a line end if the file lacks its last one.

    Raises:
        OSError: The text can't be written; then the file is as it was before.
    """
    is_new = not os.path.lexists(path)
    flags = os.O_APPEND | os.O_CREAT | _NONBLOCK | _NOCTTY
    try:
        handle = os.open(path, os.O_RDWR | flags, FILE_MODE)
    except PermissionError:
        handle = os.open(path, os.O_WRONLY | flags, FILE_MODE)
    with os.fdopen(handle, "wb", buffering=0) as file:
        size = os.fstat(handle).st_size
        if is_new:
            _settle(handle, Path(path).parent.stat(), is_new=True)
        with suppress(OSError):  # what can't be read, such as a pipe
            os.lseek(handle, max(0, size - 1), os.SEEK_SET)
            if on_own_line and size and os.read(handle, 1) != b"\n":
                text = f"\n{text}"
        try:
            _write_all(file.fileno(), text.encode("utf-8", "replace"))
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise


def read_limited(path: str | Path, limit: int) -> bytes:
    """Read a file, or what comes through a pipe, without waiting for a writer that never comes.

    Raises:
        OSError: The file can't be read, has more bytes than `limit`, or is a pipe in which nothing
            came for some seconds.
        ValueError: The path is invalid.
    """
    handle = os.open(path, os.O_RDONLY | _NONBLOCK | _NOCTTY | _BINARY)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        may_wait = bool(_NONBLOCK) and not stat.S_ISREG(mode)
        data, until = bytearray(), time.monotonic() + _PIPE_SECONDS
        while len(data) <= limit:
            rest = max(0.0, until - time.monotonic())
            if may_wait and not select.select([handle], [], [], rest)[0]:
                raise TimeoutError(errno.ETIMEDOUT, f"it delivered nothing in {_PIPE_SECONDS:g} s")
            part = os.read(handle, limit + 1 - len(data))
            if not part:
                return bytes(data)
            data += part
    finally:
        os.close(handle)
    size = f"{limit >> 10} KiB" if limit >= 1 << 10 else f"{limit} bytes"
    raise OSError(errno.EFBIG, f"it is larger than {size}")


def read_text(path: str | Path, limit: int) -> str:
    """Read a UTF-8 text without a byte-order mark; see `read_limited`.

    Raises:
        OSError: The file can't be read.
        ValueError: The path is invalid, or the content is not UTF-8.
    """
    return read_limited(path, limit).decode("utf-8-sig")


def why_unreadable(error: Exception) -> str:
    """Say why a file can't be read, never what is in it: it may be a secret."""
    if isinstance(error, OSError):
        return error.strerror or "unknown error"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "invalid path"


class Directory:
    """An open directory into which files are written without following a link.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, path: str, workspace: Path) -> None:
        """Open the directory, and make it and its parents if they aren't there.

        Raises:
            UnsafePath: It is the workspace itself, or a link is in its path below the workspace.
            OSError: It can't be made.
        """
        self.path = path
        base, parts = _strict_parts(path, workspace)
        self._real = base.joinpath(*parts)
        self._fd: int | None = None
        if not _HAS_DIR_FDS:
            for part in parts:
                base = base / part
                _refuse_link(base, path)
                _make_directories(base)
            return
        handle = os.open(base, _BASE if parts else os.O_RDONLY | _DIRECTORY)
        try:
            for part in parts:
                inner = self._enter(handle, part)
                os.close(handle)
                handle = inner
        except OSError:
            os.close(handle)
            raise
        self._fd = handle

    def _enter(self, outer: int, name: str) -> int:
        flags = os.O_RDONLY | _DIRECTORY | _NOFOLLOW
        try:
            return os.open(name, flags, dir_fd=outer)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(name, DIRECTORY_MODE, dir_fd=outer)
            handle = os.open(name, flags, dir_fd=outer)
            _settle(handle, os.fstat(outer), is_new=True, mode=DIRECTORY_MODE)
            return handle
        except OSError:
            with suppress(FileNotFoundError):
                if stat.S_ISLNK(os.stat(name, dir_fd=outer, follow_symlinks=False).st_mode):
                    raise UnsafePath(f"{self.path} goes through the link {name}") from None
            raise

    def __enter__(self) -> Directory:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Return itself, which is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the directory, and let the next job lock it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def lock(self) -> bool:
        """Claim the directory until it is closed; false if another process has claimed it.

        Where the file system has no locks, and on Windows, it is always true. There the file that
        another process writes can't be removed, so that its log is not lost either.
        """
        if self._fd is None:
            return True
        try:
            import fcntl  # noqa: PLC0415 - Windows has none

            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except (ImportError, OSError):
            return True
        return True

    def create(self, name: str, flags: int = 0) -> int:
        """Replace what has this name by a new, empty file, and return its descriptor."""
        self.remove(name)
        flags |= os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW
        handle = self._open(name, flags, FILE_MODE)
        try:
            self._settle(handle)
        except OSError:
            os.close(handle)
            raise
        return handle

    def open_log(self, name: str) -> TextIO:
        """Replace a file by a new one that is written line by line."""
        handle = self.create(name)
        return os.fdopen(handle, "w", buffering=1, encoding="utf-8", errors="replace", newline="\n")

    def open_spool(self) -> IO[str]:
        """Open a file without a name, so that nothing of it is ever left."""
        name = f".spool.{secrets.token_hex(6)}"
        handle = self.create(name, _TEMPORARY)
        if not _TEMPORARY:
            self.remove(name)
        return os.fdopen(handle, "w+", encoding="ascii", newline="\n")

    @contextmanager
    def writer(self, name: str) -> Iterator[TextIO]:
        """Write a file that appears under its name when it is complete, or not at all."""
        temporary = f".{name}.{secrets.token_hex(6)}"
        handle = self.create(temporary)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
                yield file
            self._replace(temporary, name)
        except BaseException:
            with suppress(OSError):
                self.remove(temporary)
            raise

    def write(self, name: str, text: str) -> None:
        """Write a whole file."""
        with self.writer(name) as file:
            file.write(text)

    def read(self, name: str, limit: int) -> bytes:
        """Return up to so many bytes of a regular file; nothing of what is missing or none."""
        try:
            handle = self._open(name, os.O_RDONLY | _NOFOLLOW | _NONBLOCK, 0)
        except OSError:
            return b""
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return b""
        with os.fdopen(handle, "rb") as file:
            return file.read(limit)

    def names(self) -> list[str]:
        """Return the names of what is in the directory."""
        return os.listdir(self._real if self._fd is None else self._fd)  # noqa: PTH208

    def remove(self, name: str) -> None:
        """Remove a file or a link, if there is one."""
        with suppress(FileNotFoundError):
            if self._fd is None:
                (self._real / name).unlink()
            else:
                os.unlink(name, dir_fd=self._fd)

    def _open(self, name: str, flags: int, mode: int) -> int:
        if self._fd is None:
            return os.open(self._real / name, flags | _BINARY, mode)
        return os.open(name, flags, mode, dir_fd=self._fd)

    def _replace(self, name: str, new_name: str) -> None:
        if self._fd is None:
            (self._real / name).replace(self._real / new_name)
        else:
            os.replace(name, new_name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def _settle(self, handle: int) -> None:
        like = self._real.stat() if self._fd is None else os.fstat(self._fd)
        _settle(handle, like, is_new=True)


def _output_target(path: str, workspace: Path) -> Path:
    """Follow the links of an output file; those in the workspace must not lead out of it."""
    top = workspace.resolve()
    try:
        target, is_link, must_stay = _followed(_absolute(path), top)
    except RecursionError:
        raise UnsafePath(f"{path} is a link in a loop") from None
    if must_stay and not _is_within(target, top):
        raise UnsafePath(f"{path} is a link to {target}, outside of the workspace")
    if is_link:
        with suppress(FileNotFoundError):
            # By the system's own way: /dev/stdout leads to a pipe without a name.
            if not stat.S_ISREG(Path(path).stat().st_mode) or target.parts[1:2] == ("proc",):
                raise UnsafePath(f"{path} is a link to something other than a regular file")
    return target


def _followed(path: Path, top: Path) -> tuple[Path, bool, bool]:
    """Return where a path leads, whether it has links, and whether one of them is in `top`."""
    done, links, must_stay = Path(path.anchor), 0, False
    todo = list(reversed(path.parts[1:]))
    while todo:
        part = todo.pop()
        if part == "..":
            done = done.parent
            continue
        if not _is_link(done / part):
            done = done / part
            continue
        links += 1
        if links > _MOST_LINKS:
            raise RecursionError
        must_stay = must_stay or _is_within(done, top)
        target = (done / part).readlink()
        done = Path(target.anchor) if target.is_absolute() else done
        todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return done, links > 0, must_stay


def _strict_parts(path: str, workspace: Path) -> tuple[Path, list[str]]:
    """Split the path of a report directory: where links may be followed, and where not."""
    top = workspace.resolve()
    whole = _absolute(path)
    base, parts = Path(whole.anchor), list(whole.parts[1:])
    while parts and not _is_within(base, top):
        inner = (base / parts[0]).resolve()
        if not inner.is_dir():
            break
        base = inner
        parts.pop(0)
    if base.joinpath(*parts) in (top, workspace_of()):
        raise UnsafePath(
            f"{path} is the workspace itself; a report there could overwrite its files"
        )
    return base, parts


def _absolute(path: str) -> Path:
    """Return a path without `.` and `..`, and with its links."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _refuse_link(path: Path, given: str) -> None:
    if _is_link(path):
        raise UnsafePath(f"{given} goes through the link {path.name}")


def _is_link(path: Path) -> bool:
    info = _lstat(path)
    if info is None:
        return False
    attributes: int = getattr(info, "st_file_attributes", 0)
    return stat.S_ISLNK(info.st_mode) or bool(attributes & _REPARSE_POINT)


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _is_within(path: Path, top: Path) -> bool:
    return path == top or top in path.parents


def _make_directories(path: Path) -> None:
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        with suppress(FileExistsError):
            one.mkdir(DIRECTORY_MODE)
            one.chmod(DIRECTORY_MODE)
            _adopt(lambda uid, gid, one=one: os.chown(one, uid, gid), one.parent.stat())  # type: ignore[misc]
    if not path.is_dir():
        raise NotADirectoryError


def _settle(handle: int, like: os.stat_result, *, is_new: bool, mode: int = FILE_MODE) -> None:
    """Give a new file its mode and its parent's owner, or one that replaces another the other's."""
    if os.name != "posix":
        return
    _adopt(lambda uid, gid: os.fchown(handle, uid, gid), like)
    os.fchmod(handle, mode if is_new else stat.S_IMODE(like.st_mode))


def _adopt(chown: Callable[[int, int], object], like: os.stat_result) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with suppress(OSError):
            chown(like.st_uid, like.st_gid)


def _replace(path: Path, data: bytes, old: os.stat_result | None) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb", buffering=0):
            _write_all(handle, data)
            _settle(handle, old or path.parent.stat(), is_new=old is None)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _overwrite(path: Path, data: bytes) -> None:
    """Write over a file in place; if that fails write what was in it."""
    before = path.read_bytes() if path.stat().st_size <= _MOST_RESTORED else b""
    handle = os.open(path, os.O_WRONLY | _NOFOLLOW | _NONBLOCK)
    with os.fdopen(handle, "wb", buffering=0):
        try:
            os.ftruncate(handle, 0)
            _write_all(handle, data)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, 0)
                os.lseek(handle, 0, os.SEEK_SET)
                _write_all(handle, before)
            raise


def _write_special(path: Path, data: bytes) -> None:
    """Write to a device or a named pipe, which stays what it is."""
    try:
        handle = os.open(path, os.O_WRONLY | _NONBLOCK | _NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "nothing reads this named pipe") from None
        raise
    with os.fdopen(handle, "wb", buffering=0):
        _write_all(handle, data)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(handle, rest) :]
        except BlockingIOError:
            if not select.select([], [handle], [], _PATIENCE)[1]:
                raise TimeoutError(None, "nothing reads this named pipe") from None

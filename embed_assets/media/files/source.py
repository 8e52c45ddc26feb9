"""Source: a folder, local or in an object store, whose files are read by key."""

import errno
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.download_cache import MediaCache
from embed_assets.media.files.redacted_uri import brief, credentials, without_user
from embed_assets.media.files.regular_file import open_regular, read_regular
from embed_assets.media.files.unicode_names import on_disk

_SECRET_OPTION = re.compile(r"key|secret|token|pass|credential|auth|sas|sign|cookie|connection", re.IGNORECASE)
LINK_OUT = "link out of the source"  # a reason
_BUFFER = 2**20  # bytes read at a time from a file that is streamed
_ESCAPED_BYTE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")
_LIKE_ESCAPED = re.compile(r"\\(?=x(?:5c|[89a-f][0-9a-f]))")  # in a name that has these very letters
# Errors of the process, rather than of one file in a local folder.
_OWN_FAULTS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# Codes that concern one object; any other denial (an expired token, say) concerns the whole source.
_ONE_OBJECT = ("", "AccessDenied", "InvalidObjectState", "403")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One folder of media. May be used from several threads; repr and messages hold no credentials."""

    uri: str  # absolute, without a slash at the end and without credentials
    root: str = field(repr=False)  # the same folder as its file system writes it
    fs: Any = field(repr=False, default=None)  # None: the local file system, through the standard library
    secrets: tuple[str, ...] = field(repr=False, default=())
    cache: MediaCache | None = field(repr=False, default=None)  # of what is read from object stores
    follow_links: bool = field(repr=False, default=False)  # also where they lead out of the folder

    def uri_of(self, key: str) -> str:
        """Return the URI of the file with this key."""
        return f"{self.uri}/{key}"

    def read(self, key_or_uri: str, max_bytes: int, *, known_hash: str = "") -> bytes:
        """Return the bytes of one file: one request, and never more than max_bytes + 1 of them fetched.

        No request where the cache has bytes of the `known_hash`, the content hash that was listed.
        Raises MediaError for what concerns this file alone ("too large", "vanished", "access denied"),
        SourceError for what concerns every file: none must be quarantined for it.
        """
        key = key_or_uri.removeprefix(f"{self.uri}/")
        try:
            data = self._read_local(key, max_bytes) if self.fs is None else self._read(key, max_bytes, known_hash)
        except Exception as error:
            failure = self.read_error(key, error)
            raise failure from failure.__cause__
        if len(data) > max_bytes:
            raise MediaError("too large", f"{brief(key)} has more than {max_bytes:,} bytes, the limit max_bytes")
        return data

    @contextmanager
    def stream(self, key: str) -> Iterator[BinaryIO]:
        """Open one file to read and seek in, for files that are too large for memory.

        Errors of the file are raised as by `read`, whatever the code inside the block made of them.
        """
        guarded: _Guarded | None = None
        try:
            guarded = _Guarded(self._open(key), lambda error: self.read_error(key, error))
            with io.BufferedReader(guarded, _BUFFER) as file:
                yield file
        except Exception as error:
            failure = self.read_error(key, error) if guarded is None else guarded.failure
            if failure is None:
                raise
            raise failure from failure.__cause__

    def error(self, what: str, error: BaseException) -> SourceError:
        """Return a SourceError for a file system's error: secrets blanked, the cause left out if it has one."""
        details = self.redact(str(error) or "no details")
        failure = SourceError(f"{what}: {type(error).__name__}: {details}. {_hint(error)}")
        if not any(self.redact(str(each)) != str(each) for each in _chain(error)):
            failure.__cause__ = error
        failure.__suppress_context__ = True
        return failure

    def redact(self, text: str) -> str:
        """Return the text with every secret of the storage options replaced by `***`."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def _open(self, key: str) -> Any:
        return open_regular(self.local(key)) if self.fs is None else self.fs.open(f"{self.root}/{key}", "rb")

    def local(self, key: str) -> Path:
        """Return the local file of a key. Raises MediaError where a link leads out of the source."""
        if ".." in key.split("/"):
            raise FileNotFoundError(f"{key} leads out of the source")
        path = local_path(self.root, key)
        if not self.follow_links and not is_below(os.path.realpath(path), os.path.realpath(self.root or "/")):
            raise MediaError(LINK_OUT, f"{brief(key)} is a link out of the source, and its follow_links is not set")
        return path

    def _read_local(self, key: str, max_bytes: int) -> bytes:
        return read_regular(self.local(key), max_bytes)

    def _read(self, key: str, max_bytes: int, known_hash: str) -> bytes:
        if self.cache is None:
            return self._read_remote(key, max_bytes)
        return self.cache.through(lambda: self._read_remote(key, max_bytes), known_hash, max_bytes=max_bytes)

    def _read_remote(self, key: str, max_bytes: int) -> bytes:
        try:
            return self.fs.cat_file(f"{self.root}/{key}", start=0, end=max_bytes + 1)
        except OSError as error:
            if _code(error) in ("InvalidRange", "416"):  # S3's answer to any range of an empty object
                return b""
            raise

    def read_error(self, key: str, error: Exception) -> MediaError | SourceError:
        """Translate a file system's error: into a MediaError where it concerns this file alone."""
        if isinstance(error, MediaError):
            return error
        code, status, file = _code(error), _status(error), brief(key)
        denied = isinstance(error, PermissionError) or status in (401, 403)
        if denied and (code in _ONE_OBJECT if not status else True):
            return MediaError("access denied", f"{file} may not be read", again=True)
        if status == 410 or (_is_gone(error) and code != "NoSuchBucket" and status in (0, 404)):
            return MediaError("vanished", f"{file} does not exist, or not any more", again=True)
        if isinstance(error, OSError) and not code and _concerns_file(error, local=self.fs is None):
            return MediaError("unreadable", f"{file}: {self.redact(error.strerror or str(error))}", again=True)
        return self.error(f"Can't read {brief(self.uri_of(key))!r}", error)


class _Guarded(io.RawIOBase):
    """A file whose own errors are kept apart from those of its parser."""

    def __init__(self, file: Any, read_error: Callable[[Exception], MediaError | SourceError]) -> None:
        self._file = file
        self._refusal = read_error
        self.failure: MediaError | SourceError | None = None

    def readinto(self, buffer: Any) -> int:
        try:
            return self._file.readinto(buffer)
        except Exception as error:
            self.failure = self._refusal(error)
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_source(
    uri: str,
    storage_options: Mapping[str, Any] | None = None,
    *,
    cache: MediaCache | None = None,
    follow_links: bool = False,
) -> Source:
    """Open a folder for reading, without a request to the file system yet.

    Plain paths and file:// need no options; links that lead out of the folder are read with `follow_links` alone.
    Every other protocol goes through fsspec with `storage_options` as fsspec takes them; their secrets reach no
    message and no repr. Raises SourceError where fsspec knows no such protocol, or refuses the options.
    """
    if is_local(uri):
        scheme = "file://" if uri.startswith("file://") else ""
        folder = Path(uri.removeprefix("file://")).expanduser().absolute()
        root = on_disk(str(folder)).rstrip("/")
        return Source(uri=f"{scheme}{root}", root=root, follow_links=follow_links)
    options = dict(storage_options or {})
    source = redacted_source(uri, options)
    shown = source.uri
    if uri.startswith(("s3://", "s3a://")):
        # One request per object instead of HEAD and GET; and no listing from the last run's cache.
        options = {"max_concurrency": 1, "use_listings_cache": False, **options}
    import fsspec.core  # 0.09 s, not paid by local sources

    try:
        fs, root = fsspec.core.url_to_fs(uri, **options)
    except Exception as error:
        raise source.error(f"Can't open source {shown!r}", error)  # noqa: B904  it sets its cause
    return Source(uri=shown, root=root.rstrip("/"), fs=fs, secrets=source.secrets, cache=cache)


def redacted_source(uri: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Return a source for messages, without its credentials; nothing can be read from it."""
    secrets = (*_secrets(dict(storage_options or {})), *credentials(uri))
    return Source(uri=_shown(uri), root="", secrets=tuple(sorted(secrets, key=len, reverse=True)))


def is_local(uri: str) -> bool:
    """Return True for plain paths and file://, which need no fsspec."""
    return uri.startswith("file://") or ("://" not in uri and "::" not in uri)


def local_key(path: str) -> str:
    r"""Return a relative local path as a key: bytes that are not UTF-8 become `\xe9`, as Arrow stores no others.

    A name that has those very four letters gets `\x5c` for its backslash: two files never share a key.
    """
    if "\\x" in path:
        path = _LIKE_ESCAPED.sub(r"\\x5c", path)
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def local_path(root: str, key: str) -> Path:
    """Return the local file of a key, also where `local_key` had to escape bytes of its name."""
    if "\\x" not in key:
        return Path(f"{root}/{key}")
    raw = _ESCAPED_BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), key.encode())
    return Path(f"{root}/{raw.decode('utf-8', 'surrogateescape')}")


def is_below(path: str, folder: str) -> bool:
    """Return whether an absolute path lies below a folder, or is it; both without links and `..`."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _secrets(options: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _secrets(value, secret=secret or bool(_SECRET_OPTION.search(str(name))))
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from _secrets(value, secret=secret)
    elif secret and isinstance(options, str) and len(options) >= 4:
        yield options


def _shown(uri: str) -> str:
    """Return a source's address without credentials: its files' addresses are made of it."""
    return without_user(uri.rstrip("/")).partition("?")[0].rstrip("/") if "://" in uri else uri.rstrip("/")


def _code(error: BaseException) -> str:
    """Return S3's own error code, "" for errors of anything else."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _status(error: BaseException) -> int:
    """Return the status of a web server's answer; 0 without one."""
    statuses = (getattr(each, "status", None) for each in _chain(error))
    return next((status for status in statuses if isinstance(status, int)), 0)


def _is_gone(error: Exception) -> bool:
    """Return whether the file certainly does not exist, as with a circle of links or a name too long."""
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return True
    if isinstance(error, ValueError) and "null" in str(error):
        return True
    return isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENAMETOOLONG)


def _concerns_file(error: OSError, *, local: bool) -> bool:
    return error.errno == errno.EIO or (local and error.errno is not None and error.errno not in _OWN_FAULTS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _hint(error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return "Check the credentials and what they may list and read."
    if isinstance(error, ImportError):
        return "Install the package that it names."
    if "Connect" in type(error).__name__ or isinstance(error, (TimeoutError, ConnectionError)):
        return "Check the endpoint and the network; a later run tries again."
    return "Check the source's uri and storage_options."

"""Source: a folder, local or in an object store, whose files are read by key."""

import errno
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cache import MediaCache
from embed_assets.media.hashing import content_hash
from embed_assets.media.regular import open_regular, read_regular

_SECRET_OPTION = re.compile(r"key|secret|token|pass|credential|auth|sas|sign|cookie|connection", re.IGNORECASE)
_BUFFER = 2**20  # bytes read at a time from a file that is streamed
_ESCAPED_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")
# Codes that concern one object; any other refusal (an expired token, say) concerns the whole source.
_ONE_OBJECT = ("", "AccessDenied", "InvalidObjectState", "403")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One folder of media. May be used from several threads; repr and messages hold no credentials."""

    uri: str  # absolute, without a slash at the end and without credentials
    root: str = field(repr=False)  # the same folder as its file system writes it
    fs: Any = field(repr=False, default=None)  # None: the local file system, through the standard library
    secrets: tuple[str, ...] = field(repr=False, default=())
    cache: MediaCache | None = field(repr=False, default=None)  # of what is read from object stores

    def uri_of(self, key: str) -> str:
        """The URI of the file with this key."""
        return f"{self.uri}/{key}"

    def read(self, key_or_uri: str, max_bytes: int, *, known_hash: str = "") -> bytes:
        """The bytes of one file: one request, and never more than max_bytes + 1 of them fetched.

        No request where the cache has bytes of the `known_hash`, the content hash that was listed.
        Raises MediaError for what concerns this file alone ("too large", "vanished", "access denied"),
        SourceError for what would befall every file: its neighbours must not be quarantined for it.
        """
        key = key_or_uri.removeprefix(f"{self.uri}/")
        try:
            data = self._read_local(key, max_bytes) if self.fs is None else self._read(key, max_bytes, known_hash)
        except Exception as error:
            failure = self.refusal(key, error)
            raise failure from failure.__cause__
        if len(data) > max_bytes:
            raise MediaError("too large", f"{key} has more than {max_bytes:,} bytes, the limit max_bytes")
        return data

    @contextmanager
    def stream(self, key: str) -> Iterator[BinaryIO]:
        """One file to read and seek in, for what is larger than memory should hold.

        What goes wrong with the file is raised as by `read`, whatever was made of it inside the block.
        """
        guarded: _Guarded | None = None
        try:
            guarded = _Guarded(self._open(key), lambda error: self.refusal(key, error))
            with io.BufferedReader(guarded, _BUFFER) as file:
                yield file
        except Exception as error:
            failure = self.refusal(key, error) if guarded is None else guarded.failure
            if failure is None:
                raise
            raise failure from failure.__cause__

    def error(self, what: str, error: BaseException) -> SourceError:
        """A SourceError on a file system's error: secrets blanked, and the cause left out if it has one."""
        told = str(error) or "no details"
        failure = SourceError(f"{what}: {type(error).__name__}: {self.hide(told)}. {_way_out(error)}")
        if not any(self.hide(str(each)) != str(each) for each in _chain(error)):
            failure.__cause__ = error
        failure.__suppress_context__ = True
        return failure

    def hide(self, text: str) -> str:
        """The text with every secret of the storage options replaced by `***`."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def _open(self, key: str) -> Any:
        return open_regular(self._local(key)) if self.fs is None else self.fs.open(f"{self.root}/{key}", "rb")

    def _local(self, key: str) -> Path:
        if ".." in key.split("/"):
            raise FileNotFoundError(f"{key} leads out of the source")
        return local_path(self.root, key)

    def _read_local(self, key: str, max_bytes: int) -> bytes:
        return read_regular(self._local(key), max_bytes)

    def _read(self, key: str, max_bytes: int, known_hash: str) -> bytes:
        if self.cache is None:
            return self._read_remote(key, max_bytes)
        kept = self.cache.get(known_hash) if known_hash else None
        if kept is not None and content_hash(kept) == known_hash:
            return kept
        data = self._read_remote(key, max_bytes)
        if len(data) <= max_bytes:
            self.cache.put(content_hash(data), data)
        return data

    def _read_remote(self, key: str, max_bytes: int) -> bytes:
        try:
            return self.fs.cat_file(f"{self.root}/{key}", start=0, end=max_bytes + 1)
        except OSError as error:
            if _code(error) in ("InvalidRange", "416"):  # S3's answer to any range of an empty object
                return b""
            raise

    def refusal(self, key: str, error: Exception) -> MediaError | SourceError:
        """What a file system's error means: a MediaError where it concerns this file alone."""
        code = _code(error)
        if isinstance(error, MediaError):
            return error
        if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
            if code != "NoSuchBucket":
                return MediaError("vanished", f"{key} is not there, or not there any more", again=True)
        elif isinstance(error, PermissionError) and code in _ONE_OBJECT:
            return MediaError("access denied", f"{key} may not be read", again=True)
        elif isinstance(error, OSError) and error.errno == errno.EIO and not code:
            return MediaError("unreadable", f"{key}: {self.hide(str(error))}", again=True)
        return self.error(f"Can't read {self.uri_of(key)!r}", error)


class _Guarded(io.RawIOBase):
    """A file whose errors are told apart from those of whoever parses it."""

    def __init__(self, file: Any, refusal: Callable[[Exception], MediaError | SourceError]) -> None:
        self._file = file
        self._refusal = refusal
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
    uri: str, storage_options: Mapping[str, Any] | None = None, *, cache: MediaCache | None = None
) -> Source:
    """Opens a folder for reading; nothing is asked of the file system yet.

    Plain paths and file:// need no options. Every other protocol goes through fsspec with
    `storage_options` as fsspec takes them; their secrets reach no message and no repr.
    """
    if is_local(uri):
        scheme = "file://" if uri.startswith("file://") else ""
        folder = Path(uri.removeprefix("file://")).expanduser().absolute()
        root = str(folder).rstrip("/")
        return Source(uri=f"{scheme}{root}", root=root)
    options = dict(storage_options or {})
    source = unopened(uri, options)
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


def unopened(uri: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """A source to speak of, without its credentials; nothing can be read from it."""
    shown, password = _without_credentials(uri.rstrip("/"))
    secrets = (*_secrets(dict(storage_options or {})), *([password] if password else []))
    return Source(uri=shown, root="", secrets=tuple(sorted(secrets, key=len, reverse=True)))


def is_local(uri: str) -> bool:
    """True for plain paths and file://, which need no fsspec."""
    return uri.startswith("file://") or ("://" not in uri and "::" not in uri)


def local_key(path: str) -> str:
    r"""A relative local path as a key: bytes that are not UTF-8 become `\xe9`, as Arrow stores no others."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def local_path(root: str, key: str) -> Path:
    """The local file of a key, also where `local_key` had to escape bytes of its name."""
    path = Path(f"{root}/{key}")
    if "\\x" in key and not path.exists():
        raw = _ESCAPED_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), key.encode())
        return Path(f"{root}/{raw.decode('utf-8', 'surrogateescape')}")
    return path


def _secrets(options: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _secrets(value, secret=secret or bool(_SECRET_OPTION.search(str(name))))
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from _secrets(value, secret=secret)
    elif secret and isinstance(options, str) and len(options) >= 4:
        yield options


def _without_credentials(uri: str) -> tuple[str, str]:
    """The URI without `user:password@`, and the password."""
    found = re.search(r"://([^/@]*):([^/@]*)@", uri)
    if found is None:
        return uri, ""
    return uri.replace(f"{found[1]}:{found[2]}@", "", 1), found[2]


def _code(error: BaseException) -> str:
    """S3's own error code, where the error came from S3."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _way_out(error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return "Check the credentials and what they may list and read."
    if isinstance(error, ImportError):
        return "Install the package that it names."
    if "Connect" in type(error).__name__ or isinstance(error, (TimeoutError, ConnectionError)):
        return "Check the endpoint and the network; a later run tries again."
    return "Check the source's uri and storage_options."

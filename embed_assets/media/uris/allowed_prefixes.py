"""Allowed: addresses that a table's rows may name: those below their source, and the prefixes of table.allow."""

import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from embed_assets.errors import MediaError
from embed_assets.media.files.redacted_uri import brief

OUTSIDE = "outside the source"  # reasons
NO_ADDRESS = "no usable address"
PRIVATE = "private address"

_LONGEST = 4096  # characters of an address at most
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_BY_HOST = frozenset(("http", "https", "ftp", "ftps", "sftp", "ssh", "smb", "webdav", "webhdfs", "hdfs"))
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfss": "abfs"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class _Place:
    """An address by its parts: a path has the scheme "file"; `chain` is the part before the last `::`."""

    chain: str
    scheme: str
    authority: str
    path: tuple[str, ...]

    def holds(self, other: "_Place") -> bool:
        """Return whether the other is this place or lies below it."""
        if (self.chain, self.scheme) != (other.chain, other.scheme):
            return False
        if not self.authority and not self.path and self.scheme != "file":  # the whole protocol
            return True
        return self.authority == other.authority and other.path[: len(self.path)] == self.path


class Allowed:
    """Addresses that may be named. Raises ValueError for an invalid prefix."""

    def __init__(self, below: str | None, prefixes: Iterable[str] = ()) -> None:
        places = [each for each in prefixes if _network(each) is None]
        self._networks = [network for each in prefixes if (network := _network(each)) is not None]
        self._places = [_prefix(each) for each in places]
        for place in self._places:
            self._networks += _named_networks(place)
        if below is not None:
            self._places.append(_place(below))

    @property
    def folders(self) -> list[str]:
        """Local folders among the prefixes, the source's own included."""
        return ["/" + "/".join(place.path) for place in self._places if place.scheme == "file" and not place.chain]

    def check(self, uri: str) -> None:
        """Raise MediaError where an absolute address may not be read, or is invalid."""
        check_form(uri)
        try:
            place = _place(uri)
        except ValueError as error:
            raise MediaError(NO_ADDRESS, f"{brief(uri)}: {error}") from error
        if not any(each.holds(place) for each in self._places):
            raise MediaError(OUTSIDE, f"{brief(uri)} is below neither the source nor a prefix of table.allow")

    def check_address(self, address: str, host: str) -> None:
        """Raise MediaError for an address of a private network or of this machine, unless a prefix allows it."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        reached = _reached(ip)
        if _is_public(reached) or any(reached in network or ip in network for network in self._networks):
            return
        raise MediaError(PRIVATE, f"{host} is {address}, of a private network; add {address} to table.allow to read it")


def check_form(text: str) -> None:
    """Raise MediaError for an invalid address, and for one that leads out of its folder."""
    if len(text) > _LONGEST:
        raise MediaError(NO_ADDRESS, f"{len(text):,} characters, at most {_LONGEST:,}")
    if not text.strip() or _CONTROL.search(text):
        raise MediaError(NO_ADDRESS, f"{brief(text)!r} is empty, or has control characters in it")


def is_path(text: str) -> bool:
    """Return whether a prefix is a local path, and no address, network or chain."""
    return isinstance(text, str) and "://" not in text and _network(text) is None


def host_of(uri: str) -> str | None:
    """Return the host of an address, where its protocol has one."""
    _, last = split_chain(uri)
    return urlsplit(last).hostname if last.partition("://")[0].lower() in _BY_HOST else None


def is_local_file(uri: str) -> bool:
    """Return whether an absolute address is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def split_chain(uri: str) -> tuple[str, str]:
    """Split fsspec's chained addresses into the part up to the last `::`, and the rest.

    Two colons in a name are no chain: `s3://bucket/a::b.txt`, `http://[::1]/`.
    """
    before, _, after = uri.partition("://")
    if "::" not in uri or is_local_file(uri) or before.lower() in ("http", "https"):
        return "", uri
    if "::" in before or "::" in after.partition("/")[0] or "://" in after.partition("::")[2]:
        chain, mark, last = uri.rpartition("::")
        return f"{chain}{mark}", last
    return "", uri


def _prefix(text: str) -> _Place:
    """Return the place of a prefix in the settings. A path must be absolute."""
    if is_path(text) and text.strip() and not text.startswith("/"):
        raise ValueError(f"allow names {text!r}; write an absolute path, or an address with its protocol")
    try:
        check_form(text)
        return _place(text)
    except (MediaError, ValueError) as error:
        raise ValueError(f"allow names {brief(text)!r}, which is no address: {error}") from error


def _place(uri: str) -> _Place:
    """Return the parts of an absolute address. Raises ValueError where they are ambiguous, and for `..` in them."""
    chain, last = split_chain(uri)
    if is_local_file(last):
        path = os.path.normpath(f"/{last.removeprefix('file://').lstrip('/')}")
        return _Place(chain, "file", "", _parts(path))
    scheme, _, rest = last.partition("://")
    if not _SCHEME.fullmatch(scheme):
        raise ValueError("its protocol is none")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme in _BY_HOST:
        return _of_host(chain, scheme, last)
    authority, _, path = rest.partition("/")
    return _Place(chain, scheme, authority, _without_dots(path))


def _of_host(chain: str, scheme: str, uri: str) -> _Place:
    if "\\" in uri:  # some parsers end the host at it, others take it for a part of the user
        raise ValueError("it has a backslash in it")
    parts = urlsplit(uri)  # as Connection and fsspec do: the checked host is the one that is connected to
    host = (parts.hostname or "").removesuffix(".").lower()
    port = parts.port or _PORTS.get(scheme)
    if not host and (parts.netloc or parts.path.strip("/")):
        raise ValueError("it names no host")
    return _Place(chain, scheme, f"{host}:{port}" if host else "", _decoded(parts.path))


def _without_dots(path: str) -> tuple[str, ...]:
    """Return the parts of a path. Raises ValueError for `..`, also before a semicolon, as some servers split there."""
    if ".." in re.split(r"[/\\;]", path):
        raise ValueError("it has .. in it")
    return _parts(path)


def _decoded(path: str) -> tuple[str, ...]:
    """Return the same for a path that a host may decode, once or twice: `%252e` counts as a dot."""
    once, further = unquote(path), unquote(unquote(unquote(path)))
    _without_dots(further)
    return _without_dots(once)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _network(text: str) -> Network | None:
    """Parse an address or a network in a list of prefixes: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`."""
    try:
        return ipaddress.ip_network(text, strict=False) if re.match(r"[0-9a-fA-F:.]+(/\d+)?$", text) else None
    except ValueError:
        return None


def _named_networks(place: _Place) -> Sequence[Network]:
    """Return the private addresses in a prefix: an address as host, or this machine."""
    host = place.authority.rpartition(":")[0] if place.scheme in _BY_HOST else ""
    if host == "localhost":
        return [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")]
    network = _network(host.strip("[]"))
    return [] if network is None else [network]


def _reached(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 address, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.ip_address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local  # is_global ignores it
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)

"""Redacted URIs: addresses without the credentials in them, as they are stored and printed."""

import re

HIDDEN = "***"  # stands where a credential was
_LONGEST = 500  # characters of an address that are shown

# Bounded: in a million letters each could begin a scheme, and all the letters behind it would be scanned.
# Not by urlsplit: a chained URI (`simplecache::https://…`) has several parts.
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40})://(?P<user>[^/?#]*)@")
_PARAMETER = re.compile(r"(?P<before>[?&;#])(?P<name>[^=&;#?]+)=(?P<value>[^&;#]*)")
# Of signed addresses: these differ each time that a file's address is signed.
_SIGNING = re.compile(r"^(x-amz-.*|x-goog-.*|sig|signature|se|st|expires|policy|key-pair-id)$", re.IGNORECASE)
_SECRET = re.compile(
    r"^(key|code|auth|sas|pw|pwd)$|token|secret|passw|credential|signature|api[-_]?key|access[-_]?key|accessid|"
    r"subscription[-_]?key|session|authorization",
    re.IGNORECASE,
)
_NO_PASSWORD = ("github", "git", "abfs", "abfss", "az", "adl", "wasb", "wasbs", "hf")  # the part before @ is a place


def without_user(uri: str) -> str:
    """Return the address without `user:password@`."""
    return _USER.sub(lambda match: match[0] if _is_place(match) else f"{match['scheme']}://", uri)


def shown(uri: str) -> str:
    """Return the address with `***` for user and password, and for signatures and keys in its query."""
    uri = _USER.sub(lambda match: match[0] if _is_place(match) else f"{match['scheme']}://{HIDDEN}@", uri)
    return _PARAMETER.sub(lambda match: _parameter(match, secret=True), uri)


def identity(uri: str) -> str:
    """Return the address without user and signature: equal for all signed addresses of a file."""
    return _PARAMETER.sub(lambda match: _parameter(match, secret=False), without_user(uri))


def brief(uri: str) -> str:
    """Return an address for a message or a table: without credentials, on one line, shortened if very long."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown(uri))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def has_hidden(uri: str) -> bool:
    """Return whether a credential was removed from a shown address, so that it can't be read by it."""
    return f"://{HIDDEN}@" in uri or f"={HIDDEN}" in uri


def credentials(uri: str) -> tuple[str, ...]:
    """Return the credentials that `shown` removes, to be blanked in messages of libraries."""
    values = [match["user"].partition(":")[2] or match["user"] for match in _USER.finditer(uri) if not _is_place(match)]
    values += [match["value"] for match in _PARAMETER.finditer(uri) if _is_secret(match["name"])]
    return tuple(each for each in values if len(each) >= 4)


def place_of(uri: str) -> str:
    """Return the host or bucket of an address, without a user: `https://cdn.example`; of a path its folder."""
    if "://" not in uri or uri.startswith("file://"):
        return uri.removeprefix("file://").rpartition("/")[0] or "/"
    scheme, _, rest = without_user(uri).partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{authority.lower() if scheme.lower().startswith('http') else authority}"


def _is_place(match: re.Match[str]) -> bool:
    user, scheme = match["user"], match["scheme"].lower()
    if scheme in _NO_PASSWORD:
        return True
    return ":" not in user and not scheme.startswith("http")  # ssh://git@host, but https://TOKEN@host


def _parameter(match: re.Match[str], *, secret: bool) -> str:
    hide = bool(_SIGNING.match(match["name"])) or (secret and _is_secret(match["name"]))
    return f"{match['before']}{match['name']}={HIDDEN}" if hide and match["value"] else match[0]


def _is_secret(name: str) -> bool:
    return bool(_SIGNING.match(name) or _SECRET.search(name))

"""Redacted URIs: addresses without the credentials in them, as they are stored and printed."""

import re

HIDDEN = "***"  # stands where a credential was
_LONGEST = 500  # characters of an address that are shown

# A scheme is bounded: of a million letters each would begin one, and all behind it be looked at for its end.
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40})://(?P<user>[^/?#]*)@")  # as urlsplit tells it
_PARAMETER = re.compile(r"(?P<before>[?&;#])(?P<name>[^=&;#?]+)=(?P<value>[^&;#]*)")
# Of signed addresses: these are others each time that the same file is named.
_SIGNING = re.compile(r"^(x-amz-.*|x-goog-.*|sig|signature|se|st|expires|policy|key-pair-id)$", re.IGNORECASE)
_SECRET = re.compile(
    r"^(key|code|auth|sas|pw|pwd)$|token|secret|passw|credential|signature|api[-_]?key|access[-_]?key|accessid|"
    r"subscription[-_]?key|session|authorization",
    re.IGNORECASE,
)
_NO_PASSWORD = ("github", "git", "abfs", "abfss", "az", "adl", "wasb", "wasbs", "hf")  # what is before @ names a place


def without_user(uri: str) -> str:
    """The address without `user:password@`."""
    return _USER.sub(lambda found: found[0] if _is_place(found) else f"{found['scheme']}://", uri)


def shown(uri: str) -> str:
    """The address with `***` for a user with a password, and for what signs or opens it in its query."""
    uri = _USER.sub(lambda found: found[0] if _is_place(found) else f"{found['scheme']}://{HIDDEN}@", uri)
    return _PARAMETER.sub(lambda found: _parameter(found, secret=True), uri)


def identity(uri: str) -> str:
    """Equal for addresses of the same file, however they are signed, and by whom."""
    return _PARAMETER.sub(lambda found: _parameter(found, secret=False), without_user(uri))


def brief(uri: str) -> str:
    """An address for a message or a table: without credentials, on one line, cut where it is very long."""
    told = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown(uri))
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


def has_hidden(uri: str) -> bool:
    """Whether a credential was taken out of a shown address: it can't be read by it."""
    return f"://{HIDDEN}@" in uri or f"={HIDDEN}" in uri


def credentials(uri: str) -> tuple[str, ...]:
    """What `shown` hides, to be blanked in the messages of others."""
    found = [match["user"].partition(":")[2] or match["user"] for match in _USER.finditer(uri) if not _is_place(match)]
    found += [match["value"] for match in _PARAMETER.finditer(uri) if _is_secret(match["name"])]
    return tuple(each for each in found if len(each) >= 4)


def place_of(uri: str) -> str:
    """The host or bucket that an address is in, without a user: `https://cdn.example`; of a path its folder."""
    if "://" not in uri or uri.startswith("file://"):
        return uri.removeprefix("file://").rpartition("/")[0] or "/"
    scheme, _, rest = without_user(uri).partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{authority.lower() if scheme.lower().startswith('http') else authority}"


def _is_place(found: re.Match[str]) -> bool:
    user, scheme = found["user"], found["scheme"].lower()
    if scheme in _NO_PASSWORD:
        return True
    return ":" not in user and not scheme.startswith("http")  # ssh://git@host, but https://TOKEN@host


def _parameter(found: re.Match[str], *, secret: bool) -> str:
    hide = bool(_SIGNING.match(found["name"])) or (secret and _is_secret(found["name"]))
    return f"{found['before']}{found['name']}={HIDDEN}" if hide and found["value"] else found[0]


def _is_secret(name: str) -> bool:
    return bool(_SIGNING.match(name) or _SECRET.search(name))

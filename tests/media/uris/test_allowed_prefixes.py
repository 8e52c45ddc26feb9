"""What rows may name: below their source and the prefixes of table.allow, and nothing by a detour."""

import posixpath
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embed_assets.errors import MediaError
from embed_assets.media.uris.allowed_prefixes import Allowed, host_of, split_chain
from embed_assets.media.uris.http_connections import Connection

ALLOWED = Allowed("/data/notes", ["https://cdn.example/pub/", "s3://bucket/photos", "/mnt/far", "http://[::1]:8080/"])


@pytest.mark.parametrize(
    "uri",
    [
        "/data/notes/a.txt",
        "file:///data/notes/a.txt",
        "/data/notes/b/../a.txt",
        "//data/notes/a::b.txt",
        "/mnt/far/x",
        "https://cdn.example/pub/a.txt",
        "https://CDN.example:443/pub/a b.txt?size=2",
        "https://joe:pw@cdn.example/pub/a.txt",
        "s3://bucket/photos/a::b.png",
        "s3a://bucket/photos/a.png",
        "http://[::1]:8080/x",
    ],
)
def test_what_lies_below_the_source_or_a_prefix_is_allowed(uri: str) -> None:
    ALLOWED.check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "//etc/passwd",
        "/data/notes2/a.txt",
        "/data/notes/../secret.txt",
        "http://cdn.example/pub/a.txt",
        "https://cdn.example/public/a.txt",
        "https://cdn.example.evil/pub/a.txt",
        "https://evil/https://cdn.example/pub/",
        "https://cdn.example@evil/pub/a.txt",
        "https://cdn.example:8443/pub/a.txt",
        "https://cdn.example/pub/../private/a.txt",
        "https://cdn.example/pub/%2e%2e/private/a.txt",
        "https://cdn.example/pub/%252e%252e/private/a.txt",
        "https://cdn.example/pub/..%2fprivate/a.txt",
        "https://cdn.example/pub/..\\private",
        "https://cdn.example/pub/..;/private/a.txt",
        "https://cdn.example/pub/..;x=1/private/a.txt",
        "https://cdn.example/pub/%2e%2e%3b/private/a.txt",
        "https://cdn.example\\@evil/pub/a.txt",
        "s3://bucket/photos/../private/a.png",
        "s3://bucket2/photos/a.png",
        "gs://bucket/photos/a.png",
        "simplecache::https://cdn.example/pub/a.txt",
        "zip://a.txt::https://cdn.example/pub/a.zip",
        "zip://a::file:///data/notes/a.zip",
        "zip://a.txt::/data/notes/a.zip",
        "github://a:b@c/d",
        "data://text/plain,x",
        "nosuchproto://x/y",
        "://x",
        " https://cdn.example/pub/a.txt",
        "http://[::1/x",
        "https://cdn.example:99999/pub/",
        "https:///pub/a.txt",
        "a\nb",
        "\0",
        "",
        "   ",
        "/data/notes/" + "x" * 5000,
    ],
)
def test_all_else_is_refused_with_a_reason(uri: str) -> None:
    with pytest.raises(MediaError) as caught:
        ALLOWED.check(uri)
    assert caught.value.reason in ("outside the source", "no usable address")


def test_protocols_and_chains_are_allowed_by_name_alone() -> None:
    named = Allowed(None, ["memory://", "simplecache::https://cdn.example/"])
    for uri in ("memory://any/thing", "simplecache::https://cdn.example/a.txt"):
        named.check(uri)
    for uri in ("https://cdn.example/a.txt", "filecache::https://cdn.example/a.txt", "/etc/passwd"):
        with pytest.raises(MediaError, match="outside the source"):
            named.check(uri)


PRIVATE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"]
PRIVATE += ["::1", "fe80::1%eth0", "::ffff:10.0.0.1", "fd00::1", "fec0::1", "64:ff9b::a00:1", "2002:7f00:1::"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_private_networks_are_refused_unless_they_are_named(address: str) -> None:
    with pytest.raises(MediaError, match=r"of a private network; add .* to table.allow"):
        Allowed(None, ["https://cdn.example/", "192.168.0.0/16"]).check_address(address, "cdn.example")
    Allowed(None, [address.partition("%")[0]]).check_address(address, "cdn.example")


def test_a_private_address_is_named_by_a_network_by_its_prefix_or_as_this_machine() -> None:
    for entry, address in (
        ("10.0.0.0/8", "10.1.2.3"),
        ("http://127.0.0.1:8000/", "127.0.0.1"),
        ("http://localhost/", "::1"),
        ("http://[fd00::1]/x", "fd00::1"),
    ):
        Allowed(None, [entry]).check_address(address, "host")
    Allowed(None).check_address("93.184.216.34", "host")


@pytest.mark.parametrize("entry", ["photos", "", "https://h/../x", "http://[::1", "a\nb", "1nosuch://x", "x" * 5000])
def test_a_prefix_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="allow names"):
        Allowed(None, [entry])


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "sftp", "smb", "simplecache::ftp"])
@pytest.mark.parametrize(
    "rest", ["good.example\\@evil.example/x", "good.example\\.evil.example/x", "evil\\@good.example/x"]
)
def test_a_host_is_one_for_whoever_reads_the_address(scheme: str, rest: str) -> None:
    with pytest.raises(MediaError, match="backslash"):
        Allowed(None, [f"{scheme}://good.example"]).check(f"{scheme}://{rest}")


def test_hosts_are_those_of_protocols_with_host_names() -> None:
    assert host_of("http://joe:pw@Host:80/x") == "host"
    assert host_of("simplecache::ftp://host/x") == "host"
    assert host_of("s3://bucket/x") is None
    assert split_chain("a::b") == ("", "a::b")


_PIECES = ["..", "%2e%2e", "%252e", "/", "::", "://", "@", "http", "cdn.example", "pub", "a.txt", "\\", "?", "#", "%"]
_HOST = Allowed(None, ["https://cdn.example"])  # a prefix without a path
_URIS = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@given(st.one_of(st.text(max_size=60), _URIS.map("https://cdn.example/pub/{}".format), _URIS.map("https://{}".format)))
@settings(max_examples=300, deadline=None)
@pytest.mark.slow
def test_any_address_is_refused_or_lies_below_a_prefix_whoever_reads_it(uri: str) -> None:
    try:
        ALLOWED.check(uri)
    except MediaError:
        return
    parts = urlsplit(uri)
    assert parts.scheme == "https"
    assert parts.hostname == "cdn.example"
    path = unquote(unquote(parts.path)).replace("\\", "/")
    assert posixpath.normpath(f"/{path.lstrip('/')}").startswith("/pub")


@given(_URIS.map("https://{}".format))
@example("https://cdn.example\\@evil.example/x")
@settings(max_examples=300, deadline=None)
def test_the_host_that_is_allowed_is_the_one_that_is_connected_to(uri: str) -> None:
    try:
        _HOST.check(uri)
    except MediaError:
        return
    connection = Connection(uri, _HOST)
    assert connection.host == host_of(uri)
    assert connection.host.removesuffix(".") == "cdn.example"
    assert connection.port == 443

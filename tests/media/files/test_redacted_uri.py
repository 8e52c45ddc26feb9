"""Addresses are shown without what opens them."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_assets.media.files.redacted_uri import (
    brief,
    credentials,
    has_hidden,
    identity,
    place_of,
    shown,
    without_user,
)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://joe:PASSWORD@host/a.txt", "http://***@host/a.txt"),
        ("https://ghp_TOKEN@host/a.txt", "https://***@host/a.txt"),
        ("simplecache::http://joe:PASSWORD@host/a", "simplecache::http://***@host/a"),
        ("http://joe:p@ss@host/a", "http://***@host/a"),
        ("http://joe:PASS WORD@host/a", "http://***@host/a"),
        ("http://joe doe:PASS\tWORD@host/a", "http://***@host/a"),
        ("s3://b/k?X-Amz-Signature=abcd&X-Amz-Date=1", "s3://b/k?X-Amz-Signature=***&X-Amz-Date=***"),
        ("https://a/c/d.txt?sv=2020&sig=x%2By&se=9", "https://a/c/d.txt?sv=2020&sig=***&se=***"),
        ("https://h/x?token=abc&page=2", "https://h/x?token=***&page=2"),
        ("https://h/x?api_key=abc;n=1#access_token=q", "https://h/x?api_key=***;n=1#access_token=***"),
        ("ftp://joe:PASSWORD@host/", "ftp://***@host/"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("/data/a@b:c.txt", "/data/a@b:c.txt"),
        ("http://host/a@b.txt", "http://host/a@b.txt"),
        ("https://h/x?page=2&size=10", "https://h/x?page=2&size=10"),
    ],
)
def test_credentials_of_an_address_are_hidden_and_all_else_is_shown(uri: str, expected: str) -> None:
    assert shown(uri) == expected
    assert has_hidden(expected) == (expected != uri)
    assert shown(expected) == expected


def test_an_address_signed_again_names_the_same_file_and_another_page_does_not() -> None:
    first = "https://h/x?id=1&X-Amz-Date=1&X-Amz-Signature=aa"
    assert identity(first) == identity("https://h/x?id=1&X-Amz-Date=2&X-Amz-Signature=bb")
    assert identity(first) == identity("https://joe:other@h/x?id=1&X-Amz-Date=2&X-Amz-Signature=bb")
    assert identity(first) != identity("https://h/x?id=2&X-Amz-Date=1&X-Amz-Signature=aa")
    assert identity("https://h/x?key=a") != identity("https://h/x?key=b")  # what is hidden may still tell files apart


def test_a_message_has_an_address_on_one_line_and_not_all_of_a_long_one() -> None:
    assert brief("http://h/\n\0a") == "http://h/\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}a"
    assert len(brief("x" * 5000)) == 501


def test_a_text_of_a_million_letters_is_no_address_and_shown_at_once() -> None:
    assert len(brief("a" * 10**6)) == 501  # in hours, if each letter were looked at again for each before it


def test_the_place_of_an_address_is_its_host_its_bucket_or_its_folder() -> None:
    assert place_of("https://joe:pw@CDN.example:8443/a/b?c") == "https://cdn.example:8443"
    assert place_of("http://cdn.example @host/a") == "http://host"
    assert place_of("s3://bucket/a/b") == "s3://bucket"
    assert place_of("/data/a/b.txt") == "/data/a"


_WORD = st.text(string.ascii_letters + string.digits + "-._~!$'()*+,", min_size=4, max_size=12)


@given(user=_WORD, password=_WORD.map("pw-{}".format), path=st.text(max_size=20), value=_WORD.map("tk-{}".format))
@settings(max_examples=200, deadline=None)
def test_no_password_and_no_signature_is_ever_shown(user: str, password: str, path: str, value: str) -> None:
    uri = f"https://{user}:{password}@host/{path}?a=1&X-Amz-Signature={value}"
    assert password not in shown(uri).replace(path, "") and password not in without_user(uri).replace(path, "")
    assert not shown(uri).endswith(value)
    assert password in credentials(uri)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_shown(text: str) -> None:
    assert shown(shown(text)) == shown(text)
    assert "\n" not in brief(text)
    assert identity(identity(text)) == identity(text)
    assert isinstance(place_of(text), str) and isinstance(credentials(text), tuple)

"""The table of media kinds: what is built in, and what a plugin adds to it."""

import pkgutil

import pytest

from embed_assets.media.kinds.builtin_kinds import KINDS
from embed_assets.media.kinds.decoder import Decoder
from embed_assets.media.kinds.decoder_plugins import plugin_kind
from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.kinds.media_kind import MediaKind
from embed_assets.media.kinds.sniff import builtin_kind, first_that_detects
from embed_assets.media.media_types import Modality
from embed_assets.media.text.documents import PDF

PLUGINS = [
    plugin_kind(Decoder(name="x", version="1", mime="x/y", modality=modality, detect=bool, decode=lambda *_: ""))
    for modality in ("text", "image", "audio")
]


@pytest.mark.parametrize("kind", [*KINDS, *PLUGINS], ids=lambda kind: f"{kind.name} {kind.modality}")
def test_the_decoder_of_a_kind_can_be_imported(kind: MediaKind) -> None:
    assert bool(kind.decode) == (kind.modality is not None)
    assert not kind.decode or callable(pkgutil.resolve_name(kind.decode))


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("modality", "mime", "name"),
    [
        ("text", PDF, "PDF"),
        ("text", "text/csv", "text"),
        ("text", None, "text"),
        ("image", "image/x-pcx", "picture"),
        ("audio", "audio/ogg", "sound"),
        ("video", None, "video"),
    ],
)
def test_a_type_without_a_kind_of_its_own_is_decoded_as_its_modality(
    modality: Modality, mime: str | None, name: str
) -> None:
    assert builtin_kind(modality, mime).name == name


def test_a_kind_further_up_wins() -> None:
    first = MediaKind(name="mine", modality="text", detect=lambda head: "x/mine" if head.text == "words" else None)
    sniffed = [first_that_detects((first, *KINDS), FileHead(data)) for data in (b"words", b"others")]
    assert [each and each.mime for each in sniffed] == ["x/mine", "text/plain"]

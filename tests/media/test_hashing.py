from embed_assets.media.hashing import content_hash, text_hash


def test_equal_bytes_have_the_sha256_of_the_tools() -> None:
    assert content_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_text_hashes_as_its_utf8_bytes() -> None:
    assert text_hash("é") == content_hash(b"\xc3\xa9")


def test_a_lone_surrogate_does_not_fail() -> None:
    assert text_hash("\ud800") != text_hash("\ud801")

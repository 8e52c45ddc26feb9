"""EqualInputVectors: what was encoded once is never encoded again."""

import numpy as np

from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.store.store import Store
from embed_assets.store.vectors import VectorTable
from embed_assets.store.versions import VersionId
from tests.support import vector_table


def hashes(count: int) -> list[str]:
    """Spread over all of the 64 bits that are compared first."""
    return [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" + "0" * 48 for number in range(1, count + 1)]


def test_vectors_are_found_by_content_hash(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((2500, 8)).astype(np.float32)
    names = hashes(2500)
    known = EqualInputVectors(vector_table(Store(str(tmp_path)), vectors, content_hash=names))
    found = known.lookup(names)
    assert all(np.array_equal(found[name], vector) for name, vector in zip(names, vectors, strict=True))


def test_hashes_that_share_their_first_digits_are_reported_apart(tmp_path):
    vectors = np.eye(2, 8, dtype=np.float32)
    one, other = "a" * 16 + "0" * 48, "a" * 16 + "1" * 48
    known = EqualInputVectors(vector_table(Store(str(tmp_path)), vectors[:1], content_hash=[one]))
    assert known.lookup([other]) == {}
    assert list(known.lookup([one, other])) == [one]


def test_a_vector_that_was_replaced_since_the_run_began_is_not_known(tmp_path):
    """A text that moves to another file while its own is edited: the edit may be written first."""
    table = vector_table(Store(str(tmp_path)), np.eye(2, 8), content_hash=hashes(2), media_id=["a", "b"])
    known = EqualInputVectors(table)
    table.delete_items(["a"])
    assert known.lookup(hashes(1)) == {}
    assert list(known.lookup(hashes(2))) == hashes(2)[1:]


def test_a_missing_table_knows_nothing(tmp_path):
    assert EqualInputVectors(VectorTable(Store(str(tmp_path)), VersionId("words", "v1"))).lookup(hashes(3)) == {}


def test_what_this_run_encoded_is_known_before_it_is_written(tmp_path):
    known = EqualInputVectors(
        VectorTable(Store(str(tmp_path)), VersionId("words", "v1")), remembered=2 * np.ones(4).nbytes
    )
    first, second, third = hashes(3)
    known.remember({name: np.ones(4) for name in (first, second, third)})
    assert set(known.lookup([first, second, third])) == {second, third}  # the oldest is let go

"""BatchingEncoder: queries of several threads in one batch, equal ones once, never more waiting than may."""

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import OverloadedError
from embed_assets.media.media_types import Modality
from embed_assets.search.encode_query import QueryEncoder
from embed_assets.service.batching_encoder import BatchingEncoder
from embed_assets.store.versions import VersionRecord
from tests.service.conftest import Steps


class Gate(BatchingEncoder):
    """One whose encoder waits in its first batch until it is let on, and notes its batches."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.began, self.go_on = threading.Event(), threading.Event()
        self.batches: list[list[Any]] = []

    def loaded(self, record: VersionRecord, needed: Collection[Modality] | None = None) -> Encoder:
        encoder, encode = super().loaded(record, needed), type(super().loaded(record, needed)).encode

        def gated(batch: Sequence[Prepared]) -> np.ndarray:
            self.batches.append([item.data for item in batch])
            self.began.set()
            assert self.go_on.wait(20)
            if any(item.data == "broken" for item in batch):
                raise RuntimeError("broken")
            return encode(encoder, batch)

        gate = type("Gated", (type(encoder),), {"encode": lambda self, batch: gated(batch)})
        other = object.__new__(gate)
        other.__dict__ |= encoder.__dict__
        return other


def record_of(steps: Steps) -> VersionRecord:
    record = steps.current_version("words")
    assert record is not None
    return record


def test_what_waits_is_encoded_together_and_equal_words_once(served: Steps) -> None:
    encoder, record = Gate(served.store, served.settings.compute), record_of(served)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(encoder.encode, record, [("text", "first")])
        assert encoder.began.wait(20)
        texts = ["amber", "coral", "amber", "flint and delta", "amber"]
        rest = [pool.submit(encoder.encode, record, [("text", text)]) for text in texts]
        while encoder.waiting() < len(texts):
            pass
        encoder.go_on.set()
        vectors = [each.result()[0] for each in (first, *rest)]
    assert encoder.batches[0] == ["first"]
    assert sorted(encoder.batches[1]) == ["amber", "coral", "flint and delta"]
    plain = QueryEncoder(served.store, served.settings.compute)
    expected = plain.encode(record, [("text", text) for text in ("first", *texts)])
    np.testing.assert_array_equal(np.stack(vectors), expected)


def test_more_than_may_wait_is_refused(served: Steps) -> None:
    encoder, record = Gate(served.store, served.settings.compute, most_waiting=2), record_of(served)
    with ThreadPoolExecutor(8) as pool:
        pool.submit(encoder.encode, record, [("text", "first")])
        assert encoder.began.wait(20)
        for text in ("one", "two"):
            pool.submit(encoder.encode, record, [("text", text)])
        while encoder.waiting() < 2:
            pass
        with pytest.raises(OverloadedError):
            encoder.encode(record, [("text", "three")])
        encoder.go_on.set()


def test_an_input_that_fails_costs_no_other(served: Steps) -> None:
    encoder, record = Gate(served.store, served.settings.compute), record_of(served)
    with ThreadPoolExecutor(8) as pool:
        pool.submit(encoder.encode, record, [("text", "first")])
        assert encoder.began.wait(20)
        broken, good = (pool.submit(encoder.encode, record, [("text", text)]) for text in ("broken", "good"))
        while encoder.waiting() < 2:
            pass
        encoder.go_on.set()
        assert good.result().shape == (1, record.dim)
        with pytest.raises(RuntimeError, match="broken"):
            broken.result()

"""WarmUp: what is ready, and what searches go by."""

from typing import Any

import pytest

from embed_assets.pipeline.steps import Steps
from embed_assets.service.access.api_keys import ApiKeys
from embed_assets.service.answering import Service
from embed_assets.service.batching_encoder import BatchingEncoder
from tests.support import run_all


class Away:
    """An encoder's file that is away for a while: loading fails."""

    def __init__(self, service: Service) -> None:
        self.is_away = True
        self._encoder = service.encoder
        service.encoder.loaded = self._loaded

    def _loaded(self, record: Any, needed: Any = None) -> Any:
        if self.is_away:
            raise OSError("a disk that is away")
        return BatchingEncoder.loaded(self._encoder, record, needed)


@pytest.fixture
def service(own_store: Steps) -> Service:
    return Service(own_store, ApiKeys({}))


def test_a_space_whose_encoder_is_away_is_not_ready_until_it_is_back(service: Service) -> None:
    away = Away(service)
    for _ in range(2):
        assert not service.warm_up.look(service.searcher)
        assert service.warm_up.problem == "space 'words' is not ready"
    away.is_away = False
    assert service.warm_up.look(service.searcher)
    assert service.warm_up.problem == ""


def test_what_served_goes_on_while_the_next_encoder_is_away(service: Service, own_store: Steps) -> None:
    assert service.warm_up.look(service.searcher)
    before = own_store.store.serving.live_release("words").encoder_version
    again = own_store.settings.encoders["words"].model_copy(update={"generation": 2})
    run_all(Steps(own_store.settings.model_copy(update={"encoders": {"words": again}})))
    away = Away(service)
    assert not service.warm_up.look(service.searcher)
    assert service.warm_up.problem == ""
    followed = service.warm_up._followed
    assert followed is not None and followed["words"].live is not None
    assert followed["words"].live.encoder_version == before
    away.is_away = False
    assert service.warm_up.look(service.searcher)
    assert service.warm_up._followed is not None
    assert service.warm_up._followed["words"] == own_store.store.serving.pointer("words")

"""Service: what is bounded for all requests together."""

import asyncio
import threading

import pytest

from embed_assets.errors import OverloadedError
from embed_assets.pipeline.steps import Steps
from embed_assets.service.access.api_keys import ApiKeys
from embed_assets.service.answering import Service
from embed_assets.service.errors_as_json import without_paths
from tests.service.conftest import Connect, service_of


def test_more_requests_than_may_wait_are_refused(served: Steps) -> None:
    settings = served.settings
    few = settings.model_copy(update={"serve": settings.serve.model_copy(update={"queue": 2})})
    service, go_on = Service(Steps(few), ApiKeys({})), threading.Event()

    async def run() -> list[bool]:
        waiting = [asyncio.create_task(service.run(go_on.wait, 20)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await service.run(go_on.wait, 20)
        go_on.set()
        return [*await asyncio.gather(*waiting), await service.run(go_on.wait, 20)]

    assert asyncio.run(run()) == [True, True, True]


def test_a_refusal_says_when_to_ask_again(connect: Connect) -> None:
    client = connect(queue=1)
    service_of(client)._in_work = 1
    answer = client.get("/search", params={"q": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("can't read '/srv/data/a b.txt': gone", "can't read '… b.txt': gone"),
        ("s3://bucket/key is away", "… is away"),
        ("no item 'notes/a.txt', and/or b", "no item 'notes/a.txt', and/or b"),
    ],
)
def test_paths_stay_on_the_machine(text: str, shown: str) -> None:
    assert without_paths(text) == shown

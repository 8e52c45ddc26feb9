"""The API encoder against a server on this machine that speaks the protocol and misbehaves when told to."""

import base64
import email.utils
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.catalog import builtin_specs
from embed_assets.encoders.families.embeddings_api import MAX_INPUTS, MAX_REQUEST_TOKENS, ApiEncoder, request_slices
from embed_assets.encoders.loading.find_weights import resolve_model
from embed_assets.encoders.parts.embeddings_client import ApiOptions, asked_wait
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import (
    EncoderOutputError,
    MediaError,
    MissingExtraError,
    SettingsError,
    UnknownEncoderError,
    WeightsError,
)
from embed_assets.media.text.chunks import chunk_text
from embed_assets.testing import EncoderContract

pytest.importorskip("openai")

KEY = "sk-secret-0123456789"
DIM = 48


class Server(ThreadingHTTPServer):
    """`faults` are served first, one for each request: a status with headers, or the name of a fault."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.faults: list[Any] = []
        self.always: Any = None
        self.in_flight = self.most_in_flight = 0
        self.pause = 0.0
        self.seed = ""
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.requests.append(body)
            server.keys.append(self.headers.get("authorization"))
            fault = server.faults.pop(0) if server.faults else server.always
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        time.sleep(server.pause)
        with server.lock:
            server.in_flight -= 1
        if isinstance(fault, tuple):
            status, headers, error = fault
            self.answer(status, {"error": error}, headers)
        elif fault == "cut":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"data": [')
            self.close_connection = True
        elif fault == "html":
            self.answer(200, "<html>Welcome</html>", {"content-type": "text/html"})
        else:
            self.answer(200, self.embeddings(body, fault))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def embeddings(self, body: dict[str, Any], fault: str | None) -> dict[str, Any]:
        dim = body.get("dimensions", DIM) - (fault == "narrow")
        data = []
        for index, text in enumerate(body["input"]):
            vector = embedding(self.server.seed + text, dim)
            floats = fault == "floats" or body.get("encoding_format") != "base64"
            encoded = vector.tolist() if floats else base64.b64encode(vector.tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": encoded})
        if fault == "reordered":
            data.reverse()
        if fault == "too few":
            data.pop()
        if fault == "none":
            data.clear()
        if fault == "same index":
            data = [{**each, "index": 0} for each in data]
        tokens = sum(len(text.split()) for text in body["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": f"{body['model']}-v2", "usage": usage}

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def embedding(text: str, dim: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return (np.random.default_rng(seed).normal(size=dim) * 3).astype(np.float32)


def too_many(wait: str | None = None) -> tuple[int, dict[str, str], dict[str, str]]:
    return 429, {} if wait is None else {"retry-after": wait}, {"message": "Slow down", "code": "rate_limit"}


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running: Server) -> Server:
    while running.in_flight:  # of a test that did not wait for its answer
        time.sleep(0.01)
    running.requests, running.keys, running.faults = [], [], []
    running.always, running.pause, running.most_in_flight, running.seed = None, 0.0, 0, ""
    return running


def load(server: Server, *, model: str = "api:openai/some-model", **changes: Any) -> ApiEncoder:
    options = {"base_url": server.url, "first_wait": 0.01, "longest_wait": 0.05, "retries": 3, "timeout": 5}
    spec = spec_for(model, **{"dim": DIM, **changes, "options": options | changes.pop("options", {})})
    encoder = load_encoder(spec, device="cpu")
    assert isinstance(encoder, ApiEncoder)
    return encoder


def vectors(encoder: Encoder, *texts: str) -> np.ndarray:
    return encoder.encode([encoder.prepare("text", text) for text in texts])


def expected(*texts: str, dim: int = DIM) -> np.ndarray:
    rows = np.stack([embedding(text, dim) for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class TestApi(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, running: Server) -> ApiEncoder:
        running.always, running.faults, running.seed, running.pause = None, [], "", 0.0
        return load(running, document_prompt="passage: ", query_prompt="query: ")

    def load_again(self, encoder: Encoder) -> Encoder:
        return load_encoder(encoder.spec, device="cpu")


@pytest.mark.parametrize("fault", [None, "floats", "reordered"])
def test_vectors_are_those_of_their_texts_however_the_server_sends_them(server: Server, fault: str | None) -> None:
    server.always = fault
    texts = [f"text {number}" for number in range(20)]
    np.testing.assert_allclose(vectors(load(server), *texts), expected(*texts), atol=1e-6)


def test_dimensions_are_requested_where_the_vector_is_truncated(server: Server) -> None:
    encoder = load(server, truncate_dim=16)
    np.testing.assert_allclose(vectors(encoder, "a"), expected("a", dim=16), atol=1e-6)
    assert server.requests[-1]["dimensions"] == 16
    vectors(load(server), "a")
    assert "dimensions" not in server.requests[-1]


def test_an_unknown_dim_is_requested_when_loaded(server: Server) -> None:
    assert load(server, dim=None).dim == DIM


def test_loading_and_preparing_send_nothing(server: Server) -> None:
    load(server).prepare("text", "words")
    assert server.requests == []


@pytest.mark.parametrize(
    "faults",
    [
        [too_many("0.02"), too_many()],
        [(500, {}, {"message": "oops"}), (503, {}, {"message": "overloaded"})],
        ["cut", "cut"],
        [too_many("never"), too_many("-5"), too_many("nan")],
    ],
)
def test_what_may_pass_is_asked_again(server: Server, faults: list[Any]) -> None:
    server.faults = list(faults)
    np.testing.assert_allclose(vectors(load(server), "a", "b"), expected("a", "b"), atol=1e-6)
    assert len(server.requests) == len(faults) + 1


def test_the_wait_is_what_the_server_requests_with_a_cap(server: Server) -> None:
    server.faults = [too_many("0.3"), too_many("3600")]
    started = time.monotonic()
    vectors(load(server, options={"longest_wait": 0.4}), "a")
    assert 0.7 <= time.monotonic() - started < 5


def test_a_wait_may_be_a_date() -> None:
    wait = asked_wait({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)})
    assert wait is not None
    assert 25 < wait <= 30
    assert asked_wait({}) is None


def test_retries_end(server: Server) -> None:
    server.always = too_many()
    with pytest.raises(WeightsError, match=r"no answer from the server after 4 attempts \(last: 429\)"):
        vectors(load(server), "a")
    assert len(server.requests) == 4


def test_a_server_that_is_not_there_and_one_that_hangs_are_reported(server: Server) -> None:
    with pytest.raises(WeightsError, match="after 2 attempts"):
        vectors(load(server, options={"base_url": "http://127.0.0.1:9/v1", "retries": 1}), "a")
    server.pause = 0.5
    with pytest.raises(WeightsError, match="APITimeoutError"):
        vectors(load(server, options={"timeout": 0.1, "retries": 0}), "a")


def test_one_failure_ends_the_other_requests_of_the_batch(server: Server) -> None:
    server.always = too_many("30")
    server.faults = [(400, {}, {"message": "too long"})]
    encoder = load(server, options={"longest_wait": 30, "retries": 9})
    started = time.monotonic()
    with pytest.raises(SettingsError, match="too long"):
        vectors(encoder, *[letter * 8000 for letter in "abcdefgh"])
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("narrow", "dim 47; expected 48"),
        ("too few", "2 vectors with indices .* for 3 texts"),
        ("same index", r"indices \[0, 0, 0\]"),
        ("none", "no embeddings answer"),
        ("html", "no embeddings answer"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(server: Server, fault: str, message: str) -> None:
    server.always = fault
    with pytest.raises(EncoderOutputError, match=message):
        vectors(load(server), "a", "b", "c")
    assert len(server.requests) == 1


def test_a_server_that_ignores_dimensions_is_refused(server: Server) -> None:
    server.always = "narrow"
    with pytest.raises(EncoderOutputError, match="dim 15 though asked for 16"):
        vectors(load(server, truncate_dim=16), "a")


def test_the_key_is_sent_and_shown_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    encoder = load(server, options={"api_key_env": "SOME_KEY"})
    server.faults = [(400, {}, {"message": f"bad request by {KEY}"}), (401, {}, {"message": f"Incorrect key {KEY}"})]
    with pytest.raises(SettingsError, match="bad request by") as refused:
        vectors(encoder, "a")
    with pytest.raises(SettingsError, match=r"refuses the key \(401\). Set SOME_KEY") as denied:
        vectors(encoder, "a")
    assert server.keys == [f"Bearer {KEY}"] * 2
    assert refused.value.__suppress_context__
    assert denied.value.__suppress_context__
    for shown in (str(refused.value), str(denied.value), repr(encoder.options), repr(encoder.spec), repr(encoder)):
        assert KEY not in shown
    assert KEY not in json.dumps(dict(encoder.identity()))


def test_another_server_is_not_sent_the_key_of_openai(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    vectors(load(server), "a")
    assert server.keys == ["Bearer none"]


def test_without_the_client_the_extra_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"embed-assets\[openai\]"):
        load(server)


def test_a_key_that_is_not_there_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not set"):
        load_encoder(spec_for("openai-3-small"), device="cpu")


@pytest.mark.parametrize(
    ("status", "code", "kind", "message"),
    [
        (400, None, SettingsError, "refuses the request"),
        (403, None, SettingsError, "refuses the key"),
        (404, None, WeightsError, "has no model 'some-model'"),
        (429, "insufficient_quota", SettingsError, "quota"),
    ],
)
def test_what_asking_again_can_not_help_is_reported_at_once(
    server: Server, status: int, code: str | None, kind: type[Exception], message: str
) -> None:
    server.always = (status, {}, {"message": "no", "code": code})
    with pytest.raises(kind, match=message):
        vectors(load(server), "a")
    assert len(server.requests) == 1


def test_requests_keep_to_the_limits_and_are_in_flight_together(server: Server) -> None:
    server.pause = 0.1
    encoder = load(server, options={"max_concurrency": 3})
    texts = [f"{number} " * 1500 for number in range(40)]
    np.testing.assert_allclose(vectors(encoder, *texts), expected(*texts), atol=1e-6)
    assert server.most_in_flight == 3
    assert encoder.billed_tokens == 40 * 1500


def test_a_batch_is_cut_by_inputs_and_by_tokens() -> None:
    def check(costs: list[int], concurrency: int) -> list[int]:
        cuts = request_slices(costs, concurrency)
        assert [cost for cut in cuts for cost in costs[cut]] == costs
        assert all(sum(costs[cut]) <= MAX_REQUEST_TOKENS and len(costs[cut]) <= MAX_INPUTS for cut in cuts)
        return [len(costs[cut]) for cut in cuts]

    assert check([1] * 5000, 1) == [2048, 2048, 904]
    assert check([8191] * 100, 1) == [36, 36, 28]
    assert check([8191], 8) == [1]
    assert check([8000] * 16, 8) == [2] * 8


def test_a_text_is_cut_in_bytes_between_characters(server: Server) -> None:
    encoder = load(server, max_tokens=10)
    assert encoder.prepare("text", "図書館図書館").data == "図書館"
    assert encoder.prepare("text", "x" * 99).data == "x" * 10


def test_chunks_fit_whatever_the_script(server: Server) -> None:
    encoder = load(server)
    text = "図書館で本を読む。" * 3000
    chunks = chunk_text(text, tokenizer=encoder.tokenizer(), max_tokens=encoder.max_tokens, max_characters=8000)
    assert all(encoder.prepare("text", chunk.text).data == chunk.text for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == text


def test_an_empty_text_is_the_items_fault(server: Server) -> None:
    with pytest.raises(MediaError, match="empty text"):
        load(server).prepare("text", "")
    with pytest.raises(MediaError, match="not text"):
        load(server).prepare("text", "\ud800")


def test_the_identity_is_names_and_canary_and_not_the_server(server: Server) -> None:
    identity = dict(load(server).identity())
    assert identity["served_model"] == "some-model-v2"
    assert len(identity["canary"].split()) == 3
    assert str(server.server_address[1]) not in json.dumps(identity)
    assert load(server, options={"timeout": 9, "max_concurrency": 2}).identity() == identity
    server.seed = "other weights"
    assert load(server).identity()["canary"] != identity["canary"]
    assert load(server, truncate_dim=16).identity() != identity


def test_the_canary_is_requested_once_and_may_be_left_out(server: Server) -> None:
    encoder = load(server)
    encoder.identity()
    encoder.identity()
    assert len(server.requests) == 1
    assert "canary" not in load(server, options={"canary": False}).identity()
    assert len(server.requests) == 1


def test_noise_of_a_server_leaves_the_canary() -> None:
    random = np.random.default_rng(0)
    changed = 0
    for _ in range(200):
        exact = random.normal(size=(3, 1536)) / 1536**0.5
        noisy = exact + random.normal(size=exact.shape) * 1e-5
        changed += bool((np.abs(exact).argmax(axis=1) != np.abs(noisy).argmax(axis=1)).any())
    assert changed <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseurl": "http://x/v1"}, "baseurl is not known. Known: base_url"),
        ({"retries": 2.5}, "retries must be a whole number"),
        ({"timeout": "6"}, "timeout must be a number"),
        ({"max_concurrency": 0}, "above 0"),
        ({"canary": 1}, "true or false"),
        ({"base_url": "http://user:word@host/v1"}, "without a user or a key"),
        ({"base_url": "host:80"}, "base_url must be"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ApiOptions.of(spec_for("openai-3-small", options=options))


def test_the_catalogue_has_the_models_and_no_files_are_looked_for() -> None:
    dims = {name: spec.dim for name, spec in builtin_specs().items() if name.startswith("openai-")}
    assert dims == {"openai-3-small": 1536, "openai-3-large": 3072, "openai-ada-002": 1536}
    assert resolve_model(spec_for("openai-3-large"), offline=True).files == ()
    assert spec_for("api:openai/BAAI/bge-m3").name == "bge-m3"
    with pytest.raises(UnknownEncoderError, match="api:nobody"):
        spec_for("api:nobody/model")

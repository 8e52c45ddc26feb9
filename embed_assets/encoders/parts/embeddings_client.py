"""EmbeddingsClient: ask an embeddings server, wait and ask again within bounds, check what it answers."""

import email.utils
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EmbedAssetsError, EncoderOutputError, MissingExtraError, SettingsError, WeightsError

DEFAULT_KEY = "OPENAI_API_KEY"
_BUSY = frozenset({408, 409, 429})  # and everything from 500: asked again
_NO_KEY = "none"  # the client wants one, servers of one's own do not


def _is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


_AMOUNT: tuple[str, Callable[[object], bool]] = ("a number of 0 or more", _is_amount)
_TEXT: tuple[str, Callable[[object], bool]] = ("a text", lambda value: isinstance(value, str))
_COUNT: tuple[str, Callable[[object], bool]] = (
    "a whole number of 0 or more",
    lambda value: isinstance(value, int) and _is_amount(value),
)
_KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "base_url": _TEXT,
    "api_key_env": _TEXT,
    "canary": ("true or false", lambda value: isinstance(value, bool)),
    "max_concurrency": _COUNT,
    "retries": _COUNT,
}


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """What `spec.options` may say. The key itself is never here: `api_key_env` names where it is."""

    base_url: str | None = None  # of another server that speaks the same protocol, with its /v1
    api_key_env: str | None = None  # None: OPENAI_API_KEY, and no key where base_url is set
    max_concurrency: int = 8  # requests in flight
    timeout: float = 60.0  # seconds for one request
    retries: int = 6  # after the first attempt
    first_wait: float = 0.5  # seconds before the first retry, doubled for each one after it
    longest_wait: float = 60.0  # seconds; caps what the server asks for too
    canary: bool = True  # whether the identity asks the server for vectors
    price_per_million_tokens: float | None = None  # in the provider's currency, for estimates

    @classmethod
    def of(cls, spec: EncoderSpec) -> "ApiOptions":
        """The spec's options, checked. Raises SettingsError."""
        known = [each.name for each in fields(cls)]
        for name, value in spec.options.items():
            if name not in known:
                raise _wrong(spec, name, f"is not known. Known: {', '.join(known)}")
            kind, fits = _KINDS.get(name, _AMOUNT)
            if not fits(value):
                raise _wrong(spec, name, f"must be {kind}")
        options = cls(**spec.options)  # type: ignore[arg-type]  # checked above
        if options.max_concurrency < 1 or options.timeout <= 0:
            raise _wrong(spec, "max_concurrency and timeout", "must be above 0")
        if options.base_url is not None and not _is_plain_url(options.base_url):
            raise _wrong(spec, "base_url", "must be http(s)://host[:port]/v1, without a user or a key in it")
        return options

    @property
    def key_variable(self) -> str | None:
        """The environment variable with the key. Another server is not sent OpenAI's unless told to."""
        return self.api_key_env or (None if self.base_url else DEFAULT_KEY)


@dataclass(frozen=True)
class Answer:
    """What one request gave: float32 vectors in the order of its texts, and what was billed."""

    vectors: np.ndarray
    served_model: str
    tokens: int


class EmbeddingsClient:
    """One server, one model. `ask` may be called from several threads."""

    def __init__(self, spec: EncoderSpec, model: str, options: ApiOptions) -> None:
        try:
            import openai  # 1.1 s, paid by the step that encodes
        except ImportError as error:
            raise MissingExtraError(f"Encoder {spec.name!r}", "openai") from error
        self._name, self._model, self._options = spec.name, model, options
        self._dimensions = spec.truncate_dim
        self._key = _key(spec.name, options)
        self._openai: Any = openai
        # The client's own retries obey Retry-After without a cap.
        self._client: Any = openai.OpenAI(
            api_key=self._key, base_url=options.base_url, max_retries=0, timeout=options.timeout
        )

    def ask_all(self, requests: Sequence[Sequence[str]]) -> list[Answer]:
        """The answers to several requests, a few in flight at a time. The first failure ends them all."""
        if len(requests) == 1:
            return [self.ask(requests[0])]
        stop = threading.Event()
        with ThreadPoolExecutor(min(self._options.max_concurrency, len(requests))) as pool:
            futures = [pool.submit(self.ask, texts, stop) for texts in requests]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:  # those that wait for their next attempt give up
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
            failed = next((future for future in done if future.exception() is not None), None)
            return [failed.result()] if failed else [future.result() for future in futures]

    def ask(self, texts: Sequence[str], stop: threading.Event | None = None) -> Answer:
        """Vectors of the texts. Raises SettingsError, WeightsError or EncoderOutputError."""
        stop = stop or threading.Event()
        attempt = 0
        while True:
            try:
                return self._once(texts)
            except self._openai.APIError as error:
                if not self._may_pass(error):
                    raise self._refused(error) from None  # the cause may quote the key
                if attempt >= self._options.retries or stop.wait(self._wait(error, attempt)):
                    raise self._gave_up(error, attempt + 1) from None
            attempt += 1

    def _once(self, texts: Sequence[str]) -> Answer:
        asked: dict[str, Any] = {} if self._dimensions is None else {"dimensions": self._dimensions}
        try:
            response = self._client.embeddings.create(model=self._model, input=list(texts), **asked)
            return self._checked(response, len(texts))
        except (AttributeError, TypeError, ValueError) as error:  # no JSON, or JSON of another kind
            raise self._odd(f"no embeddings answer ({type(error).__name__})") from None

    def _checked(self, response: Any, count: int) -> Answer:
        data = sorted(response.data, key=lambda each: each.index)  # servers may answer in any order
        found = [each.index for each in data]
        if found != list(range(count)):
            raise self._odd(f"{len(found)} vectors with indices {found[:8]} for {count} texts, not one for each")
        lengths = {len(each.embedding) for each in data}
        if len(lengths) != 1 or 0 in lengths:
            raise self._odd(f"vectors of different or no length ({sorted(lengths)[:4]}) in one answer")
        if self._dimensions is not None and lengths != {self._dimensions}:
            raise self._odd(f"vectors of dim {lengths.pop()} though asked for {self._dimensions} dimensions")
        vectors = np.array([each.embedding for each in data], dtype=np.float32)
        tokens = int(getattr(response.usage, "prompt_tokens", 0) or 0)
        return Answer(vectors, str(response.model or ""), tokens)

    def _may_pass(self, error: Any) -> bool:
        """Whether the same request may succeed later."""
        if isinstance(error, self._openai.APIConnectionError):  # timeouts are of this class too
            return True
        status = getattr(error, "status_code", 0)
        if isinstance(error, self._openai.APIResponseValidationError) or error.code == "insufficient_quota":
            return False
        return status in _BUSY or status >= 500

    def _wait(self, error: Any, attempt: int) -> float:
        asked = asked_wait(error.response.headers) if hasattr(error, "response") else None
        wait = self._options.first_wait * 2.0 ** min(attempt, 30) if asked is None else asked
        return min(wait, self._options.longest_wait)

    def _refused(self, error: Any) -> EmbedAssetsError:
        status, key = getattr(error, "status_code", 0), self._options.key_variable
        if status in (401, 403):
            way = f"Set {key} to a key that may use" if key else "Name the variable with its key in api_key_env for"
            return SettingsError(f"Encoder {self._name!r}: the server refuses the key ({status}). {way} {self._model}.")
        if error.code == "insufficient_quota":
            return SettingsError(f"Encoder {self._name!r}: the account's quota is used up. Raise it, then run again.")
        said = self._said(error)
        if status == 404:
            return WeightsError(
                f"Encoder {self._name!r}: the server has no model {self._model!r} (404: {said}). "
                "Correct the model's name or base_url."
            )
        if isinstance(error, self._openai.APIResponseValidationError) or not 400 <= status < 500:
            return self._odd(f"an answer that can't be used ({status}: {said})")
        return SettingsError(
            f"Encoder {self._name!r}: the server refuses the request ({status}: {said}). Correct the encoder's "
            "truncate_dim, max_tokens or options for this model."
        )

    def _gave_up(self, error: Any, attempts: int) -> WeightsError:
        status = getattr(error, "status_code", None) or type(error).__name__
        return WeightsError(
            f"Encoder {self._name!r}: no answer from the server after {attempts} attempts (last: {status}). "
            "Check the network and the provider's status, or lower max_concurrency; then run again: what "
            "is embedded is kept."
        )

    def _odd(self, what: str) -> EncoderOutputError:
        return EncoderOutputError(
            f"Encoder {self._name!r}: the server gave {what}. Check that {self._model!r} is an embedding model "
            "of that server, and base_url."
        )

    def _said(self, error: Any) -> str:
        """The server's words, without the key if it quotes it."""
        body = error.body if isinstance(error.body, Mapping) else {}
        said = str(body.get("message") or type(error).__name__)
        return (said.replace(self._key, "***") if self._key != _NO_KEY else said)[:300]


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: a number, or a date. None where it asks for nothing sensible."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _key(name: str, options: ApiOptions) -> str:
    variable = options.key_variable
    if variable is None:
        return _NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SettingsError(
            f"Encoder {name!r}: the environment variable {variable} is not set. Put the provider's key into it, "
            "or name another variable in the option api_key_env."
        )
    return key


def _is_plain_url(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not parts.query


def _wrong(spec: EncoderSpec, name: str, what: str) -> SettingsError:
    return SettingsError(f"Encoder {spec.name!r}: option {name} {what}.")

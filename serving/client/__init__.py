"""The Python client: a folder that needs httpx and tenacity alone, to import or to copy.

    from serving.client import Sightline

    with Sightline("http://127.0.0.1:3000") as sightline:
        answer = sightline.classify("photo.jpg")
        print(answer.class_name, answer.confidence)

What passes by itself is tried again: connections that fail, and 429, 503 and 504. Every other error comes out
at once as ServiceError.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

# Relative, so that the folder works under any name.
from .results import (
    ClassProbability,
    Explanation,
    Milliseconds,
    Model,
    Prediction,
    Uncertainty,
    known_fields,
    read_prediction,
)

__all__ = [
    "ClassProbability",
    "Explanation",
    "Milliseconds",
    "Model",
    "Prediction",
    "ServiceError",
    "Sightline",
    "Uncertainty",
]

T = TypeVar("T")
Image = bytes | str | os.PathLike[str]

TRANSIENT_STATUSES = (429, 503, 504)
# Anything else that httpx raises is a mistake in the address or the request, and would be one again.
TRANSIENT_FAILURES = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
# "Full jitter": clients that failed together do not come back together. Brooker, "Exponential Backoff And
# Jitter", AWS Architecture Blog, 2015. Seconds: up to 0.2, 0.4, 0.8 ... 5.
BACKOFF = wait_random_exponential(multiplier=0.2, max=5)
# Of a body that is not ours, a proxy's page for example, in an error's message.
SHOWN_CHARACTERS = 200


class ServiceError(Exception):
    """The service refused, or could not be reached.

    `code` is for programs ("not_an_image", see the service's /openapi.json); "unreachable" where no answer
    came, "unexpected_answer" where it was not the service's. `status` is of HTTP, None without an answer.
    """

    def __init__(
        self, code: str, message: str, status: int | None, *, retry_after_seconds: float = 0
    ) -> None:
        super().__init__(f"{message} ({code}{f', HTTP {status}' if status else ''})")
        self.code, self.message, self.status = code, message, status
        self.retry_after_seconds = retry_after_seconds


class Sightline:
    """A connection to a service; several threads may use it.

    `url`: "http://127.0.0.1:3000". `timeout`: seconds that one attempt may take. `patience`: seconds after
    which no further attempt is begun. `transport`: httpx's, for tests and proxies of your own.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 10,
        patience: float = 30,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            wait=_pause_seconds,
            stop=stop_before_delay(patience),
            reraise=True,
        )

    def classify(self, image: Image, *, model: str | None = None, top_k: int | None = None) -> Prediction:
        """The answer for an image file's path, or its bytes; ServiceError, or OSError of the file.

        `model`: None for the one that the service serves by default. `top_k`: how many classes are listed.
        """
        path = "/v1/classify" if model is None else f"/v1/models/{quote(model, safe='')}/classify"
        query = {} if top_k is None else {"top_k": str(top_k)}
        return _parsed(self._post_image(path, image, query), read_prediction)

    def classify_many(
        self, images: Iterable[Image], *, model: str | None = None, top_k: int | None = None, at_once: int = 8
    ) -> Iterator[Prediction | ServiceError]:
        """The answers in the images' order, as they come; of an image that was refused, its ServiceError.

        `at_once` are asked for at a time, each in a request of its own: any number of images can be given,
        and one that is retried holds up no other. OSError of a file ends it.
        """
        with ThreadPoolExecutor(at_once) as pool:
            waiting: deque[Future[Prediction]] = deque()
            for image in images:
                waiting.append(pool.submit(self.classify, image, model=model, top_k=top_k))
                if len(waiting) == 2 * at_once:
                    yield _outcome(waiting.popleft())
            while waiting:
                yield _outcome(waiting.popleft())

    def explain(self, image: Image, *, class_name: str | None = None) -> Explanation:
        """Where the model saw that class, or the most probable one; errors as of `classify`."""
        query = {} if class_name is None else {"class": class_name}
        response = self._post_image("/v1/explain", image, query)
        headers = response.headers
        shown, method = headers.get("x-sightline-class", ""), headers.get("x-sightline-method", "")
        return Explanation(response.content, unquote(shown), method)

    def feedback(self, prediction_id: str, right: str | Sequence[str], *, comment: str | None = None) -> bool:
        """Whether the answer of that id was right; `right` is the image's class, or all of its labels."""
        label = {"label": right} if isinstance(right, str) else {"labels": list(right)}
        body = {"id": prediction_id, **label} | ({} if comment is None else {"comment": comment})
        response = self._send("POST", "/v1/feedback", json=body)
        return _parsed(response, lambda answer: bool(answer["right"]))

    def models(self) -> tuple[Model, ...]:
        """Every model that can be asked."""
        answer = self._send("GET", "/v1/models")
        return _parsed(answer, lambda said: tuple(known_fields(Model, entry) for entry in said))

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Sightline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post_image(self, path: str, image: Image, query: Mapping[str, str]) -> httpx.Response:
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        headers = {"content-type": "application/octet-stream"}
        return self._send("POST", path, content=data, headers=headers, params=query)

    def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        return self._retrying(self._attempt, self._client.build_request(method, path, **parts))

    def _attempt(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._client.send(request)
        except httpx.RequestError as error:
            message = f"no answer from {request.url}: {type(error).__name__}: {error}"
            raise ServiceError("unreachable", message, None) from error
        if response.is_success:
            return response
        raise _refusal(response)


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ServiceError) and (
        error.status in TRANSIENT_STATUSES or isinstance(error.__cause__, TRANSIENT_FAILURES)
    )


def _pause_seconds(state: RetryCallState) -> float:
    """The backoff; after the time that the service asked for, where it did."""
    error = state.outcome and state.outcome.exception()
    return BACKOFF(state) + (error.retry_after_seconds if isinstance(error, ServiceError) else 0)


def _refusal(response: httpx.Response) -> ServiceError:
    asked = response.headers.get("retry-after", "")
    try:
        error = response.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):  # of a proxy between, for example
        code, message = "unexpected_answer", response.text[:SHOWN_CHARACTERS]
    # A date, which HTTP allows too, our service does not send.
    seconds = float(asked) if asked.isdecimal() else 0
    return ServiceError(code, message, response.status_code, retry_after_seconds=seconds)


def _parsed(response: httpx.Response, build: Callable[[Any], T]) -> T:
    try:
        return build(response.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{type(error).__name__}: {error} in {response.text[:SHOWN_CHARACTERS]!r}"
        raise ServiceError("unexpected_answer", message, response.status_code) from None


def _outcome(asked: Future[Prediction]) -> Prediction | ServiceError:
    try:
        return asked.result()
    except ServiceError as error:
        return error

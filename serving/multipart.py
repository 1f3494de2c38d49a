"""The fields of a multipart form that is already in memory.

BentoML's and Starlette's own form parsing is not used: the one fetches URLs that a text field names, the
other writes to disk.
"""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from serving.answers import RequestError

# A form of ours has one part; browsers and clients add a few. More is an attack on the parser.
MAX_PARTS = 16


def field_contents(content_type: str, body: bytes, field: str) -> list[bytes]:
    """The content of each part of that name; RequestError (400) where the form is malformed or cut short."""
    form = _Form(field.encode())
    try:
        MultipartParser(_boundary(content_type), form.callbacks()).write(body)  # type: ignore[arg-type]
    except FormParserError as error:
        raise _malformed(str(error)[:200]) from None
    if not form.complete:
        raise _malformed("it is cut short, its last boundary is missing")
    return [bytes(content) for content in form.contents]


def _malformed(reason: str) -> RequestError:
    return RequestError(400, "bad_multipart", f"malformed multipart body: {reason}")


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _malformed("the content type names no boundary")
    return boundary


class _Form:
    """What the parser reports: the content of each part of one name; other parts are passed over."""

    def __init__(self, field: bytes) -> None:
        self.contents: list[bytearray] = []
        self.complete = False
        self._field = field
        self._parts = 0
        self._wanted = False
        self._header, self._value = bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        self._wanted = False
        if self._parts > MAX_PARTS:
            raise _malformed(f"more than {MAX_PARTS} fields")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition" and not self._wanted:
            self._wanted = parse_options_header(bytes(self._value))[1].get(b"name") == self._field
            if self._wanted:
                self.contents.append(bytearray())
        self._header.clear()
        self._value.clear()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self.contents[-1] += memoryview(data)[start:end]

    def _end(self) -> None:
        self.complete = True

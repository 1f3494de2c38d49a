"""The fields of a multipart form that is already in memory.

BentoML's and Starlette's own form parsing is not used: the one fetches URLs that a text field names, the
other writes to disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from serving.answers import RequestError

# A form of ours has one part; browsers and clients add a few. More is an attack on the parser.
MAX_PARTS = 16


@dataclass(frozen=True)
class Part:
    """A part's content, and the file name that the client gave, which may be empty or anything: no path."""

    file: str
    content: bytes


def field_contents(content_type: str, body: bytes, name: str) -> list[bytes]:
    """The content of each part of that name; RequestError (400) where the form is malformed or cut short."""
    return [part.content for part in field_parts(content_type, body, name)]


def field_parts(content_type: str, body: bytes, name: str, *, max_parts: int = MAX_PARTS) -> list[Part]:
    """Each part of that name, in order; RequestError (400) as above, or where there are more parts in all."""
    form = _Form(name.encode(), max_parts)
    try:
        MultipartParser(_boundary(content_type), form.callbacks()).write(body)  # type: ignore[arg-type]
    except FormParserError as error:
        raise _malformed(str(error)[:200]) from None
    if not form.complete:
        raise _malformed("it is cut short, its last boundary is missing")
    return [Part(file, bytes(content)) for file, content in form.parts]


def _malformed(reason: str) -> RequestError:
    return RequestError(400, "bad_multipart", f"malformed multipart body: {reason}")


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _malformed("the content type names no boundary")
    return boundary


class _Form:
    """What the parser reports: the content of each part of one name; other parts are passed over."""

    def __init__(self, name: bytes, max_parts: int) -> None:
        self.parts: list[tuple[str, bytearray]] = []
        self.complete = False
        self._name, self._max_parts = name, max_parts
        self._seen = 0
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
        self._seen += 1
        self._wanted = False
        if self._seen > self._max_parts:
            raise _malformed(f"more than {self._max_parts} fields")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition" and not self._wanted:
            options = parse_options_header(bytes(self._value))[1]
            self._wanted = options.get(b"name") == self._name
            if self._wanted:
                file = options.get(b"filename", b"").decode("utf-8", "replace")
                self.parts.append((file, bytearray()))
        self._header.clear()
        self._value.clear()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            content = self.parts[-1][1]
            content += memoryview(data)[start:end]

    def _end(self) -> None:
        self.complete = True

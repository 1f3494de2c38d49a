"""The headers of every answer (OWASP Secure Headers Project)."""

from __future__ import annotations

from collections.abc import Iterable

RawHeaders = Iterable[tuple[bytes, bytes]]

# The page loads its own files, shows the picture that was dropped (blob:, data:), calls its own service.
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    b" media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
SECURITY = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
NOT_STORED = (b"cache-control", b"no-store")


def secured(headers: RawHeaders, *, request_id: str, may_store: bool) -> list[tuple[bytes, bytes]]:
    """The headers and ours; what a route set itself stays."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    ours = [*SECURITY, (b"x-request-id", request_id.encode())]
    if not may_store:
        ours.append(NOT_STORED)
    return given + [header for header in ours if header[0] not in names]

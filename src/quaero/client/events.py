"""Server-sent events, read: bytes as they come in, whole events out. A frame that was cut is never an event."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

MAX_EVENT = 64 << 20  # bytes


@dataclass(slots=True)
class Event:
    """One event; `id` is the last one told, also by an event without data."""

    name: str
    data: bytes
    id: str | None


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of a stream. Lines end in LF or CR LF, as a server of ours ends them."""
    buffer = bytearray()
    last_id: str | None = None
    async for chunk in chunks:
        start = max(0, len(buffer) - 3)
        buffer += chunk
        if len(buffer) > MAX_EVENT:
            raise ValueError(f"an event of more than {MAX_EVENT} bytes")
        if buffer.find(b"\n\n", start) < 0 and buffer.find(b"\r\n\r\n", start) < 0:
            continue
        whole = bytes(buffer).replace(b"\r\n", b"\n")
        *frames, rest = whole.split(b"\n\n")
        buffer = bytearray(rest)
        for frame in frames:
            event = _parsed(frame, last_id)
            last_id = event.id
            yield event


def _parsed(frame: bytes, last_id: str | None) -> Event:
    name, data = "message", []
    for line in frame.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode()
        elif field == b"id" and b"\0" not in value:
            last_id = value.decode()
    return Event(name, b"\n".join(data), last_id)

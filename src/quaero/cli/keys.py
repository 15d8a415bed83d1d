"""A terminal's keys, one at a time, while a full-screen view has it: no echo, no waiting for a line."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_SEQUENCES = {
    "[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
    "[5~": "page up", "[6~": "page down", "[H": "home", "[F": "end", "[1~": "home", "[4~": "end",
}  # fmt: skip
_PLAIN = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "left",
    "\x08": "left",
    "\x03": "q",
    "\x04": "q",
    "k": "up",
    "j": "down",
}


def parse_keys(text: str) -> Iterator[str]:
    """The names of the keys that were pressed; a lone escape is `left`, what nobody knows is nothing."""
    position = 0
    while position < len(text):
        if text[position] != "\x1b":
            yield _PLAIN.get(text[position], text[position])
            position += 1
            continue
        end = position + 1
        if end < len(text) and text[end] in "[O":
            end += 1
            while end < len(text) and not "\x40" <= text[end] <= "\x7e":
                end += 1
            end += 1
            name = _SEQUENCES.get(text[position + 1 : end])
            if name is not None:
                yield name
        else:
            yield "left"
        position = end


@contextmanager
def keyboard() -> Iterator["asyncio.Queue[str]"]:
    """Keys as they are pressed, for as long as this lasts; then the terminal is as it was. `q` when it is gone."""
    keys: asyncio.Queue[str] = asyncio.Queue()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = os.read(descriptor, 1024)
        if not data:
            loop.remove_reader(descriptor)
        for key in parse_keys(data.decode(errors="replace")) if data else ("q",):
            keys.put_nowait(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield keys
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

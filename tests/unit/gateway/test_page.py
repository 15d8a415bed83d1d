"""The page's document and files: addresses that may be kept for ever, compressed, under the strict policy."""

import gzip
import re

import httpx2
import pytest

from quaero.gateway.assets import Asset, read_assets, version_of

pytestmark = pytest.mark.anyio

PAGES = ("/", "/jobs/7", "/definitions", "/documents", "/settings")


async def linked(client: httpx2.AsyncClient) -> list[str]:
    """The files the document names."""
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', (await client.get("/")).text)


@pytest.mark.parametrize("path", PAGES)
async def test_every_address_of_the_page_is_the_same_document_whatever_its_view_keeps_there(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.get(path, params={"status": "failed", "tab": "log"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.text == (await client.get("/")).text


async def test_every_file_the_document_names_is_there_and_may_be_kept_for_ever(client: httpx2.AsyncClient) -> None:
    paths = await linked(client)

    assert len(paths) > 2
    for path in paths:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_module_a_module_imports_is_there() -> None:
    assets = read_assets()
    for path, asset in assets.items():
        for name in re.findall(rb'(?:from|import)\s+"(\.[^"]+)"', asset.body) if path.endswith(".js") else ():
            parts = path.split("/")[:-1]
            for part in name.decode().split("/"):
                if part == "..":
                    parts.pop()
                elif part != ".":
                    parts.append(part)
            assert "/".join(parts) in assets, f"{path} imports {name.decode()}"


async def test_a_file_that_is_known_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/")

    again = await client.get("/", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_a_file_is_compressed_for_those_who_can_read_that() -> None:
    asset = Asset(b"the same again " * 1_000, b"text/javascript")

    plain = asset.answer({})
    packed = asset.answer({b"accept-encoding": b"gzip, br"})

    assert plain.body == asset.body
    assert gzip.decompress(packed.body) == asset.body
    assert len(packed.body) < len(plain.body) / 10
    assert (b"content-encoding", b"gzip") in packed.headers


def test_another_content_has_another_version() -> None:
    one = {"a.js": Asset(b"1", b"text/javascript")}
    other = {"a.js": Asset(b"2", b"text/javascript")}

    assert version_of(one) == version_of(dict(one)) != version_of(other)


def test_no_file_of_the_page_makes_markup_of_text_or_carries_code_of_others() -> None:
    unsafe = re.compile(
        rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?!www\.w3\.org)"
    )
    found = [(path, hit) for path, asset in read_assets().items() if (hit := unsafe.search(asset.body))]

    assert not found

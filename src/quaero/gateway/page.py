"""The page: one document for every address of it, and its files under `/static`.

The document names its files by version (see `assets`), so it is asked for again each time while they are kept. Modules
are announced in it, so that a browser fetches them all at once instead of level by level.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from quaero.domain.access import Access
from quaero.gateway.answers import Answer
from quaero.gateway.assets import ASK_AGAIN, FOR_EVER, Asset, read_assets, version_of
from quaero.gateway.routing import JobId, Routes

routes = Routes()
Headers = dict[bytes, bytes]
State = dict[str, str]  # what a view keeps in its address: read by the page alone

_ASSETS = read_assets()
_VERSION = version_of(_ASSETS)
_PUBLIC = ("js/", "css/")  # folders whose files have fixed addresses as well


def _document() -> Asset:
    shell = _ASSETS["index.html"]
    modules = "\n".join(
        f'<link rel="modulepreload" href="/static/{_VERSION}/{path}">'
        for path in _ASSETS
        if path.endswith(".js") and not path.startswith(_PUBLIC)
    )
    body = shell.body.decode().replace("{version}", _VERSION).replace("{modules}", modules)
    return replace(shell, body=body.encode())


_DOCUMENT = _document()


@routes.get("/")
async def get_queue_page(headers: Headers, query: State) -> Answer:
    """The queue."""
    return _DOCUMENT.answer(headers, ASK_AGAIN)


@routes.get("/jobs/{id}")
async def get_tree_page(headers: Headers, query: State, id: JobId) -> Answer:
    """One job with all below it. That there is such a job, the page finds out."""
    return _DOCUMENT.answer(headers, ASK_AGAIN)


@routes.get("/definitions")
async def get_definitions_page(headers: Headers, query: State) -> Answer:
    """Definitions."""
    return _DOCUMENT.answer(headers, ASK_AGAIN)


@routes.get("/documents")
async def get_documents_page(headers: Headers, query: State) -> Answer:
    """Documents."""
    return _DOCUMENT.answer(headers, ASK_AGAIN)


@routes.get("/settings")
async def get_settings_page(headers: Headers, query: State) -> Answer:
    """Settings, tokens, audit, health."""
    return _DOCUMENT.answer(headers, ASK_AGAIN)


def _file(asset: Asset, lasting: tuple[bytes, bytes]) -> Callable[[Headers], Awaitable[Answer]]:
    async def get_file(headers: Headers) -> Answer:
        return asset.answer(headers, lasting)

    return get_file


for _path, _asset in _ASSETS.items():
    routes.get(f"/static/{_VERSION}/{_path}", needs=Access.NOBODY)(_file(_asset, FOR_EVER))
    if _path.startswith(_PUBLIC):
        routes.get(f"/static/{_path}", needs=Access.NOBODY)(_file(_asset, ASK_AGAIN))

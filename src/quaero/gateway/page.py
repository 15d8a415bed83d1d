"""The page at `/`: for now the list of roots, as one static document with one script. It says so when it is stale."""

from importlib.resources import files

from quaero.gateway.answers import Answer
from quaero.gateway.routing import Routes

routes = Routes()


def _asset(name: str, content_type: bytes) -> Answer:
    body = (files("quaero.gateway") / "assets" / name).read_bytes()
    return Answer(body, content_type=content_type, headers=((b"cache-control", b"no-cache"),))


_PAGE = _asset("index.html", b"text/html; charset=utf-8")
_SCRIPT = _asset("queue.js", b"text/javascript; charset=utf-8")
_STYLE = _asset("queue.css", b"text/css; charset=utf-8")


@routes.get("/")
async def get_page() -> Answer:
    """The queue page."""
    return _PAGE


@routes.get("/static/queue.js")
async def get_script() -> Answer:
    """Its script."""
    return _SCRIPT


@routes.get("/static/queue.css")
async def get_style() -> Answer:
    """Its look."""
    return _STYLE

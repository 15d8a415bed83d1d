"""`/login` and `/logout`: a browser shows a token once and gets a session cookie for it.

The token is in the body of a form, never in an address; the cookie is out of reach of scripts and is not sent when
another site asks. Wrong tokens are slowed by address.
"""

from urllib.parse import parse_qs

from starlette.types import Receive, Scope

from quaero.gateway.answers import Answer, Header
from quaero.gateway.auth.checkpoint import Checkpoint
from quaero.gateway.auth.loginpage import HTML, NO_STORE, local_path, login_page, logout_page
from quaero.gateway.auth.place import Headers, Refusal

FORMS = frozenset({"/login", "/logout"})
MAX_FORM = 8_192  # bytes


class LoginDesk:
    """Where browsers come and go."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    async def answer(self, scope: Scope, headers: Headers, receive: Receive) -> Answer:
        """One request to `/login` or `/logout`."""
        if scope["path"] == "/logout":
            is_leaving = scope["method"] == "POST"
            return await self._log_out(scope, headers) if is_leaving else logout_page(scope["principal"].name)
        if scope["method"] == "POST":
            return await self._log_in(scope, headers, await _form(receive))
        then = parse_qs(scope["query_string"].decode("latin-1")).get("next", ["/"])[0]
        return login_page(then) if scope["method"] in ("GET", "HEAD") else Answer(b"", 405, HTML)

    async def _log_in(self, scope: Scope, headers: Headers, form: dict[str, str]) -> Answer:
        then, token = form.get("next", "/"), form.get("token", "").strip()
        principal = await self._checkpoint.check(token, scope, headers)
        if isinstance(principal, Refusal):
            wait = (b"retry-after", b"%d" % principal.retry_after)
            return login_page(then, complaint=principal.detail, status=principal.status, headers=(wait,))
        session = await self._checkpoint.log_in(token) if principal is not None else None
        if principal is None or session is None:
            return login_page(then, complaint="This token is wrong, revoked or expired.", status=403)
        scope["principal"] = principal
        return _go(local_path(then), self._cookie(scope, headers, session[0].text, session[1]))

    async def _log_out(self, scope: Scope, headers: Headers) -> Answer:
        session = self._checkpoint.session(scope, headers)
        if session is not None:
            await self._checkpoint.log_out(session)
        return _go("/login", self._cookie(scope, headers, "", 0))

    def _cookie(self, scope: Scope, headers: Headers, value: str, seconds: int) -> Header:
        name = self._checkpoint.cookie_name(scope, headers)
        secure = b"; Secure" if name.startswith(b"__Host-") else b""
        rest = b"; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s" % (seconds, secure)
        return b"set-cookie", b"%s=%s%s" % (name, value.encode(), rest)


async def _form(receive: Receive) -> dict[str, str]:
    """The fields of a form; none if it is larger than one of ours could be."""
    body = b""
    while len(body) <= MAX_FORM:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=10) if len(body) <= MAX_FORM else {}
    except ValueError:  # more fields than a form of ours has
        return {}
    return {name: values[0] for name, values in fields.items()}


def _go(address: str, *headers: Header) -> Answer:
    return Answer(b"", 303, HTML, ((b"location", address.encode()), NO_STORE, *headers))

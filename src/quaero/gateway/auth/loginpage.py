"""The page on which a person shows a token. Plain HTML: it works without scripts, and there is nothing to load but its
look."""

import html

from quaero.gateway.answers import Answer, Header

HTML = b"text/html; charset=utf-8"
NO_STORE: Header = (b"cache-control", b"no-store")

_SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/static/css/login.css">
{head}</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_FORM = """<h1>Quaero</h1>
{complaint}<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" spellcheck="false" required autofocus>
<button type="submit">Log in</button>
</form>
<p class="hint">Whoever runs this server makes one with <code>quaero token create NAME --scope viewer</code>.</p>"""


_LEAVE = """<h1>Quaero</h1>
<p>You are here as {name}.</p>
<form method="post" action="/logout"><button type="submit">Log out</button></form>
<p class="hint"><a href="/">Back to the queue</a></p>"""


def shell(title: str, body: str, head: str = "") -> bytes:
    """A small page around some HTML."""
    return _SHELL.format(title=title, body=body, head=head and head + "\n").encode()


def login_page(then: str, *, complaint: str = "", status: int = 200, headers: tuple[Header, ...] = ()) -> Answer:
    """The form; after it the browser goes on to `then`."""
    told = f'<p class="complaint" role="alert">{html.escape(complaint)}</p>\n' if complaint else ""
    form = _FORM.format(next=html.escape(local_path(then)), complaint=told)
    return Answer(shell("Log in · Quaero", form), status, HTML, (NO_STORE, *headers))


def logout_page(name: str) -> Answer:
    """A button to leave by: a link alone must not log anybody out."""
    return Answer(shell("Log out · Quaero", _LEAVE.format(name=html.escape(name))), 200, HTML, (NO_STORE,))


def local_path(then: str) -> str:
    """`then` if it leads to a page of this server, else the first page: nobody is sent elsewhere from here."""
    is_local = then.startswith("/") and not then.startswith(("//", "/\\", "/login", "/logout"))
    return then if is_local and then.isprintable() and then.isascii() and "\\" not in then else "/"

"""One spelling per page: the canonical URL, which is the key of a page's job.

Two spellings that every server treats alike must become one, or a page is fetched twice; two that a server may treat
differently must stay two, or a page is lost. So: scheme and host in lower case, no fragment, credentials, default
port or dot segments, one form of percent-encoding, the query sorted by name (the order of equal names kept) and rid
of tracking parameters. Paths keep their case, doubled slashes and trailing slash.

`RULES_VERSION` moves with every change of the rules: keys of different versions must not be compared.
"""

import re
from urllib.parse import urljoin

from yarl import URL

RULES_VERSION = 1
MAX_URL = 2_048

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]+\]")
_IGNORED = re.compile("[\t\r\n]")
_TRACKING_PREFIXES = ("utm_", "hsa_", "pk_", "piwik_", "matomo_", "mtm_")
_TRACKING = {
    *("_ga", "_gl", "_hsenc", "_hsmi", "dclid", "fbclid", "gad_source", "gbraid", "gclid", "gclsrc", "igsh", "igshid"),
    *("li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "msclkid", "oly_anon_id", "oly_enc_id", "srsltid", "ttclid"),
    *("twclid", "vero_id", "wbraid", "wickedid", "yclid"),
}


def canonical(text: str) -> str | None:
    """The one spelling of an absolute http or https URL; None for anything a crawler cannot ask for."""
    if len(text) > 2 * MAX_URL:
        return None
    try:
        url = URL(_IGNORED.sub("", text.strip()).replace(" ", "%20"))
        port = url.explicit_port
    except ValueError:
        return None
    host = _host(url)
    if url.scheme not in _DEFAULT_PORTS or host is None or port == 0:
        return None
    authority = host if port in (None, _DEFAULT_PORTS[url.scheme]) else f"{host}:{port}"
    query = _query(url.raw_query_string)
    spelled = f"{url.scheme}://{authority}{url.raw_path or '/'}{'?' + query if query else ''}"
    return spelled if len(spelled) <= MAX_URL else None


def resolve(base: str, reference: str) -> str | None:
    """The canonical URL that a reference found on `base` points to; None if no crawler can ask for it."""
    try:
        return canonical(urljoin(base, reference.strip()))
    except ValueError:
        return None


def origin_of(url: str) -> str:
    """Scheme, host and port of a canonical URL, as robots.txt is kept by: `https://example.org`."""
    return url[: url.index("/", url.index("://") + 3)]


def authority_of(url: str) -> str:
    """Host, and port unless it is the default, of a canonical URL."""
    return origin_of(url).partition("://")[2]


def _host(url: URL) -> str | None:
    host = (url.raw_host or "").lower().rstrip(".")
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if _HOST.fullmatch(bracketed) else None


def _query(raw: str) -> str:
    pairs = [pair for pair in raw.split("&") if pair and not _is_tracking(pair.partition("=")[0].lower())]
    return "&".join(sorted(pairs, key=lambda pair: pair.partition("=")[0]))


def _is_tracking(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)

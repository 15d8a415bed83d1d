"""The one line a page leaves in its job's log."""

from typing import Any


def describe(result: dict[str, Any]) -> str:
    """The page's line: `200 text/html 14.2 KB 83 ms https://… (12 links)`."""
    if result["status"] is None:
        return f"robots.txt: {result['robots']} {result['url']}"
    parts = [str(result["status"])]
    if result["content_type"]:
        parts.append(result["content_type"])
    parts += [format_size(result["bytes"]), f"{result['times']['total']} ms", result["url"]]
    if "redirect" in result:
        parts.append(f"→ {result['final_url']} ({result['redirect']})")
    if "body" in result:
        parts.append(f"({result['body']})")
    if "links" in result:
        more = f", {result['links_refused']} beyond max_pages" if "links_refused" in result else ""
        parts.append(f"({result['links']} links{more})")
    return " ".join(parts)


def format_size(count: int) -> str:
    """Bytes for people: `812 B`, `14.2 KB`, `3.1 MB`."""
    if count < 1_000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1_000:.1f} KB"
    return f"{count / 1_000_000:.1f} MB"

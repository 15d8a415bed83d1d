"""One page from permission to result."""

import gzip
import socket
from typing import Any

import msgspec
import pytest

from quaero.engine.outcomes import Fatal, Retry
from quaero.kinds.crawler.client import Network

PAGE = (
    "<title>Tides</title><a href='/a?utm_source=x'>a</a><a href='/b'>b</a><a href='http://else.example/'>e</a><p>Words."
)


@pytest.mark.anyio
async def test_a_page_is_told_in_its_result(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    result = await visit(f"{server.url}/news", depth=1)

    times = result.pop("times")
    assert result == {
        "url": f"{server.url}/news",
        "final_url": f"{server.url}/news",
        "status": 200,
        "title": "Tides",
        "content_type": "text/html",
        "charset": "utf-8",
        "bytes": len(PAGE),
        "links": 2,
        "links_found": 3,
        "links_filtered": 1,
        "depth": 1,
        "robots": "allowed",
    }
    assert set(times) == {"robots", "first_byte", "download", "parse", "total"}
    assert all(isinstance(milliseconds, int) and milliseconds >= 0 for milliseconds in times.values())
    assert tree.counts == {"pages": 1, "bytes": len(PAGE), "links_found": 3, "links_filtered": 1}


@pytest.mark.anyio
async def test_its_links_become_pages_keyed_by_their_url(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    await visit(f"{server.url}/news", delay=250_000)

    assert tree.pages == {
        f"{server.url}/a": {"url": f"{server.url}/a", "depth": 1, "rules": {"delay": 250_000}},
        f"{server.url}/b": {"url": f"{server.url}/b", "depth": 1, "rules": {"delay": 250_000}},
    }
    assert {limit.key for limit in tree.limits.values()} == {f"host:{server.url.removeprefix('http://')}"}
    assert {limit.apart for limit in tree.limits.values()} == {0.25}


@pytest.mark.anyio
async def test_each_host_has_a_limit_of_its_own(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    await visit(f"{server.url}/news", same_host=False)

    assert tree.limits["http://else.example/"].key == "host:else.example"
    assert len(tree.pages) == 3


@pytest.mark.anyio
async def test_no_more_pages_than_the_step_allows(server, visit, tree) -> None:
    server.reply("/", "".join(f"<a href=/{n}>x</a>" for n in range(50)))

    result = await visit(f"{server.url}/", max_pages=7)

    assert len(tree.pages) == 7
    assert (result["links"], result["links_refused"], result["links_found"]) == (7, 43, 50)
    assert tree.lines[0].endswith("(7 links, 43 beyond max_pages)")


@pytest.mark.anyio
async def test_a_full_crawl_follows_no_redirect_and_says_so(server, visit, tree) -> None:
    server.reply("/", "<a href=/1>x</a><a href=/2>x</a>")
    server.reply("/old", status="301 Moved", Location="/new")
    await visit(f"{server.url}/", max_pages=1)

    result = await visit(f"{server.url}/old", max_pages=1)

    assert result["redirect"] == "not followed: the crawl has its 1 pages"


@pytest.mark.anyio
async def test_pages_the_store_has_answered_for_are_not_asked_for_again(server, visit, tree) -> None:
    server.reply("/1", "<a href=/menu>x</a><a href=/2>x</a>")
    server.reply("/2", "<a href=/menu>x</a><a href=/3>x</a>")

    await visit(f"{server.url}/1")
    result = await visit(f"{server.url}/2")

    assert [url.removeprefix(server.url) for url in tree.asked] == ["/menu", "/2", "/3"]
    assert result["links"] == 2


@pytest.mark.anyio
async def test_links_are_found_but_not_followed_at_the_depth_of_the_crawl(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    result = await visit(f"{server.url}/news", depth=2, max_depth=2)

    assert (result["links"], result["links_found"], result["links_filtered"]) == (0, 3, 3)
    assert not tree.pages


@pytest.mark.anyio
async def test_a_crawl_that_follows_no_links_spawns_nothing(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    result = await visit(f"{server.url}/news", follow_links=False)

    assert "links" not in result
    assert not tree.pages


@pytest.mark.anyio
async def test_the_text_is_kept_as_a_document(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    await visit(f"{server.url}/news")

    (document,) = tree.documents
    assert (document["url"], document["title"]) == (f"{server.url}/news", "Tides")
    assert "Words." in document["text"]
    assert document["fields"] == {"status": 200, "content_type": "text/html", "depth": 0, "url_rules": 1}


@pytest.mark.anyio
async def test_one_line_tells_the_page(server, visit, tree) -> None:
    server.reply("/news", PAGE)

    result = await visit(f"{server.url}/news")

    assert tree.lines == [f"200 text/html {len(PAGE)} B {result['times']['total']} ms {server.url}/news (2 links)"]


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "403 Forbidden", "500 Oops", "503 Busy", "204 None"])
async def test_an_answer_of_any_status_completes_the_page(server, visit, tree, status: str) -> None:
    server.reply("/gone", PAGE if status[:3] != "204" else "", status=status)

    result = await visit(f"{server.url}/gone")

    assert result["status"] == int(status[:3])
    if status[:3] != "204":
        assert result["title"] == "Tides"
        assert not tree.pages
        assert not tree.documents


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["429 Slow down", "503 Busy"])
async def test_a_busy_server_is_asked_again_when_it_says(server, visit, tree, status: str) -> None:
    server.reply("/busy", "later", status=status, Retry_After="7")

    with pytest.raises(Retry) as retry:
        await visit(f"{server.url}/busy", attempt=2)
    result = await visit(f"{server.url}/busy", attempt=3)

    assert retry.value.retry_after == 7
    assert result["status"] == int(status[:3])
    assert tree.counts["pages"] == 1


@pytest.mark.anyio
async def test_a_server_that_asks_for_an_hour_is_taken_at_its_word(server, visit) -> None:
    server.reply("/busy", "later", status="503 Busy", Retry_After="3600")

    assert (await visit(f"{server.url}/busy"))["status"] == 503


@pytest.mark.anyio
async def test_a_redirect_to_another_page_is_that_page_s_job(server, visit, tree) -> None:
    server.reply("/old", status="301 Moved", Location="/new?utm_source=x#top")

    result = await visit(f"{server.url}/old", depth=1, hops=2)

    assert (result["status"], result["final_url"]) == (301, f"{server.url}/new")
    assert result["redirect"] == "followed by a job of its own"
    assert tree.pages == {f"{server.url}/new": {"url": f"{server.url}/new", "depth": 1, "hops": 3}}
    assert "/new" not in server.asked


@pytest.mark.anyio
async def test_a_redirect_to_another_spelling_of_the_page_is_followed_at_once(server, visit, tree) -> None:
    asked = 0

    async def twice(path: str, writer: Any) -> None:
        nonlocal asked
        asked += 1
        head = "302 Found\r\nLocation: /page?utm_source=self" if asked == 1 else "200 OK\r\nContent-Type: text/html"
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    server.answers["/page"] = twice

    result = await visit(f"{server.url}/page")

    assert (result["status"], asked) == (200, 2)
    assert not tree.pages


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("location", "hops", "why"),
    [
        ("http://else.example/", 0, "not followed: on another host"),
        ("/private", 0, "not followed: matches exclude_patterns"),
        ("ftp://else.example/", 0, "not followed: it leads to no web page"),
        ("/new", 5, "not followed: 5 redirects in a row"),
        ("/old", 0, "not followed: 5 redirects in a row"),
    ],
)
async def test_a_redirect_outside_the_rules_ends_there_and_is_told(
    server, visit, tree, location: str, hops: int, why: str
) -> None:
    server.reply("/old", status="302 Found", Location=location)

    result = await visit(f"{server.url}/old", hops=hops, exclude=("/private",))

    assert (result["status"], result["redirect"]) == (302, why)
    assert not tree.pages


@pytest.mark.anyio
async def test_headers_that_are_no_text_leave_a_result_that_is(server, visit) -> None:
    server.answers["/"] = (
        b"HTTP/1.1 302 \xff\r\nLocation: /\xff\xe9\r\nContent-Type: \xff/\xfe\r\nContent-Length: 0\r\n\r\n"
    )

    result = await visit(f"{server.url}/")

    assert result["status"] == 302
    assert msgspec.json.decode(msgspec.json.encode(result)) == result


@pytest.mark.anyio
async def test_robots_are_obeyed_and_told(server, visit, tree) -> None:
    server.reply("/robots.txt", "User-agent: *\nDisallow: /private\nCrawl-delay: 3", Content_Type="text/plain")
    server.reply("/", "<a href=/private/x>x</a><a href=/open>o</a>")

    front = await visit(f"{server.url}/", delay=1_000_000)
    private = await visit(f"{server.url}/private/x")

    assert (front["links"], front["links_filtered"]) == (1, 1)
    assert tree.limits[f"{server.url}/open"].apart == 3.0
    assert (private["status"], private["robots"]) == (None, "disallowed")
    assert "/private/x" not in server.asked
    assert tree.lines[-1] == f"robots.txt: disallowed {server.url}/private/x"


@pytest.mark.anyio
async def test_a_broken_robots_txt_stops_the_page_and_is_told(server, visit) -> None:
    server.reply("/robots.txt", status="503 Busy")

    result = await visit(f"{server.url}/")

    assert result["status"] is None
    assert result["robots"] == "unavailable: robots.txt answered 503, so nothing may be fetched"


@pytest.mark.anyio
async def test_robots_may_be_left_unasked(server, visit, tree) -> None:
    server.reply("/robots.txt", "User-agent: *\nDisallow: /", Content_Type="text/plain")
    server.reply("/", "<meta name=robots content=none><a rel=nofollow href=/x>x</a><p>Words.")

    result = await visit(f"{server.url}/", respect_robots=False)

    assert (result["status"], result["robots"], result["links"]) == (200, "not asked", 1)
    assert "/robots.txt" not in server.asked
    assert "/x" in next(iter(tree.pages))
    assert "Words." in tree.documents[0]["text"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("html", "headers"),
    [
        ("<meta name=robots content='noindex, nofollow'><a href=/x>x</a><p>Words.", {}),
        ("<a href=/x>x</a><p>Words.", {"X_Robots_Tag": "none"}),
        ("<a href=/x>x</a><p>Words.", {"X_Robots_Tag": "noindex, nofollow"}),
    ],
)
async def test_a_page_may_ask_not_to_be_kept_or_followed(
    server, visit, tree, html: str, headers: dict[str, str]
) -> None:
    server.reply("/", html, **headers)

    result = await visit(f"{server.url}/")

    assert (result["links"], result["links_found"], result["links_filtered"]) == (0, 1, 1)
    assert result["text"] == "not kept: the page asks for that"
    assert not tree.documents
    assert not tree.pages


@pytest.mark.anyio
async def test_plain_text_is_kept_as_it_is_and_other_types_are_only_recorded(server, visit, tree) -> None:
    server.reply("/a.csv", "day,high\n1,2\n", Content_Type="text/csv")
    server.reply("/a.pdf", b"%PDF" * 100, Content_Type="application/pdf")

    table = await visit(f"{server.url}/a.csv")
    paper = await visit(f"{server.url}/a.pdf")

    assert (table["content_type"], tree.documents[0]["text"]) == ("text/csv", "day,high\n1,2\n")
    assert (paper["status"], paper["bytes"], paper["body"]) == (200, 400, "not read: neither HTML nor text")
    assert len(tree.documents) == 1
    assert tree.counts["bytes"] == 13


@pytest.mark.anyio
async def test_charset_and_compression_are_undone(server, visit, tree) -> None:
    body = gzip.compress("<title>Café</title><p>Zürich".encode("iso-8859-1"))
    server.reply("/", body, Content_Type="text/html; charset=ISO-8859-1", Content_Encoding="gzip")

    result = await visit(f"{server.url}/")

    assert (result["title"], result["charset"], result["bytes"]) == ("Café", "cp1252", len(body))
    assert "Zürich" in tree.documents[0]["text"]


@pytest.mark.anyio
async def test_the_server_learns_who_asks_and_what_is_understood(server, visit) -> None:
    await visit(f"{server.url}/", user_agent="TideReader/2")

    robots, page = server.requests
    for request in (robots, page):
        assert "User-Agent: TideReader/2\r\n" in request
        assert "Accept-Encoding: gzip, deflate\r\n" in request
        assert "Cookie" not in request


@pytest.mark.anyio
async def test_cookies_of_one_page_are_not_shown_to_the_next(server, visit) -> None:
    server.reply("/", "<p>x", Set_Cookie="session=1")

    await visit(f"{server.url}/")
    await visit(f"{server.url}/")

    assert not any("Cookie" in request for request in server.requests)


@pytest.mark.anyio
async def test_no_answer_is_a_failure_worth_another_try(server, visit, network: Network) -> None:
    async def hang_up(path: str, writer: Any) -> None:
        writer.close()

    server.answers["/"] = hang_up

    with pytest.raises(Retry, match="closed the connection without an answer"):
        await visit(f"{server.url}/", attempt=3)


@pytest.mark.anyio
async def test_a_name_without_an_address_is_a_failure_worth_another_try(visit) -> None:
    with pytest.raises(Retry, match=r"no address is known for nobody\.invalid"):
        await visit("http://nobody.invalid/", respect_robots=False)


@pytest.mark.anyio
async def test_a_closed_port_is_a_failure_worth_another_try(visit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(Retry, match=f"cannot connect to {host}"):
        await visit(f"http://{host}/", respect_robots=False)


@pytest.mark.anyio
async def test_a_host_name_nobody_could_have_is_a_failure_for_good(visit) -> None:
    with pytest.raises(Fatal):
        await visit(f"http://{'a' * 80}.example/", respect_robots=False)

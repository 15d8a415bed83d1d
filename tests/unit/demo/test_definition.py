"""The demo's definition."""

import tomllib

from quaero.demo import definition


def test_the_definition_crawls_the_site_it_was_made_for() -> None:
    told = tomllib.loads(definition("http://127.0.0.1:8123/"))

    assert told["id"] == "news-crawler"
    assert told["step"]["crawl"]["type"] == "crawler"
    assert told["step"]["crawl"]["start_urls"] == ["http://127.0.0.1:8123/"]
    assert told["step"]["crawl"]["limit"] == 5

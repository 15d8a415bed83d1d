"""What `quaero up --demo` shows: a small news site on loopback, and a definition that crawls it."""

DEFINITION = """\
id = "news-crawler"
name = "News Crawler"
description = "Reads the demo's news site: front page, sections and the newest articles"
schedule = ""
timeout = "30m"
enabled = true
auto_start = false
tags = ["news", "demo"]

[step.crawl]
type = "crawler"
description = "Every page is a job of its own, keyed by its address"
on_error = "fail"
depends = ""
limit = 5
start_urls = ["{url}"]
max_depth = 2
max_pages = 100
delay = "100ms"

[error_tolerance]
max_child_failures = 0
failure_action = "continue"
"""


def definition(url: str) -> str:
    """The "News Crawler" definition (TOML) for a site at `url`, as `site.demo_site` yields it.

    Loopback is closed to the crawler: `crawler.allow_networks` must list `127.0.0.0/8` where it runs.
    """
    return DEFINITION.format(url=url)

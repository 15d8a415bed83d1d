"""What `quaero up --demo` shows: a small news site on loopback, a definition that crawls it, one of several steps."""

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

SURVEY = """\
id = "harbour-survey"
name = "Harbour survey"
description = "Two steps side by side, a third that needs both and in which some jobs fail, and a report"
timeout = "30m"
tags = ["harbour", "demo"]

[step.soundings]
type = "generator"
worker_count = 400
log_count = 4
log_delay_ms = 20

[step.tides]
type = "generator"
worker_count = 120
log_count = 6
log_delay_ms = 20

[step.charts]
type = "generator"
depends = "soundings, tides"
limit = 40
on_error = "continue"
worker_count = 300
log_count = 5
log_delay_ms = 60
failure_rate = 0.4

[step.report]
type = "generator"
depends = "charts"
worker_count = 8
log_count = 12
"""


def definition(url: str) -> str:
    """The "News Crawler" definition (TOML) for a site at `url`, as `site.demo_site` yields it.

    Loopback is closed to the crawler: `crawler.allow_networks` must list `127.0.0.0/8` where it runs.
    """
    return DEFINITION.format(url=url)

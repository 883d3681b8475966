"""A run's report as one page for people: it says how the run ended, and shows that it adds up.

The page is one file and asks the network for nothing: its styles stand in it, its plots are drawn
here (`plot`), and it has no script at all, so that there is none to be injected into. It is made of
text from outside (names of files, a service's words, perhaps records), all of which is escaped by
construction (`markup`). The Content-Security-Policy says the same to the browser: nothing may be
loaded or run, and the only style allowed is the one whose hash is given.

It is made from the report alone, the settings that the run's directory keeps, and samples where
they are asked for; whatever is missing in them is left out. The same report makes the same page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from ingest.page.accounts import accounts, hatching
from ingest.page.asked import asked, in_flight
from ingest.page.evidence import colophon, files, learned, replays, verified
from ingest.page.headline import headline, lede
from ingest.page.markup import Html, joined, tag
from ingest.page.over_time import over_time
from ingest.page.reading import Report, whole, word
from ingest.page.trouble import ambiguous, error, rejects

__all__ = ["page"]


def page(report: Report, settings: Report | None = None, samples: Sequence[Report] = ()) -> bytes:
    """The page in UTF-8. `settings` are the job's as they were given, `samples` rejects as their
    file has them."""
    given = settings or {}
    body = tag(
        "main",
        _head(report),
        accounts(report),
        rejects(report, samples),
        ambiguous(report),
        over_time(report, in_flight(given)),
        learned(report),
        verified(report),
        replays(report),
        asked(given),
        files(report),
        colophon(report),
    )
    title = f"{word(report, 'job') or 'ingest'}: {headline(report)[1]}"
    document = tag("html", _meta(title), tag("body", hatching(), body), lang="en")
    return f"<!doctype html>\n{document}\n".encode()


def _head(report: Report) -> Html:
    tone, sentence = headline(report)
    state = f"{word(report, 'state') or 'unknown'} · exit code {whole(report, 'exit_code')}"
    return tag(
        "header",
        tag("p", tag("span", state, class_="state"), " ", word(report, "run"), class_="run"),
        tag("h1", sentence),
        tag("p", *(tag("span", one) for one in lede(report)), class_="lede"),
        error(report),
        class_=tone,
    )


def _meta(title: str) -> Html:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )


@lru_cache(maxsize=1)
def _style() -> str:
    """The styles, without what is for their readers only. They are ours and hold no `<`."""
    text = resources.files("ingest.page").joinpath("style.css").read_text(encoding="utf-8")
    return "\n".join(line.strip() for line in joined(Html(text)).splitlines() if line.strip())

"""A file's way over real sockets: URL, PUT, trigger, status, refusals, kills and restarts."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest

from ingest.sandbox import child
from tests.sandbox.aito_file_steps import Aito, aito, lines, packed
from tests.sandbox.conftest import Running, Start
from tests.sandbox.test_s3 import peak_rss_bytes


@pytest.fixture(params=["v1", "v2"])
def api(sandbox: Running, request: pytest.FixtureRequest) -> Iterator[Aito]:
    """Both versions."""
    with aito(sandbox, request.param) as client:
        yield client


def test_the_url(api: Aito) -> None:
    """To this very host, for twenty minutes, with an id that looks like one."""
    before = datetime.now(UTC).replace(microsecond=0)
    asked = api.init(api.make())
    after = datetime.now(UTC)
    assert asked.keys() == {"id", "url", "method", "expires"}
    assert str(uuid.UUID(asked["id"], version=4)) == asked["id"]
    assert asked["method"] == "PUT"
    expires = datetime.fromisoformat(asked["expires"] + "+00:00")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", asked["expires"])
    assert before <= expires - timedelta(minutes=20) <= after
    url = urlsplit(asked["url"])
    assert (url.scheme, url.netloc) == ("http", api.api.base_url.netloc.decode())
    assert asked["id"] in url.path
    assert parse_qs(url.query)["X-Amz-Expires"] == ["1200"]


def test_the_url_has_the_name_that_was_used(sandbox: Running) -> None:
    """localhost stays localhost."""
    with aito(sandbox) as api:
        name = f"localhost:{api.api.base_url.port}"
        answer = api.api.post(api.path(f"data/{api.make()}/file"), headers={"host": name})
    assert urlsplit(answer.json()["url"]).netloc == name


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 5000])
def test_every_row_lands_in_order(api: Aito, count: int) -> None:
    """And the status says so, as documented."""
    table = api.make()
    status = api.processed(table, packed(lines(range(count))))
    assert [row["n"] for row in api.rows(table)] == list(range(count))
    assert status["errors"] == {"message": "Last 0 failing rows", "rows": None}
    told = status["status"]
    assert told.keys() == {
        "finished", "completedCount", "lastSuccessfulElement", "startedAt", "throughput"
    }  # fmt: skip
    assert told["completedCount"] == count
    last = {"n": count - 1, "text": f"row {count - 1}"} if count else None
    assert told["lastSuccessfulElement"] == last
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}\+0000", told["startedAt"])
    assert told["throughput"] >= 0


def test_nothing_is_left_of_a_processed_file(start: Start) -> None:
    """The disk is free again, soon after the end."""
    sandbox = start()
    with aito(sandbox) as api:
        api.processed(api.make(), packed(lines(range(10))))
    deadline = time.monotonic() + 30
    while list((sandbox.data_dir / "s3").iterdir()):
        assert time.monotonic() < deadline


def test_bad_rows_fail_alone(api: Aito) -> None:
    """They are shown as they stood, with words; the others land."""
    table = api.make()
    rows = [
        *lines([1, 2]),
        b'{"n": 1.50, "text": "a"}',
        b"",
        b"not json",
        *lines([3]),
        b'{"text": null}',
        b'{"n": 4, "text": "\xff"}',
        b'[{"n": 4}]',
        b'{"n": 4} {"n": 5}',
    ]
    status = api.processed(table, packed(rows))
    assert [row["n"] for row in api.rows(table)] == [1, 2, 3]
    assert status["status"]["completedCount"] == 3
    assert status["status"]["lastSuccessfulElement"]["n"] == 3
    assert status["errors"]["message"] == "Last 6 failing rows"
    failing = status["errors"]["rows"]
    assert [row["row"] for row in failing] == [
        {"n": 1.5, "text": "a"},
        "not json",
        {"text": None},
        '{"n": 4, "text": "\ufffd"}',
        [{"n": 4}],
        '{"n": 4} {"n": 5}',
    ]
    assert all(row["message"] for row in failing)


@pytest.mark.parametrize("bad", [49, 50, 51, 1500])
def test_at_most_the_last_fifty_are_listed(sandbox: Running, bad: int) -> None:
    """However many failed."""
    with aito(sandbox) as api:
        table = api.make()
        rows = [b'{"n":"%d"}' % n for n in range(bad)] + lines(range(10))
        status = api.processed(table, packed(rows))
    listed = [row["row"]["n"] for row in status["errors"]["rows"]]
    assert listed == [str(n) for n in range(max(0, bad - 50), bad)]
    assert status["errors"]["message"] == f"Last {len(listed)} failing rows"
    assert status["status"]["completedCount"] == 10


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_file_cut_short(sandbox: Running, keep: float) -> None:
    """What is readable lands, whole rows only, and an entry without a row says why."""
    with aito(sandbox) as api:
        table = api.make()
        content = packed(lines(range(20_000)))
        status = api.processed(table, content[: int(len(content) * keep)])
        landed = [row["n"] for row in api.rows(table)]
    assert landed == list(range(len(landed)))
    assert abs(len(landed) - 20_000 * keep) < 2000
    assert status["status"]["completedCount"] == len(landed)
    (trouble,) = status["errors"]["rows"]
    assert trouble["row"] is None
    assert "cut short" in trouble["message"]


def test_no_gzip(sandbox: Running) -> None:
    """Finished, nothing landed, and it is said."""
    with aito(sandbox) as api:
        table = api.make()
        status = api.processed(table, b"\n".join(lines(range(3))))
        assert api.rows(table) == []
    assert status["status"]["completedCount"] == 0
    assert "not gzip" in status["errors"]["rows"][0]["message"]


def test_what_is_not_there(api: Aito) -> None:
    """404 in aito's words: tables, uploads, another table's upload."""
    table, other = api.make(), api.make()
    upload = api.init(other)["id"]
    answer = api.api.post(api.path("data/nowhere/file"))
    assert (answer.status_code, answer.json()["message"]) == (404, "No such table: nowhere")
    for wrong in (str(uuid.uuid4()), "x", upload):
        for method in ("GET", "POST"):
            answer = api.api.request(method, api.path(f"data/{table}/file/{wrong}"))
            assert answer.status_code == 404, answer.text
            assert wrong in answer.json()["message"]


def test_the_key_is_needed(sandbox: Running) -> None:
    """For everything but the PUT."""
    with aito(sandbox, "v2") as api:
        path = f"{sandbox.url}{api.path(f'data/{api.make()}/file')}"
        for method, more in (("POST", ""), ("POST", "/x"), ("GET", "/x")):
            assert api.s3.request(method, path + more).status_code == 401


def test_trigger_before_the_upload_and_twice(api: Aito) -> None:
    """Both are refused, and the rows land once."""
    table = api.make()
    asked = api.init(table)
    answer = api.trigger(table, asked["id"])
    assert answer.status_code == 400
    assert "Nothing was uploaded" in answer.text
    assert api.status(table, asked["id"])["status"]["startedAt"] is None
    assert api.s3.put(asked["url"], content=packed(lines(range(3)))).status_code == 200
    answer = api.trigger(table, asked["id"])
    assert (answer.status_code, answer.json()) == (200, {"id": asked["id"]})
    answer = api.trigger(table, asked["id"])
    assert answer.status_code == 400
    assert "already" in answer.text
    api.ended(table, asked["id"])
    assert api.trigger(table, asked["id"]).status_code == 400
    assert len(api.rows(table)) == 3


def test_two_triggers_at_once(sandbox: Running) -> None:
    """One begins."""
    with aito(sandbox) as api:
        table = api.make()
        upload = api.uploaded(table, packed(lines(range(500))))
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(api.trigger(table, upload).status_code))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        api.ended(table, upload)
        assert sorted(answers) == [200, 400, 400, 400, 400]
        assert len(api.rows(table)) == 500


def test_a_later_put_changes_nothing_that_runs(start: Start) -> None:
    """The body was taken at the trigger."""
    with aito(start("--fault", "slow-processing:500ms:first1")) as api:
        table = api.make()
        asked = api.init(table)
        api.s3.put(asked["url"], content=packed(lines([1])))
        assert api.trigger(table, asked["id"]).status_code == 200
        assert api.s3.put(asked["url"], content=packed(lines([2]))).status_code == 200
        api.ended(table, asked["id"])
        assert [row["n"] for row in api.rows(table)] == [1]


def test_a_table_that_goes_while_it_is_filled(sandbox: Running) -> None:
    """Ends the processing with words."""
    with aito(sandbox) as api:
        table = api.make()
        upload = api.begun(table, packed(lines(range(100_000))))
        while api.status(table, upload)["status"]["completedCount"] == 0:
            pass
        assert api.api.delete(f"/api/v1/schema/{table}").status_code == 200
        status = api.ended(table, upload)
    assert 0 < status["status"]["completedCount"] < 100_000
    assert status["errors"]["rows"] == [{"row": None, "message": f"No such table: {table}"}]


def test_others_get_their_turn(sandbox: Running) -> None:
    """Progress is seen, growing, and other requests are served in between."""
    with aito(sandbox) as api:
        table, other = api.make(), api.make()
        upload = api.begun(table, packed(lines(range(100_000))))
        seen = []
        while not (status := api.status(table, upload)["status"])["finished"]:
            seen.append(status["completedCount"])
            assert api.rows(other) == []
    assert len(set(seen)) > 3
    assert seen == sorted(seen)


@contextmanager
def mortal(data_dir: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Aito]]:
    """A sandbox that may end as it likes."""
    command = child.command(["--data", str(data_dir), *options])
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=child.environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = orjson.loads(process.stdout.readline())["ready"]
            with (
                httpx.Client(base_url=url, trust_env=False) as http,
                aito(Running(process, url, data_dir, http)) as api,
            ):
                yield process, api
        finally:
            process.stdin.close()
            process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_loses_and_doubles_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Killed in the middle or ended in order: the next process goes on where the rows are."""
    # Chunks with bad rows are slower: there is time to strike.
    bad = {n for n in range(20_000, 40_000) if n % 300 == 7}
    rows = [b'{"n":"bad"}' if n in bad else line for n, line in enumerate(lines(range(40_000)))]
    with mortal(tmp_path) as (process, api):
        table = api.make()
        upload = api.begun(table, packed(rows))
        while api.status(table, upload)["status"]["completedCount"] < 2000:
            pass
        process.send_signal(number)
        assert process.wait(30) == (0 if number == signal.SIGTERM else -number)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    with mortal(tmp_path) as (_, api):
        before = [row["n"] for row in api.rows(table)]
        first = api.status(table, upload)["status"]
        status = api.ended(table, upload)
        found = [row["n"] for row in api.rows(table)]
    good = [n for n in range(40_000) if n not in bad]
    assert 2000 <= len(before) < len(good)
    assert first["completedCount"] >= len(before)
    assert found == good
    assert status["status"]["completedCount"] == len(good)
    assert len(status["errors"]["rows"]) == 50
    with mortal(tmp_path) as (_, api):
        assert api.status(table, upload)["status"] == status["status"]


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_discard_counts(start: Start, count: int) -> None:
    """Nothing is stored and the count is right."""
    sandbox = start("--discard")
    with aito(sandbox) as api:
        table = api.make()
        status = api.processed(table, packed(lines(range(count))))
        assert api.rows(table) == []
    assert status["status"]["completedCount"] == count
    assert status["errors"]["rows"] is None


def test_a_session_outlives_a_change_of_mode(tmp_path: Path) -> None:
    """What was to be thrown away can't be landed later, and the other way round: it is said."""
    for first, then in (((), "--discard"), (("--discard",), "")):
        slow = ("--fault", "slow-processing:1000s:first1")
        with mortal(tmp_path, *slow, *first) as (_, api):
            table = api.make()
            upload = api.begun(table, packed(lines(range(5))))
        with mortal(tmp_path, *filter(None, [then])) as (_, api):
            status = api.ended(table, upload)
        assert status["status"]["completedCount"] == 0
        assert "No such file" in status["errors"]["rows"][0]["message"]


def test_discard_tells_a_broken_file_and_a_missing_one(start: Start) -> None:
    """As without it."""
    with aito(start("--discard")) as api:
        table = api.make()
        status = api.processed(table, packed(lines(range(100)))[:-1])
        assert "cut short" in status["errors"]["rows"][0]["message"]
        assert status["status"]["completedCount"] == 100
        assert api.trigger(table, api.init(table)["id"]).status_code == 400


def test_memory_stays_flat(start: Start) -> None:
    """A file of 200 MB unpacked costs little more than SQLite's cache of 64 MiB."""
    sandbox = start()
    with aito(sandbox) as api:
        table = api.make()
        api.processed(table, large(2))
        before = peak_rss_bytes(sandbox)
        status = api.processed(table, large(200))
        assert status["status"]["completedCount"] == 200 * 5
    assert peak_rss_bytes(sandbox) - before < 100_000_000


def large(megabytes: int) -> bytes:
    """A file of rows of 200 kB, five a megabyte and two megabytes a gzip member."""
    text = b"".join(b"%d," % (n * n) for n in range(30_000))[:200_000]
    return packed(b'{"n":%d,"text":"%b"}' % (n, text) for n in range(10)) * (megabytes // 2)

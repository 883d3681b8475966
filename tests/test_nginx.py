"""A proxy with a limit of its own: nginx in front of the sandbox, `client_max_body_size 2m`.

It answers 413 as soon as it has read the head, while the body is still being sent, and closes. So
the refusal must be read although the writing fails, and told from a lost answer.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.end_to_end import counts, job_of, load, new_table
from tests.sandbox.conftest import running

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
LIMIT_BYTES = 2 * 1024 * 1024
RECORDS, IN_FLIGHT = 60_000, 8
CONFIG = """
daemon off; {user} worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format plain "$status $request_length $request"; access_log {folder}/access.log plain;
  client_max_body_size 2m; lingering_close {lingering};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)"
)


@contextmanager
def nginx(folder: Path, behind: str, lingering: str) -> Iterator[str]:
    """Its URL, for the time of the block. Without `lingering` it does not take what still comes
    behind its answer, so that the connection is reset."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""  # else it could not write to our folder
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=folder, port=port, behind=behind, user=user, lingering=lingering)
    )
    line = [str(NGINX), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it listens."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nginx does not listen (exit code {process.poll()})")


@pytest.mark.parametrize("lingering", ["on", "off"])
def test_a_limit_of_two_megabytes(tmp_path, lingering, anyio_backend):
    """The exact set lands once, the limit is learned, and it costs at most 5 answers 413."""
    text = "x" * 370
    lines = (b'{"n":%d,"text":"%s"}\n' % (n, text.encode()) for n in range(RECORDS))
    (tmp_path / "a.ndjson").write_bytes(b"".join(lines))
    table = new_table()
    job = job_of(tmp_path, table, "a.ndjson", limits={"in_flight": IN_FLIGHT})
    with running(tmp_path / "data") as sandbox, nginx(tmp_path, sandbox.url, lingering) as url:
        run = load(replace(sandbox, url=url), job, tmp_path, anyio_backend)
        found = sandbox.sql(
            f"select count(*) as n, count(distinct n) as d, sum(n) as s from {table}"
        )
        largest = sandbox.stats()["largest_body"]
    assert (run.code, counts(run.report)) == (0, {"read": RECORDS, "accepted": RECORDS})
    rows = orjson.loads(found.content)["rows"]
    assert rows == [{"n": RECORDS, "d": RECORDS, "s": RECORDS * (RECORDS - 1) // 2}]
    asked = [line.split() for line in (tmp_path / "access.log").read_text().splitlines()]
    sent = [line for line in asked if line[3].endswith(f"/tables/{table}")]
    statuses = Counter(line[0] for line in sent)
    assert 1 <= statuses["413"] <= 5, statuses
    assert set(statuses) == {"200", "413"}
    assert run.report["requests"]["sent"] == len(sent)
    assert largest <= LIMIT_BYTES
    # Learned: nearly as few requests as bodies of half the refused size, or the largest, allow.
    assert statuses["200"] <= 2 * RECORDS * 400 / largest

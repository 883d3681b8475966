"""`ingest check` against real servers and a machine that lacks things: every look is shown."""

from __future__ import annotations

import http.server
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import orjson
import pytest

from ingest.build import checking_machine, checking_network
from ingest.build.checking import CheckOptions, check
from ingest.job import Job
from ingest.operations.check_finding import Finding, exit_code
from ingest.state import StateDir
from tests.certificates import own_certificate, server_tls
from tests.end_to_end import done, job_of
from tests.jwt import jwt
from tests.sandbox.conftest import Running, running

NAMES = ["job", "files", "state directory", "lasting", "disk", "open files", "credentials", "token",
         "proxy", "reachability", "clock", "TLS", "limits", "table", "rights"]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all of them."""
    with running(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


def job(folder: Path, table: str = "nowhere", **sections: Any) -> Job:
    """A job over one file."""
    (folder / "a.csv").write_text("n\n1\n")
    return job_of(folder, table, "a.csv", **sections)


def checked(
    asked: Job, folder: Path, url: str, token: str = "sandbox", backend: str = "asyncio", **env: str
) -> dict[str, Finding]:
    """The findings by name; of several of one name the worst."""
    known = {"AIO_TOKEN": token, "AIO_BASE_URL": url, "HOME": str(folder), **env}
    with mock.patch.dict(os.environ, known):
        found = anyio.run(check, asked, CheckOptions(folder / "state"), backend=backend)
    worst = ["ok", "unknown", "warn", "away", "mend"]
    return {one.name: one for one in sorted(found, key=lambda one: worst.index(one.state))}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_all_is_well(server: Running, tmp_path: Path, backend: str) -> None:
    """A line for each thing, none of which is to be mended; nothing is left behind."""
    table = server.make({"name": "n", "type": "Bigint"})
    found = checked(job(tmp_path, table), tmp_path, server.url, backend=backend)
    assert sorted(found) == sorted(NAMES)
    assert {one.state for one in found.values()} <= {"ok", "warn"}
    assert "may read schemas and rows (0 now)" in found["rights"].said
    assert exit_code(found.values()) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_every_look_is_shown(tmp_path: Path) -> None:
    """Nothing there at all: each has its line, and what to do."""
    asked = job(tmp_path, delivery={"stamp": "b", "id": "derived"})
    (tmp_path / "a.csv").unlink()
    (tmp_path / "state").write_text("no directory")
    found = checked(asked, tmp_path, "http://127.0.0.1:1", token="")
    mends = {name for name, one in found.items() if one.state == "mend"}
    assert mends >= {"job", "files", "state directory", "credentials"}
    assert all(one.mend for one in found.values() if one.state in ("mend", "away"))
    assert (found["reachability"].state, found["table"].state) == ("away", "unknown")
    assert exit_code(found.values()) == 2


def test_away(tmp_path: Path) -> None:
    """A service that does not answer: 7, and nothing else is wrong."""
    found = checked(job(tmp_path), tmp_path, "http://127.0.0.1:1")
    assert found["reachability"].state == "away"
    assert exit_code(found.values()) == 7


def test_missing_table(server: Running, tmp_path: Path) -> None:
    """Would be made, or is to be mended."""
    asked = job(tmp_path)
    assert "a run makes it" in checked(asked, tmp_path, server.url)["table"].said
    target = asked.target.model_copy(update={"create": False})
    found = checked(asked.model_copy(update={"target": target}), tmp_path, server.url)
    assert (found["table"].state, exit_code(found.values())) == ("mend", 2)


def test_wrong_token(server: Running, tmp_path: Path) -> None:
    """The service's refusal stands at the table, without the token."""
    found = checked(job(tmp_path), tmp_path, server.url, token="wrong-token-here")
    assert found["table"].state == "mend"
    assert not any("wrong-token-here" in one.said + one.mend for one in found.values())


@pytest.mark.parametrize(("left_s", "state"), [(-10, "mend"), (600, "warn"), (10**6, "ok")])
def test_token_end(server: Running, tmp_path: Path, left_s: int, state: str) -> None:
    """A token that says when it ends."""
    token = jwt(int(time.time()) + left_s)
    found = checked(job(tmp_path), tmp_path, server.url, token=token)
    assert found["credentials" if left_s < 0 else "token"].state == state


def test_foreign_host(server: Running, tmp_path: Path) -> None:
    """A token that belongs elsewhere is not sent; the host is looked at all the same."""
    asked = job(tmp_path, target={"base_url": server.url})
    found = checked(asked, tmp_path, "https://elsewhere.invalid")
    assert (found["credentials"].state, found["reachability"].state) == ("mend", "ok")
    assert found["table"].said == "not looked at: there is no credential"


def test_pipe(tmp_path: Path) -> None:
    """A FIFO is not touched: reading it would take from the run."""
    asked = job(tmp_path)
    (tmp_path / "a.csv").unlink()
    os.mkfifo(tmp_path / "a.csv")
    found = checked(asked, tmp_path, "http://127.0.0.1:1")
    assert (found["files"].state, "not looked at" in found["files"].said) == ("warn", True)


def test_sandbox_is_not_begun(tmp_path: Path) -> None:
    """A rehearsal with no data yet is all well, and nothing is made for it."""
    asked = job(tmp_path, target={"base_url": "sandbox"})
    found = checked(asked, tmp_path, "http://127.0.0.1:1")
    assert "credentials" not in found
    assert (found["sandbox"].state, found["table"].state) == ("ok", "ok")
    assert not (tmp_path / "state").exists()


# --- the machine ------------------------------------------------------------------------------


def place(folder: Path, mountinfo: str = "") -> list[Finding]:
    """What is found of a state directory in `folder`."""
    mounts = folder / "mounts"
    mounts.write_text(mountinfo)
    return checking_machine.state_directory(StateDir(folder / "state"), "job", mounts)


@pytest.mark.parametrize(
    ("kind", "name", "state"),
    [
        ("ext4", "lasting", "ok"),
        ("overlay", "lasting", "warn"),
        ("nfs4", "state directory", "mend"),
    ],
)
def test_file_systems(tmp_path: Path, kind: str, name: str, state: str) -> None:
    """What lasts, what goes with a container, what no journal can lie on."""
    found = place(tmp_path, f"1 0 0:1 / / rw - {kind} none rw\n")
    assert [one.state for one in found if one.name == name] == [state]


def test_open_to_others(tmp_path: Path) -> None:
    """A directory that was there before is no secret."""
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    assert [one.mend for one in place(tmp_path) if one.state == "warn"] == [
        f"chmod 700 {tmp_path / 'state'}"
    ]
    assert list((tmp_path / "state").iterdir()) == []


def test_dangling_link(tmp_path: Path) -> None:
    """A link to nowhere can't be made a directory."""
    (tmp_path / "state").symlink_to(tmp_path / "gone")
    found = place(tmp_path)
    assert (found[0].state, "link" in found[0].said) == ("mend", True)


def test_spools_need_room(tmp_path: Path) -> None:
    """By way of a file two spools must fit."""
    target = {"system": "aito", "via": "file"}
    asked = job(tmp_path, target=target, limits={"spool_bytes": 5_000_000_000})
    huge = 10_000_000_001
    for free, state in ((huge, "ok"), (huge - 2, "mend")):
        usage = mock.Mock(free=free)
        with mock.patch("shutil.disk_usage", return_value=usage):
            found = checked(asked, tmp_path, "http://127.0.0.1:1")
        assert found["disk"].state == state


# --- the way to the service -------------------------------------------------------------------


@contextmanager
def web(date: str | None, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers HEAD with this Date, over TLS with a context."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.send_response_only(404)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        if context is not None:
            found.socket = context.wrap_socket(
                found.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'https' if context else 'http'}://127.0.0.1:{found.server_port}"
        finally:
            found.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("behind_s", "state"), [(0, "ok"), (60, "warn"), (3600, "mend"), (None, "unknown")]
)
def test_clock(tmp_path: Path, behind_s: int | None, state: str) -> None:
    """Held against the Date of any answer; a wrong clock does not make the service unreachable."""
    date = None if behind_s is None else formatdate(time.time() + behind_s, usegmt=True)
    with web(date) as url:
        found = checked(job(tmp_path), tmp_path, url)
    assert (found["clock"].state, found["reachability"].state) == (state, "ok")
    assert found["table"].state != "unknown"


def certificate(folder: Path, days: int) -> ssl.SSLContext:
    """A server's own certificate for loopback, in `folder`/cert.pem."""
    return server_tls(own_certificate(folder, "IP:127.0.0.1", days))


def test_unknown_authority(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is to be mended, and no token goes out."""
    with web(None, certificate(tmp_path, 90)) as url:
        found = checked(job(tmp_path), tmp_path, url)
    assert (found["reachability"].state, found["TLS"].state) == ("mend", "mend")
    assert found["table"].state == "unknown"


@pytest.mark.parametrize(("days", "state"), [(5, "warn"), (90, "ok")])
def test_certificate_end(tmp_path: Path, days: int, state: str) -> None:
    """Version, authority and the certificate's end."""
    context = certificate(tmp_path, days)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    with (
        mock.patch.object(checking_network, "authorities", return_value=(trusted, "cert.pem")),
        mock.patch("ingest.wire.exchange._tls", return_value=trusted),
        web(None, context) as url,
    ):
        found = checked(job(tmp_path), tmp_path, url)
    assert (found["reachability"].state, found["TLS"].state) == ("ok", state)
    assert "TLSv1.3, verified with cert.pem; its certificate ends at" in found["TLS"].said


def test_proxy_without_its_password(tmp_path: Path) -> None:
    """A proxy of the environment is shown as host and port."""
    with mock.patch.dict(os.environ, {"https_proxy": "http://me:secret@proxy.invalid:3128"}):
        found = checking_network.proxies()
    assert found["https"] == "proxy.invalid:3128"
    url = "https://service.invalid"
    env = {"https_proxy": "http://me:secret@127.0.0.1:1", "no_proxy": ""}
    looked = checked(job(tmp_path), tmp_path, url, **env)
    assert looked["proxy"].said == "through 127.0.0.1:1"
    assert looked["reachability"].state == "away"
    assert not any("secret" in one.said + one.mend for one in looked.values())


# --- the command ------------------------------------------------------------------------------


def test_command(server: Running, tmp_path: Path) -> None:
    """Lines on standard output; JSON on request; exit codes."""
    table = server.make({"name": "n", "type": "Bigint"})
    (tmp_path / "a.csv").write_text("n\n1\n")
    path = tmp_path / "job.toml"
    path.write_text(
        f'[source]\npaths = "a.csv"\n[target]\nsystem = "avalanchio"\ntable = "{table}"\n'
    )
    env = {"AIO_TOKEN": "sandbox", "AIO_BASE_URL": server.url, "LANG": "C.UTF-8"}
    state = ("--state-dir", str(tmp_path / "state"))
    code, shown = done(tmp_path, "check", path, *state, env=env)
    assert (code, "nothing to mend" in shown.stdout.decode()) == (0, True), shown.stderr
    code, shown = done(tmp_path, "check", path, *state, "--json", env={**env, "AIO_TOKEN": ""})
    report = orjson.loads(shown.stdout)
    states = {one["name"]: one["state"] for one in report["checks"]}
    assert (code, report["exit_code"], states["credentials"]) == (2, 2, "mend")

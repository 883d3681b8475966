"""Files to signed addresses: the bytes, the headers, the limits, and where nothing is sent."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from ingest.errors import TargetError
from ingest.wire import PutEnd, PutRules, Secret, Senses, SignedUrl, Timeouts, put_file
from ingest.wire.body import PIECE_BYTES
from ingest.wire.presigned import LEAST_LEFT_S
from tests.certificates import own_certificate, secured
from tests.fake_server import FakeServer, Line, answer, replay, response
from tests.wire.scripts import (
    BEYOND_BUFFERS,
    Clock,
    close_after_body,
    deaf,
    dripping,
    early_refusal,
    reset_amid_body,
    reset_before_reading,
    silent,
)

pytestmark = pytest.mark.anyio

SIGNATURE = "f00d" * 16
QUERY = f"X-Amz-Credential=AKIAEXAMPLE%2Fs3&X-Amz-Signature={SIGNATURE}"
HERE = PutRules(loopback=True, senses=Senses(Clock(), lambda: 1_000.0, lambda: 0.5))
OK = response(200, b"", None, {"ETag": '"x"'})


def url_of(server: FakeServer, query: str = QUERY) -> SignedUrl:
    """A signed address at the server."""
    return SignedUrl(Secret(f"{server.base_url}/bucket/key.gz?{query}"), plain=True)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A file of a piece and a bit."""
    path = tmp_path / "spool.gz"
    path.write_bytes(bytes(range(256)) * (PIECE_BYTES // 256 + 100))
    return path


def size(path: Path) -> int:
    """Its length."""
    return path.stat().st_size


def clean(error: BaseException | None) -> bool:
    """No signature in the error, its causes, or the local variables of the package's frames."""
    shown = ""
    while error is not None:
        summary = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [f"{f.locals}" for f in summary.stack if "/ingest/" in f.filename]
        shown += "".join(summary.format_exception_only()) + "".join(ours) + repr(error.__dict__)
        error = error.__cause__ or error.__context__
    return SIGNATURE not in shown


async def test_the_very_bytes_arrive_with_what_http_needs_and_no_more(spool):
    """Host and Content-Length; no key, type, cookie, agent, encoding; never chunked."""
    told: list[int] = []
    with FakeServer(replay(OK)) as server:
        port = server.port
        result = await put_file(url_of(server), spool, size(spool), HERE, told.append)
    assert result.end is PutEnd.STORED
    (request,) = server.requests
    assert request.line == f"PUT /bucket/key.gz?{QUERY} HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{port}",
        "content-length": str(size(spool)),
    }
    assert bytes(request.body) == spool.read_bytes()
    assert told == [PIECE_BYTES, size(spool)]


@pytest.mark.parametrize("size_bytes", [0, 1, 2, PIECE_BYTES, PIECE_BYTES + 1])
async def test_a_file_of_any_size(tmp_path, size_bytes):
    """An empty one has a length, too."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * size_bytes)
    with FakeServer(replay(OK)) as server:
        result = await put_file(url_of(server), path, size_bytes, HERE)
    assert result.end is PutEnd.STORED
    assert server.requests[0].headers["content-length"] == str(size_bytes)
    assert len(server.requests[0].body) == size_bytes


@pytest.mark.parametrize(
    ("signed", "known", "sent"),
    [
        ("host", None, None),
        ("host", "application/gzip", None),
        ("content-type%3Bhost", None, None),
        ("content-type%3Bhost", "application/gzip", "application/gzip"),
    ],
)
async def test_a_type_goes_only_where_it_is_signed_and_known(spool, signed, known, sent):
    """Any other would break the signature."""
    rules = replace(HERE, content_type=known)
    with FakeServer(replay(OK)) as server:
        url = url_of(server, f"{QUERY}&X-Amz-SignedHeaders={signed}")
        await put_file(url, spool, size(spool), rules)
    assert server.requests[0].headers.get("content-type") == sent


@pytest.mark.parametrize(
    ("left_s", "begun"),
    [(None, True), (-3_600, True), (0, True), (1, False), (2, False), (LEAST_LEFT_S, False),
     (LEAST_LEFT_S + 0.1, True), (900, True)],
)  # fmt: skip
async def test_nothing_is_begun_with_an_address_that_ends_too_soon(spool, left_s, begun):
    """Another one is asked for; one that seems to have ended already is the store's to judge."""
    end_s = None if left_s is None else 1_000 + left_s
    with FakeServer(replay(OK)) as server:
        text = Secret(f"{server.base_url}/bucket/key.gz?{QUERY}")
        url = SignedUrl(text, plain=True, expires_at=end_s)
        result = await put_file(url, spool, size(spool), HERE)
    assert result.end is (PutEnd.STORED if begun else PutEnd.EXPIRED)
    assert len(server.requests) == begun


@pytest.mark.parametrize(("took_s", "begun"), [(0, True), (94, True), (95, False), (1e9, False)])
async def test_what_is_left_goes_by_while_the_host_is_looked_up(spool, took_s, begun):
    """On the monotonic clock: a wall clock that jumps changes nothing."""
    clock, walls = Clock(), iter([1_000.0, 1e9, 1e9])

    async def slow(_host: str, _port: int) -> Sequence[str]:
        clock.now += took_s
        return ["127.0.0.1"]

    rules = replace(HERE, resolve=slow, senses=Senses(clock, lambda: next(walls)))
    with FakeServer(replay(OK)) as server:
        text = f"{server.base_url}/bucket/key.gz?{QUERY}".replace("127.0.0.1", "store.test")
        url = SignedUrl(Secret(text), plain=True, expires_at=1_100)
        result = await put_file(url, spool, size(spool), rules)
    assert result.end is (PutEnd.STORED if begun else PutEnd.EXPIRED)
    assert len(server.requests) == begun


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(spool, status):
    """The other place gets nothing, not even a connection."""
    with FakeServer(replay(OK)) as other:
        there = {"Location": f"{other.base_url}/x?X-Amz-Signature={SIGNATURE}"}
        with FakeServer(answer(status, b"", None, there)) as server:
            result = await put_file(url_of(server), spool, size(spool), HERE)
    assert other.connections == 0
    assert server.connections == 1
    assert result.end is PutEnd.REFUSED
    assert "not followed" in result.message
    assert SIGNATURE not in repr(result)


@pytest.mark.parametrize(
    ("script", "timeouts", "size_bytes"),
    [
        (reset_before_reading, Timeouts(), BEYOND_BUFFERS),
        (reset_amid_body, Timeouts(), BEYOND_BUFFERS),
        (close_after_body, Timeouts(), 1_000),
        (silent, Timeouts(read_s=0.05), 1_000),
        (dripping, Timeouts(read_s=0.5, total_s=0.1), 1_000),
        (deaf, Timeouts(write_s=0.05), BEYOND_BUFFERS),
    ],
)
async def test_a_broken_connection_is_for_again(tmp_path, script, timeouts, size_bytes):
    """A PUT may be repeated; every step has its limit."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * size_bytes)
    with FakeServer(script) as server:
        with anyio.fail_after(8):
            rules = replace(HERE, timeouts=timeouts)
            result = await put_file(url_of(server), path, size_bytes, rules)
    assert result.end is PutEnd.BUSY
    assert SIGNATURE not in repr(result)


async def test_a_refusal_amid_the_body_is_heard(tmp_path):
    """S3 answers EntityTooLarge without reading on."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * 3_000_000)
    with FakeServer(early_refusal) as server:
        result = await put_file(url_of(server), path, 3_000_000, HERE)
    assert result.end is PutEnd.REFUSED
    assert result.status == 413


async def test_nobody_listening_is_for_again(spool):
    """Nothing was stored."""
    with FakeServer(silent) as server:
        url = url_of(server)
    result = await put_file(url, spool, size(spool), HERE)
    assert result.end is PutEnd.BUSY
    assert "no connection" in result.message


async def test_the_time_for_a_file_grows_with_its_size(tmp_path, monkeypatch):
    """One GB at the slowest bearable pace, besides the time that any request has."""
    totals: list[float] = []

    async def noting(_client, _request, total_s, _body=None):
        totals.append(total_s)
        raise KeyboardInterrupt

    monkeypatch.setattr("ingest.wire.presigned.exchange", noting)
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(2**30)  # a hole: takes no disk
    with FakeServer(replay(OK)) as server, pytest.raises(KeyboardInterrupt):
        await put_file(url_of(server), path, 2**30, HERE)
    assert totals == [300.0 + 8192.0]


# --- where nothing is sent ----------------------------------------------------------------------


def resolver(*addresses: str):
    """A resolver that gives these for every name, and keeps what it was asked."""
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        await anyio.lowlevel.checkpoint()
        asked.append((host, port))
        return addresses

    return resolve, asked


PUBLIC_API = PutRules(loopback=False, senses=HERE.senses)


@pytest.mark.parametrize("rules", [PUBLIC_API, HERE], ids=["public", "loopback"])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "10.0.0.1", "[fd00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "0.0.0.0",
     "0xA9FEA9FE", "10.1", "[ff02::1]", "[fe80::1]"],
)  # fmt: skip
async def test_addresses_that_are_not_public_get_no_connection(spool, host, rules):
    """Whatever they are spelled like, wherever the API is."""
    url = SignedUrl(Secret(f"https://{host}/x?{QUERY}"), plain=rules.loopback)
    with pytest.raises(TargetError, match="no connection") as caught:
        await put_file(url, spool, size(spool), rules)
    assert clean(caught.value)


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1", "8.8.8.8"]])
async def test_all_addresses_of_a_name_must_pass(spool, addresses):
    """One that does not is enough."""
    resolve, asked = resolver(*addresses)
    url = SignedUrl(Secret(f"https://bucket.example/x?{QUERY}"))
    with pytest.raises(TargetError, match="no connection") as caught:
        await put_file(url, spool, size(spool), replace(PUBLIC_API, resolve=resolve))
    assert asked == [("bucket.example", 443)]
    assert clean(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
async def test_this_machine_gets_no_connection_from_a_public_api(spool, host):
    """A socket that listens proves it."""
    with FakeServer(replay(OK)) as server:
        url = SignedUrl(Secret(f"https://{host}:{server.port}/x?{QUERY}"))
        with pytest.raises(TargetError, match="loopback") as caught:
            await put_file(url, spool, size(spool), PUBLIC_API)
    assert server.connections == 0
    assert clean(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
async def test_this_machine_gets_it_from_an_api_on_it(spool, host):
    """The sandbox; each spelling is this machine."""
    with FakeServer(replay(OK)) as server:
        netloc = f"{host}:{server.port}"
        url = SignedUrl(Secret(f"http://{netloc}/x?{QUERY}"), plain=True)
        result = await put_file(url, spool, size(spool), HERE)
    assert result.end is PutEnd.STORED
    assert server.requests[0].headers["host"] == netloc


async def test_plain_http_goes_to_this_machine_only(spool):
    """Even where the API is on it."""
    resolve, _ = resolver("8.8.8.8")
    url = SignedUrl(Secret(f"http://bucket.example/x?{QUERY}"), plain=True)
    with pytest.raises(TargetError, match="plain http"):
        await put_file(url, spool, size(spool), replace(HERE, resolve=resolve))


async def test_the_connection_goes_to_the_very_address_that_was_checked(spool):
    """The name is asked once: an answer that changes afterwards changes nothing."""
    resolve, asked = resolver("127.0.0.1")
    with FakeServer(replay(OK)) as server:
        port = server.port
        url = SignedUrl(Secret(f"http://rebinds.example:{port}/x?{QUERY}"), plain=True)
        result = await put_file(url, spool, size(spool), replace(HERE, resolve=resolve))
    assert result.end is PutEnd.STORED
    assert asked == [("rebinds.example", port)]
    assert server.requests[0].headers["host"] == f"rebinds.example:{port}"


async def test_the_next_address_is_tried_where_one_takes_no_connection(spool):
    """As where a name has an IPv6 address and the network has not."""
    resolve, _ = resolver("127.0.0.9", "127.0.0.1")
    with FakeServer(replay(OK)) as server:  # listens on 127.0.0.1 only
        url = SignedUrl(Secret(f"http://two.example:{server.port}/x?{QUERY}"), plain=True)
        result = await put_file(url, spool, size(spool), replace(HERE, resolve=resolve))
    assert result.end is PutEnd.STORED
    assert bytes(server.requests[0].body) == spool.read_bytes()


async def test_a_name_that_can_not_be_resolved_is_for_again(spool):
    """DNS has its bad minutes."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await anyio.lowlevel.checkpoint()
        raise OSError(-3, "Temporary failure in name resolution")

    url = SignedUrl(Secret(f"https://bucket.example/x?{QUERY}"))
    result = await put_file(url, spool, size(spool), replace(PUBLIC_API, resolve=resolve))
    assert result.end is PutEnd.BUSY
    assert "Temporary failure" in result.message


async def test_a_name_without_an_address_is_refused(spool):
    """There is nothing to check, so there is nothing to trust."""
    resolve, _ = resolver()
    url = SignedUrl(Secret(f"https://bucket.example/x?{QUERY}"))
    with pytest.raises(TargetError, match="no address"):
        await put_file(url, spool, size(spool), replace(PUBLIC_API, resolve=resolve))


# --- proxies ------------------------------------------------------------------------------------


@pytest.fixture
def proxied(monkeypatch):
    """Sets the environment's proxies, and no others."""

    def setting(**values: str) -> None:
        for name in ("http", "https", "all", "no"):
            for spelled in (f"{name}_proxy", f"{name.upper()}_PROXY"):
                monkeypatch.delenv(spelled, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    setting()
    return setting


def refusing_proxy(line: Line) -> None:
    """A proxy that opens no tunnel."""
    line.read_head()
    line.send(response(403, b"", None))


async def test_a_proxy_of_the_environment_gets_the_name_and_nothing_signed(spool, proxied):
    """It opens a tunnel: path, query and body go through it encrypted."""
    resolve, _ = resolver("8.8.8.8")
    with FakeServer(refusing_proxy) as proxy:
        proxied(https_proxy=proxy.base_url)
        url = SignedUrl(Secret(f"https://bucket.example/x?{QUERY}"))
        result = await put_file(url, spool, size(spool), replace(PUBLIC_API, resolve=resolve))
    assert result.end is PutEnd.BUSY
    (request,) = proxy.requests
    assert request.line == "CONNECT bucket.example:443 HTTP/1.1"
    assert SIGNATURE not in f"{request.headers} {result}"


async def test_a_proxy_is_asked_where_only_it_can_resolve(spool, proxied):
    """What it may reach is its own matter then."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await anyio.lowlevel.checkpoint()
        raise OSError(-2, "Name or service not known")

    with FakeServer(refusing_proxy) as proxy:
        proxied(all_proxy=f"127.0.0.1:{proxy.port}")
        url = SignedUrl(Secret(f"https://bucket.example/x?{QUERY}"))
        await put_file(url, spool, size(spool), replace(PUBLIC_API, resolve=resolve))
    assert proxy.requests[0].line.startswith("CONNECT bucket.example:443")


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "localhost", "0x7f.1"])
async def test_no_proxy_is_asked_for_what_is_not_public(spool, proxied, host):
    """A literal address, or a name that this machine resolves to one."""
    with FakeServer(refusing_proxy) as proxy:
        proxied(https_proxy=proxy.base_url)
        url = SignedUrl(Secret(f"https://{host}/x?{QUERY}"))
        with pytest.raises(TargetError, match="no connection"):
            await put_file(url, spool, size(spool), PUBLIC_API)
    assert proxy.connections == 0


@pytest.mark.parametrize("bypass", ["", "bucket.example"])
async def test_this_machine_and_named_exceptions_are_reached_without_a_proxy(
    spool, proxied, bypass
):
    """What is meant for loopback must not leave it."""
    resolve, _ = resolver("127.0.0.1")
    with FakeServer(refusing_proxy) as proxy, FakeServer(replay(OK)) as server:
        proxied(http_proxy=proxy.base_url, no_proxy=bypass)
        url = SignedUrl(Secret(f"http://bucket.example:{server.port}/x?{QUERY}"), plain=True)
        result = await put_file(url, spool, size(spool), replace(HERE, resolve=resolve))
    assert result.end is PutEnd.STORED
    assert proxy.connections == 0


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of its own for store.example, in one file."""
    return own_certificate(tmp_path_factory.mktemp("tls"), "DNS:store.example")


@pytest.mark.parametrize(
    ("host", "end"), [("store.example", PutEnd.STORED), ("other.example", PutEnd.REFUSED)]
)
async def test_the_certificate_is_verified_against_the_name(spool, certificate, host, end):
    """Although the connection goes to an address; another name's certificate is refused."""
    resolve, _ = resolver("127.0.0.1")
    names: list[str | None] = []
    with FakeServer(secured(certificate, replay(OK), names)) as server:
        url = SignedUrl(Secret(f"https://{host}:{server.port}/x?{QUERY}"))
        rules = replace(HERE, resolve=resolve, ca_file=str(certificate))
        result = await put_file(url, spool, size(spool), rules)
    assert result.end is end
    assert names == [host]
    assert len(server.requests) == (1 if end is PutEnd.STORED else 0)
    assert SIGNATURE not in repr(result)


async def test_an_unknown_authority_is_refused_for_good(spool, certificate):
    """Waiting mends no certificate."""
    resolve, _ = resolver("127.0.0.1")
    with FakeServer(secured(certificate, replay(OK))) as server:
        url = SignedUrl(Secret(f"https://store.example:{server.port}/x?{QUERY}"))
        result = await put_file(url, spool, size(spool), replace(HERE, resolve=resolve))
    assert result.end is PutEnd.REFUSED
    assert "ca_file" in result.hint
    assert not server.requests


# --- the file -----------------------------------------------------------------------------------


async def test_a_file_that_is_gone_is_said(tmp_path):
    """Before anything is sent."""
    raised = pytest.raises(TargetError, match="can't be read")
    with FakeServer(replay(OK)) as server, raised as caught:
        await put_file(url_of(server), tmp_path / "gone", 1, HERE)
    assert server.connections == 0
    assert clean(caught.value)


@pytest.mark.parametrize("off", [-1, 1])
async def test_a_file_of_another_length_is_said(spool, off):
    """Somebody changed it: what was accounted for does not stand in it."""
    raised = pytest.raises(TargetError, match="bytes, not")
    with FakeServer(replay(OK)) as server, raised:
        await put_file(url_of(server), spool, size(spool) + off, HERE)
    assert server.connections == 0


async def test_a_file_that_shrinks_under_way_is_said(tmp_path):
    """The store never gets a whole body."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * BEYOND_BUFFERS)

    def shrink(_done: int) -> None:
        with path.open("r+b") as file:
            file.truncate(1_000)

    raised = pytest.raises(TargetError, match="became shorter")
    with FakeServer(replay(OK)) as server, raised as caught:
        await put_file(url_of(server), path, BEYOND_BUFFERS, HERE, shrink)
    assert len(server.requests[0].body) < BEYOND_BUFFERS
    assert clean(caught.value)


async def test_a_disk_that_fails_under_way_is_said(spool, monkeypatch):
    """As an error of this machine, not of the store."""

    async def failing(_file, _size_bytes=-1):
        await anyio.lowlevel.checkpoint()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(anyio.AsyncFile, "read", failing)
    raised = pytest.raises(TargetError, match="Input/output error")
    with FakeServer(replay(OK)) as server, raised as caught:
        await put_file(url_of(server), spool, size(spool), HERE)
    assert clean(caught.value)


async def test_an_error_of_the_stores_is_read_to_its_bound_only(spool):
    """10 MB of it."""
    page = b"<Error><Code>AccessDenied</Code><Message>No.</Message>" + b"x" * 10_000_000
    with FakeServer(answer(403, page, "application/xml")) as server:
        result = await put_file(url_of(server), spool, size(spool), HERE)
    assert result.message == "HTTP 403 AccessDenied: No."


async def test_a_store_that_repeats_the_signature_does_not_publish_it(spool):
    """Neither as it stood in the URL nor decoded."""
    words = f"bad: /bucket/key.gz?{QUERY} {SIGNATURE} AKIAEXAMPLE/s3".encode()
    with FakeServer(answer(400, words, "text/plain")) as server:
        result = await put_file(url_of(server), spool, size(spool), HERE)
    assert result.end is PutEnd.REFUSED
    assert SIGNATURE not in repr(result)
    assert "AKIAEXAMPLE" not in repr(result)


async def test_being_cancelled_leaves_nothing_open(spool):
    """Warnings are errors: an open file or socket would be one."""
    with FakeServer(silent) as server:
        with anyio.move_on_after(0.1) as scope:
            await put_file(url_of(server), spool, size(spool), HERE)
    assert scope.cancelled_caught


async def test_nothing_is_logged(spool, caplog):
    """The libraries log whole URLs."""
    caplog.set_level("DEBUG")
    with FakeServer(replay(OK)) as server:
        await put_file(url_of(server), spool, size(spool), HERE)
    assert SIGNATURE not in caplog.text

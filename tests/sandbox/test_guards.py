"""Who may come in: the Host header and the token."""

import pytest

from ingest.sandbox.guards import check_host
from ingest.sandbox.refusal import Refused
from tests.sandbox.conftest import API, Running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:80", "localhost:8000", "LOCALHOST", "[::1]:1", "127.9.9.9"]
)
def test_loopback_hosts(host: str) -> None:
    """Names and addresses of this machine, with and without a port."""
    check_host([host])


@pytest.mark.parametrize(
    "hosts",
    [[], [""], ["example.org"], ["127.0.0.1.example.org"], ["localhost.example.org"],
     ["localhost:80:80"], ["localhost", "localhost"], ["localhost, example.org"], ["0.0.0.0"],
     ["127.0.0.1:123456"], ["localhost\n"], ["user@localhost"], ["10.0.0.1"]],
)  # fmt: skip
def test_other_hosts(hosts: list[str]) -> None:
    """Everything else is a 421, none and two of them too."""
    with pytest.raises(Refused) as refused:
        check_host(hosts)
    assert refused.value.status == 421


def test_a_rebound_name_is_refused_over_the_wire(sandbox: Running) -> None:
    """Before the token is looked at, on every path."""
    for path in (f"{API}/users/current", "/_sandbox/stats", "/"):
        answer = sandbox.http.get(path, headers={"Host": "evil.example.org"})
        assert answer.status_code == 421
        assert answer.json()["error"]["status"] == 421


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Basic c2FuZGJveA==", 401),
        ("sandbox", 401),
        ("Bearer wrong", 403),
        ("Bearer Bearer sandbox", 403),
        ("Bearer <token>", 403),
        ("Bearer sandbox", 200),
        ("bearer sandbox", 200),
    ],
)
@pytest.mark.parametrize("path", [f"{API}/users/current", "/_sandbox/stats"])
def test_tokens(sandbox: Running, header: str, status: int, path: str) -> None:
    """None is 401, a wrong one 403; the sandbox's own path has the same key."""
    answer = sandbox.http.get(path, headers={"Authorization": header})
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_no_token_at_all(sandbox: Running) -> None:
    """Unknown paths say nothing to strangers."""
    del sandbox.http.headers["Authorization"]
    try:
        assert sandbox.http.get(f"{API}/users/current").status_code == 401
        assert sandbox.http.get("/nothing").status_code == 401
    finally:
        sandbox.http.headers["Authorization"] = "Bearer sandbox"

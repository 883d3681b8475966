"""A certificate that a server makes for itself, and what it serves with it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.fake_server import Line, Script


def own_certificate(folder: Path, name: str, days: int = 2) -> Path:
    """A key and a certificate for `name` (`DNS:...` or `IP:...`), in one file in `folder`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", str(days), "-subj", "/CN=own",
         "-addext", f"subjectAltName={name}"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    cert.write_bytes(key.read_bytes() + cert.read_bytes())
    return cert


def server_tls(cert: Path) -> ssl.SSLContext:
    """A server's side of TLS with such a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    return context


def secured(cert: Path, inner: Script, names: list[str | None] | None = None) -> Script:
    """The script, over TLS; `names` takes those that clients ask for."""
    context = server_tls(cert)
    if names is not None:
        context.sni_callback = lambda _sock, name, _context: names.append(name)

    def script(line: Line) -> None:
        with context.wrap_socket(line.sock, server_side=True) as line.sock:
            inner(line)

    return script

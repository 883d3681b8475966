"""A certificate that a server makes for itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


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

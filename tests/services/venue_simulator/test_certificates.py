"""Certificates of a simulated venue: made once, trusted through their authority."""

from __future__ import annotations

import ssl
from pathlib import Path

from services.venue_simulator import certificates

NOW_NS = 1_790_000_000_000_000_000
DAY_NS = 86_400_000_000_000


def test_they_are_made_once_and_again_before_their_end(tmp_path: Path) -> None:
    certificate, key = certificates.provide(tmp_path / "tls", "127.0.0.1", NOW_NS)
    first = certificate.read_bytes()
    certificates.provide(tmp_path / "tls", "127.0.0.1", NOW_NS + 300 * DAY_NS)
    assert certificate.read_bytes() == first
    certificates.provide(tmp_path / "tls", "127.0.0.1", NOW_NS + 340 * DAY_NS)
    assert certificate.read_bytes() != first
    assert key.stat().st_mode & 0o777 == 0o600


def test_another_host_or_a_broken_file_makes_others(tmp_path: Path) -> None:
    certificate, _ = certificates.provide(tmp_path, "127.0.0.1", NOW_NS)
    first = certificate.read_bytes()
    certificates.provide(tmp_path, "venue.test", NOW_NS)
    second = certificate.read_bytes()
    certificate.write_bytes(b"broken")
    certificates.provide(tmp_path, "venue.test", NOW_NS)
    assert len({first, second, certificate.read_bytes(), b"broken"}) == 4


def test_the_chain_and_key_fit(tmp_path: Path) -> None:
    certificate, key = certificates.provide(tmp_path, "127.0.0.1", NOW_NS)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    ssl.create_default_context(cafile=str(tmp_path / certificates.AUTHORITY))

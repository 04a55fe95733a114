"""The certificates of a simulated venue that speaks TLS: an authority of its own, and its own."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=365)
RENEW = timedelta(days=30)  # before the end
BACKDATED = timedelta(days=1)  # for clients whose clock is behind
AUTHORITY, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"


def provide(directory: Path, host: str, now_ns: int) -> tuple[Path, Path]:
    """Paths of the certificate (with its chain) and of the key; made if there are none yet.

    Clients trust `ca.pem` in the same directory, whose own key is kept nowhere.

    Raises:
        OSError: they cannot be written.
    """
    certificate, key = directory / CERTIFICATE, directory / KEY
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    if not _serves(directory, host, now):
        directory.mkdir(parents=True, exist_ok=True)
        _make(directory, host, now)
    return certificate, key


def _serves(directory: Path, host: str, now: datetime) -> bool:
    """Whether there is a certificate for this host that does not end soon."""
    try:
        held = x509.load_pem_x509_certificate((directory / CERTIFICATE).read_bytes())
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    complete = (directory / KEY).is_file() and (directory / AUTHORITY).is_file()
    return complete and _name(host) in names and held.not_valid_after_utc > now + RENEW


def _make(directory: Path, host: str, now: datetime) -> None:
    authority_key, key = _new_key(), _new_key()
    authority = _builder("crossdesk simulator authority", now)
    authority = authority.issuer_name(_subject("crossdesk simulator authority"))
    authority = authority.public_key(authority_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    root = authority.add_extension(_usage(signs=True), critical=True).sign(
        authority_key, hashes.SHA256()
    )
    names = dict.fromkeys([_name(host), x509.DNSName("localhost"), _name("127.0.0.1")])
    own = (
        _builder("crossdesk simulator", now)
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    _write(directory / KEY, _key_pem(key), 0o600)
    _write(directory / CERTIFICATE, own.public_bytes(pem) + root.public_bytes(pem), 0o644)
    _write(directory / AUTHORITY, root.public_bytes(pem), 0o644)


def _builder(name: str, now: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(_subject(name))
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - BACKDATED).not_valid_after(now + LIFE)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)

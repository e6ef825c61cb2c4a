"""What a NATS server and its users need: nkeys, and certificates of an authority of the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nkeys

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=kvferry test"]


def authority(directory: Path, name: str) -> Path:
    made = directory / f"{name}.pem"
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", str(directory / f"{name}.key"), "-out", str(made))
    return made


def certificate(authority: Path, name: str) -> tuple[Path, Path]:
    """Signed by the authority, for this host: the certificate and its key."""
    made, key = authority.with_name(f"{name}.pem"), authority.with_name(f"{name}.key")
    request, names = authority.with_name(f"{name}.csr"), authority.with_name(f"{name}.ext")
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    _openssl("req", *_NEW_KEY, "-keyout", str(key), "-out", str(request))
    signer = ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key")), "-CAcreateserial"]
    _openssl("x509", "-req", "-in", str(request), *signer, "-out", str(made), "-extfile", str(names))
    return made, key


def user(directory: Path, name: str) -> tuple[Path, str]:
    """A file with a new seed, and its public key."""
    pair = nkeys.from_seed(nkeys.encode_seed(name.encode().ljust(32, b"."), nkeys.PREFIX_BYTE_USER))
    file = directory / f"{name}.nk"
    file.write_bytes(bytes(pair.seed))
    return file, pair.public_key.decode()


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)

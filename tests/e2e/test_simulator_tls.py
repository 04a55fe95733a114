"""A simulated venue over TLS, with the certificate that it makes."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import requests
import websocket

from tests.e2e.simulator_process import simulated_venue

WAIT_S = 60


def test_https_and_wss_with_its_own_authority(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, tls=True) as venue:
        authority = str(tmp_path / "run" / "state" / "tls.deribit" / "ca.pem")
        url = f"https://127.0.0.1:{venue.port}/api/v2/public/get_time"
        assert requests.get(url, verify=authority, timeout=WAIT_S).json()["result"] > 0
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=WAIT_S)
        options = {"ca_certs": authority, "cert_reqs": ssl.CERT_REQUIRED}
        link = websocket.create_connection(
            f"wss://localhost:{venue.port}/ws/api/v2", sslopt=options, timeout=WAIT_S
        )
        link.send(json.dumps({"id": 1, "method": "public/test", "params": {}}))
        assert json.loads(link.recv())["result"]["version"]
        link.close()

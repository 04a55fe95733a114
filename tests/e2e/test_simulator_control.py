"""The control interface over HTTP: served when configured, to this machine only."""

from __future__ import annotations

from pathlib import Path

import ccxt
import pytest
import requests

from tests.e2e.simulator_process import SimulatedVenue, simulated_venue

WAIT_S = 60


def control(venue: SimulatedVenue, action: str, body: bytes = b"") -> tuple[int, dict]:
    answer = requests.post(f"{venue.http_url}/control/v1/{action}", data=body, timeout=WAIT_S)
    return answer.status_code, answer.json()


def test_it_is_served_when_configured(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, control=True) as venue:
        client = ccxt.deribit({"enableRateLimit": False, "timeout": 2000})
        client.urls["api"]["rest"] = venue.http_url
        assert control(venue, "drop-answers", b'{"method": "public/get_time"}') == (
            200,
            {"rule": 1},
        )
        with pytest.raises(ccxt.RequestTimeout):
            client.fetch_time()
        client.timeout = WAIT_S * 1000
        assert client.fetch_time()
        assert control(venue, "maintenance", b'{"on": true}')[0] == 200
        with pytest.raises(ccxt.OnMaintenance):
            client.fetch_ticker("BTC-PERPETUAL")
        assert control(venue, "nothing")[0] == 400
        status, answer = control(venue, "ban", b'{"seconds": "x"}')
        assert (status, answer["field"]) == (400, "seconds")
        assert control(venue, "state")[1]["rules"] == []
        url = f"{venue.http_url}/control/v1/state"
        assert requests.get(url, timeout=WAIT_S).status_code == 405


def test_it_is_off_otherwise(tmp_path: Path) -> None:
    with simulated_venue(tmp_path) as venue:
        url = f"{venue.http_url}/control/v1/state"
        assert requests.post(url, timeout=WAIT_S).status_code == 404

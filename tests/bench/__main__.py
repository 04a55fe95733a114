"""`make bench`: first figures of this machine, beside a naive stack and the venue itself.

Rounds of the two sides alternate; each cell is the median of the rounds ± their interquartile
range. Nothing is asserted.
"""

from __future__ import annotations

import os
import time

from tests.bench import latency, orders, throughput
from tests.bench.world import world


def main() -> None:
    start = time.monotonic()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; median of rounds ± interquartile range")
    with world() as running:
        throughput.measure(running)
        latency.measure(running)
    orders.measure()
    print(f"\ntook {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()

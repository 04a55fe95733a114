"""Print the quotes of some instruments with nothing but pyzmq and msgpack.

    python strategies/quote_printer.py ipc://run/ipc/md.deribit deribit.BTC-PERPETUAL

`crossdesk status --json` lists the endpoints of a running desk; docs/wire.md specifies the frames.
"""

import contextlib
import sys

import msgpack
import zmq


def main(endpoint: str, instruments: list[str]) -> None:
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.SNDHWM, 0)  # or subscriptions above 1,000 are silently lost
    socket.connect(endpoint)
    for instrument in instruments:
        socket.subscribe(f"quote.{instrument}\0".encode())  # the zero byte ends the topic
    while True:
        _, _, payload = socket.recv().partition(b"\0")
        envelope = msgpack.unpackb(payload)
        sequence, message = envelope[2], envelope[7]
        _, instrument, bid, bid_quantity, ask, ask_quantity, stale = message[:7]
        state = "  STALE" if stale else ""
        text = f"{instrument} #{sequence}  {bid_quantity} x {bid} | {ask} x {ask_quantity}{state}"
        print(text, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: quote_printer.py ENDPOINT INSTRUMENT...")
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1], sys.argv[2:])

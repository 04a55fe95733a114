"""One strategy: `python -m services.strategy_host --config FILE --name NAME`."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

from common.config import check_strategy
from common.errors import ConfigError
from common.transport import journal, service, sockets
from common.transport.loop import Shell
from services.strategy_host import entries, loading, memory
from services.strategy_host.core import StrategyHost

STOP_S = 5.0  # for the cancels of a clean stop
POLL_S = 0.02


def build(arguments: service.Arguments) -> Shell:
    config, run_dir = arguments.config, arguments.run_dir
    entry = entries.find(arguments.name, config, arguments.config_path, run_dir)
    strategy = entry.strategy
    check_strategy(strategy, config, str(arguments.config_path))
    loaded = loading.load(strategy, Path(entry.directory))
    path = entries.journal_path(run_dir, strategy.name)
    lock = sockets.lock_file(path.with_suffix(".lock"))  # or two hosts would write one journal
    core = StrategyHost(
        strategy,
        config.account(strategy.venue, strategy.account),
        loaded.strategy,
        _remember(path),
        time.perf_counter_ns,
        path=loaded.path,
        parameters=loaded.parameters,
        problem=loaded.problem,
    )
    gc.freeze()
    place = f"{strategy.venue}.{strategy.account}"
    markets = [f"md.{venue}" for venue in config.venues]
    shell = Shell(
        arguments.process("strategy_host"),
        core,
        run_dir,
        publisher=f"health.strategy_host.{strategy.name}",
        subscribe=[*markets, f"order_events.{place}", f"positions.{place}"],
        router=f"strategies.{strategy.name}",
        requests=[f"orders.{place}"],
        journal=path,
    )

    async def stop() -> None:
        await _until_quiet(core)
        lock.close()

    shell.on_stop(stop)
    return shell


def _remember(path: Path) -> memory.Memory:
    """What earlier runs left, with the journal written anew as one checkpoint of it."""
    remembered = memory.Memory().replay(memory.decode(journal.read(path)))
    remembered.start(time.time_ns())
    fresh = path.with_suffix(".new")
    try:
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(journal.pack(0, memory.encode(remembered.checkpoint())))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    return remembered


async def _until_quiet(core: StrategyHost) -> None:
    """The cancels of a clean stop are answered, or waited for long enough."""
    deadline = time.monotonic() + STOP_S
    while not core.is_quiet and time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    raise SystemExit(service.main("strategy_host", build))

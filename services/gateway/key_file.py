"""The file of keys, looked at every second: who is struck from it is out within a moment.

A file with a mistake changes nothing, and is told. A file that is gone, twice in a row since
editors replace files, has no keys any more.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from common.config import GatewayConfig, KeyConfig, load_keys
from common.errors import ConfigError
from services.gateway.keys import LOOPBACK, KeyRing

Stamp = tuple[int, int, int]
GONE: Stamp = (0, 0, 0)


class KeyFile:
    """The keys of the desk's file and of the key file, if there is one.

    Args:
        strategies: names of the desk's strategies, which own their orders alone.
    """

    def __init__(
        self, config: GatewayConfig, source: str, strategies: Collection[str] = ()
    ) -> None:
        self._config, self._source, self._strategies = config, source, strategies
        self._must_sign = config.host not in LOOPBACK  # who trades, and who may kill
        self._path = Path(source).parent / config.key_file if config.key_file else None
        self._read: Stamp | None = None
        self._was_gone = False

    def load(self) -> KeyRing:
        """
        Raises:
            ConfigError: a key cannot be used, or the file cannot be read.
        """
        if self._path is None:
            return KeyRing(self._config.keys, self._source, self._must_sign)
        self._read = self._stamp()
        return self._ring(self._path)

    def look(self) -> KeyRing | None:
        """The keys, if they have changed.

        Raises:
            ConfigError: once for every wrong state of the file.
        """
        if self._path is None or (stamp := self._stamp()) == self._read:
            self._was_gone = False
            return None
        if stamp == GONE and not self._was_gone:
            self._was_gone = True
            return None
        self._read = stamp
        if stamp == GONE:
            return KeyRing(self._config.keys, self._source, self._must_sign)
        return self._ring(self._path)

    def _ring(self, path: Path) -> KeyRing:
        listed = load_keys(path)
        for key in listed:
            self._check(key, str(path))
        keys = [*self._config.keys, *listed]
        return KeyRing(keys, str(path), self._must_sign)

    def _check(self, key: KeyConfig, source: str) -> None:
        where = f"keys.{key.key_id}"
        if key.secret:
            text = "give secret_sha256 or public_key: a secret is not kept in a file"
            raise ConfigError(source, where, text)
        if (key.owner or key.key_id) in self._strategies:
            text = f"{key.owner or key.key_id!r} is the owner of a strategy's orders"
            raise ConfigError(source, where, text)

    def _stamp(self) -> Stamp:
        assert self._path is not None
        try:
            found = self._path.stat()
        except OSError:
            return GONE
        return found.st_mtime_ns, found.st_size, found.st_ino

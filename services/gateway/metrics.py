"""What Prometheus reads at /metrics: the core's counts, the clients, and the desk's beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from services.gateway.core import GatewayCore
from services.gateway.stats import Histogram


class Collector:
    """Reads everything at the moment it is asked."""

    def __init__(self, core: GatewayCore, now_ns: Callable[[], int]) -> None:
        self._core = core
        self._now_ns = now_ns

    def collect(self) -> Iterable[Metric]:
        yield from self._clients()
        yield from self._traffic()
        yield from self._latencies()
        yield from self._desk()

    def _clients(self) -> Iterable[Metric]:
        stats, sessions = self._core.stats, self._core.sessions.values()
        yield _gauge("crossdesk_gateway_clients", "WebSocket clients", len(sessions))
        blocked = sum(session.blocked_ns is not None for session in sessions)
        yield _gauge("crossdesk_gateway_clients_blocked", "Clients that do not read now", blocked)
        channels = sum(len(session.channels) for session in sessions)
        yield _gauge("crossdesk_gateway_subscriptions", "Channels of all clients", channels)
        yield _counter(
            "crossdesk_gateway_connections", "WebSocket connections ever", stats.connections
        )
        closed = CounterMetricFamily(
            "crossdesk_gateway_closed", "Connections closed by us", labels=["code"]
        )
        for code, count in stats.closed.items():
            closed.add_metric([str(code)], count)
        yield closed

    def _traffic(self) -> Iterable[Metric]:
        stats = self._core.stats
        yield _counter("crossdesk_gateway_messages_sent", "Frames to clients", stats.sent_messages)
        yield _counter("crossdesk_gateway_bytes_sent", "Bytes to clients", stats.sent_bytes)
        yield _counter("crossdesk_gateway_gaps", "Gaps seen on topics of the bus", stats.gaps)
        bus = CounterMetricFamily(
            "crossdesk_gateway_bus_messages", "Messages from the bus", labels=["type"]
        )
        for name, count in stats.bus_messages.items():
            bus.add_metric([name], count)
        yield bus
        calls = CounterMetricFamily(
            "crossdesk_gateway_calls", "Calls of clients", labels=["method", "outcome"]
        )
        for labels, count in stats.calls.items():
            calls.add_metric(list(labels), count)
        yield calls
        asking = self._core.asking
        yield _gauge("crossdesk_gateway_requests_open", "Requests to other processes", asking)
        topics = self._core.reading.market.topics
        yield _gauge("crossdesk_gateway_topics", "Topics of market data followed", topics)
        known = len(self._core.reading.catalog)
        yield _gauge("crossdesk_gateway_instruments", "Instruments known", known)

    def _latencies(self) -> Iterable[Metric]:
        stats = self._core.stats
        yield _histogram(
            "crossdesk_gateway_venue_to_send_seconds",
            "From the venue's time of a message to its sending; holds the clocks' difference",
            stats.venue_to_send,
        )
        yield _histogram(
            "crossdesk_gateway_receipt_to_send_seconds",
            "From the desk's receipt of a message to its sending",
            stats.receipt_to_send,
        )
        yield _histogram(
            "crossdesk_gateway_order_round_trip_seconds",
            "From a client's order to the engine's answer, the venue's included",
            stats.order_round_trip,
        )

    def _desk(self) -> Iterable[Metric]:
        now_ns = self._now_ns()
        healthy = GaugeMetricFamily(
            "crossdesk_process_healthy",
            "1 while it beats and is ready",
            labels=["process"],
        )
        counters = GaugeMetricFamily(
            "crossdesk_process_counter", "Counters of the beats", labels=["process", "counter"]
        )
        for row in self._core.processes.rows(now_ns):
            healthy.add_metric([row["name"]], float(row["healthy"]))
            for name, value in row.get("counters", {}).items():
                counters.add_metric([row["name"], name], value)
        yield healthy
        yield counters
        uptime = GaugeMetricFamily(
            "crossdesk_link_uptime_seconds",
            "Since when a venue link is up; 0 while it is down",
            labels=["process", "link"],
        )
        for process, link, up, seconds in self._core.processes.links(now_ns):
            uptime.add_metric([process, link], seconds if up else 0.0)
        yield uptime


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(
        name, text, buckets=histogram.buckets(), sum_value=histogram.total_s
    )


class Exporter:
    """The text of /metrics."""

    def __init__(self, core: GatewayCore, now_ns: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        collector: Any = Collector(core, now_ns)
        self._registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self._registry)

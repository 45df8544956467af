"""What Prometheus reads about a worker: counters without a unit, a level or a case in them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from central.config import MetricsConfig
from central.errors import ConfigError
from central.ingest import Outcome

BATCH_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Metrics:
    """The worker's counters; served over HTTP when a port is configured."""

    def __init__(self, config: MetricsConfig) -> None:
        registry = CollectorRegistry()
        self._messages = Counter(
            "hcp_messages", "Messages by what became of them", ["result"], registry=registry
        )
        self._problems = Counter("hcp_problems", "Problems found", ["name"], registry=registry)
        self._receipts = Counter("hcp_receipts", "Receipts published", registry=registry)
        self._asks = Counter("hcp_asks", "Asks for missing entries", registry=registry)
        self._failures = Counter(
            "hcp_store_failures", "Batches the database did not take", registry=registry
        )
        self._batch_s = Histogram(
            "hcp_batch_seconds",
            "From a batch's judging to its commit",
            buckets=BATCH_S,
            registry=registry,
        )
        self._held = Gauge("hcp_held_messages", "Waiting for the database", registry=registry)
        self._up = Gauge("hcp_up", "1: connected", ["to"], registry=registry)
        self._alarms = Gauge("hcp_open_alarms", "Open alarms", ["name"], registry=registry)
        self._units = Gauge("hcp_units", "Registered units", registry=registry)
        self._registry = registry
        self._list_days: Gauge | None = None
        if config.port:
            try:
                start_http_server(config.port, config.host, registry)
            except OSError as error:
                reason = error.strerror or error
                raise ConfigError(
                    [f"metrics.port: {config.port} cannot be used: {reason}"]
                ) from error

    def stored(self, outcome: Outcome, seconds: float) -> None:
        """Count a batch that is on disk."""
        refused = sum(finding.payload is not None for finding in outcome.findings)
        for result, count in (
            ("stored", len(outcome.kept)),
            ("repeated", outcome.repeated_count),
            ("noted", len(outcome.notes)),
            ("refused", refused),
        ):
            self._messages.labels(result).inc(count)
        for finding in outcome.findings:
            self._problems.labels(finding.problem.name).inc()
        self._receipts.inc(len(outcome.receipts))
        self._batch_s.observe(seconds)

    def asked(self, count: int) -> None:
        """Count asks."""
        self._asks.inc(count)

    def failed(self) -> None:
        """Count a batch the database did not take."""
        self._failures.inc()

    def standing(self, *, broker: bool, store: bool, held: int, units: int) -> None:
        """Show how the worker stands."""
        self._up.labels("broker").set(broker)
        self._up.labels("store").set(store)
        self._held.set(held)
        self._units.set(units)

    def list_days(self, days: float) -> None:
        """Show for how many days the broker's lists still hold; 0: they cannot be read."""
        if self._list_days is None:
            # Not before: a centre that watches no list would show one that has run out.
            says = "Until the first revocation list of the broker runs out"
            self._list_days = Gauge("hcp_list_days", says, registry=self._registry)
        self._list_days.set(days)

    def alarms(self, counts: dict[str, int]) -> None:
        """Show how many alarms of each name are open."""
        for name, count in counts.items():
            self._alarms.labels(name).set(count)

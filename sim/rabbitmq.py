"""Nodes of a RabbitMQ cluster on this machine, each with its MQTT plugin (real I/O).

    with RabbitMQ(folder / "a") as first, RabbitMQ(folder / "b", join=first) as second:
        connect("127.0.0.1", second.port)

A node lives below its folder and on loopback alone, as whoever starts it: its own home, cookie,
database and log, free ports, and a name server of the cluster's own, so that it neither meets nor
disturbs a RabbitMQ that this machine runs. MQTT 3.1.1 only, as the plugin spoke until 3.13.

The first node must answer before the next one is started. Nodes that boot together may each wait
for the other to lead their list of client ids, for ever.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import BinaryIO, ClassVar

from sim.brokers import HOST, POLL_S, STOP_S, BrokerProcess, BrokerUnavailable, answers
from sim.processes import free_port

# Debian's command in PATH insists on root and one folder for all; the script behind it does not.
SERVER_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server",)
COOKIE = "haochaping"
UP = b"Server startup complete"
# Sessions that outlive their connection are queues on one node, lost with it, unless each node has
# a copy. `always` takes the copy that is there, also when it is not the latest: what it misses has
# no receipt and comes again.
EVERYWHERE = {
    "ha-mode": "all",
    "ha-sync-mode": "automatic",
    "ha-promote-on-failure": "always",
    "ha-promote-on-shutdown": "always",
}
DEFINITIONS = {
    "vhosts": [{"name": "/"}],
    "users": [{"name": "guest", "password": "guest", "tags": []}],
    "permissions": [
        {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    ],
    "policies": [
        {
            "vhost": "/",
            "name": "sessions-everywhere",
            "pattern": "^mqtt-subscription-",
            "apply-to": "queues",
            "definition": EVERYWHERE,
        }
    ],
}
CONF = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = {host}:{port}
mqtt.allow_anonymous = true
mqtt.default_user = guest
mqtt.default_pass = guest
mqtt.prefetch = 256
mqtt.tcp_listen_options.nodelay = true
disk_free_limit.absolute = 1MB
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first}
load_definitions = {definitions}
"""


class _Names:
    """The cluster's name server; runs while any of its nodes does."""

    def __init__(self) -> None:
        self.port = free_port()
        self._users: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def enter(self, node: str) -> None:
        self._users.add(node)
        if self._process is not None:
            return
        command = ["epmd", "-port", str(self.port), "-address", HOST]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + STOP_S
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.leave(node)
                raise BrokerUnavailable(f"epmd does not start on port {self.port}")
            time.sleep(POLL_S)

    def leave(self, node: str) -> None:
        self._users.discard(node)
        if not self._users and self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()


class RabbitMQ(BrokerProcess):
    """One node: `folder` outlives it, so that a killed one comes back with what it had on disk."""

    start_s: ClassVar[float] = 90.0  # 10 to 15 s where nothing else runs: it loads all of Erlang
    stop_s: ClassVar[float] = 20.0

    def __init__(self, folder: Path, *, join: "RabbitMQ | None" = None) -> None:
        """join: a node of the cluster to become part of, which must run at the first start."""
        super().__init__()
        self.name = f"{folder.name}@localhost"
        self._folder, self.log = folder, folder / "log"
        self._names: _Names = join._names if join else _Names()
        self._first: str = join._first if join else self.name
        self._distribution_port = free_port()
        (folder / "home").mkdir(parents=True)
        cookie = folder / "home" / ".erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        definitions = folder / "definitions.json"
        definitions.write_text(json.dumps(DEFINITIONS))
        (folder / "rabbitmq.conf").write_text(
            CONF.format(host=HOST, port=self.port, first=self._first, definitions=definitions)
        )

    @classmethod
    def available(cls) -> bool:
        """Whether RabbitMQ is installed."""
        return cls._binary() is not None

    def start(self) -> None:
        """Start it and wait until it is part of the cluster and answers."""
        self._names.enter(self.name)
        super().start()

    @staticmethod
    def _binary() -> str | None:
        places = [place for place in SERVER_PLACES if os.access(place, os.X_OK)]
        return places[0] if places else shutil.which("rabbitmq-server")

    def _end(self, number: signal.Signals) -> None:
        super()._end(number)
        self._names.leave(self.name)

    def _is_up(self) -> bool:
        return UP in self.log.read_bytes() and answers(self.port)

    def _command(self) -> list[str]:
        binary = self._binary()
        if binary is None:
            raise BrokerUnavailable("RabbitMQ is not installed (apt-get install rabbitmq-server)")
        return [binary]

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "ERL_EPMD_PORT": str(self._names.port),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_CRASH_DUMP": str(folder / "crash"),
            # Makes the script become the broker, so that its process id is the one we kill.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _log(self) -> BinaryIO:
        return self.log.open("w+b")

"""The floor of the bench: the least agent that could do the job, on the same libraries.

    python -m sim.floor PORT DATABASE BROKER_PORT

One line from the port → one synced commit → the line back (the ack) → one QoS 1 PUBLISH. No case,
no chain, no signature, no retry: what ours costs beyond this is the price of proof.
"""

import os
import sqlite3
import sys
import tty

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

TOPIC = "floor/up"


def main(port: str, database: str, broker_port: int) -> None:
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("create table entry (seq integer primary key, body text) strict")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker_port)
    client.loop_start()
    os.write(line, b"ready\n")
    while heard := os.read(line, 4096):
        db.execute("insert into entry (body) values (?)", (heard.decode(),))
        os.write(line, heard)
        client.publish(TOPIC, heard, qos=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

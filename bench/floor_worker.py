"""The barest way to apply events: one GET, one guarded UPDATE and one commit each. `python -m bench.floor_worker …`"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

import urllib3

from bench.floor import DATABASE, connect
from bench.site import product

MARK = "%s" if DATABASE.startswith("postgres") else "?"


def fill(events: int) -> None:
    connection = connect()
    connection.execute("DROP TABLE IF EXISTS mirror")
    connection.execute("CREATE TABLE mirror (stripe_id text PRIMARY KEY, version integer NOT NULL, payload text)")
    connection.execute("BEGIN")
    for number in range(events):
        connection.execute(f"INSERT INTO mirror VALUES ({MARK}, 1, '')", (product(number)["id"],))
    connection.execute("COMMIT")


def work(base: str, numbers: range) -> None:
    connection = connect()
    address = urlsplit(base)
    pool = urllib3.HTTPConnectionPool(address.hostname or "", address.port, maxsize=1)
    sql = f"UPDATE mirror SET payload = {MARK}, version = version + 1 WHERE stripe_id = {MARK} AND version = {MARK}"
    print("ready", flush=True)
    sys.stdin.readline()
    for number in numbers:
        payload = json.loads(pool.request("GET", f"/v1/products/{product(number)['id']}").data)
        connection.execute(sql, (json.dumps(payload), payload["id"], 1))


if __name__ == "__main__":
    base, events, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "fill":
        fill(events)
    else:
        work(base, range(int(what), events, 2))

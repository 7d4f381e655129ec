#!/usr/bin/env python3
"""Throughput through a published port: published.py NAME='COMMAND'... [--rounds N]

Each command is an engine's (`docker`, `plugrun --root …`). Each runs one server, taking turns a
client on the host reads 1 GiB through the published port, at 127.0.0.1 and at the host's own
address. Both ends are Python, which is this machine's, mounted in the container. Run it in the
harness's network namespace (bin/nsrun), where the peers' daemons are.
"""

import argparse
import shlex
import socket
import statistics
import subprocess
import sys
import time

IMAGE = "127.0.0.1:5000/tiny:1"
SIZE = 1 << 30
SERVER = f"""
import socket
listening = socket.create_server(("0.0.0.0", 9000), backlog=16)
block = bytes(1 << 20)
print("up", flush=True)
while True:
    connection, _ = listening.accept()
    with connection:
        try:
            for _ in range({SIZE} >> 20):
                connection.sendall(block)
        except OSError:
            continue
"""
LIBRARIES = ("/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro")


class Served:
    """A container that serves on a published port, until ``close``."""

    def __init__(self, command, port):
        self.command, self.port = shlex.split(command), port
        mounts = [word for one in LIBRARIES for word in ("-v", one)]
        run = ["run", "-d", "-p", f"{port}:9000", *mounts, IMAGE]
        words = [*self.command, *run, "/usr/bin/python3", "-c", SERVER]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        self.id = done.stdout.split()[-1]
        deadline = time.monotonic() + 20
        while "up" not in self._logs():
            if time.monotonic() > deadline:
                sys.exit(f"{command}: the server did not come up")

    def _logs(self):
        words = [*self.command, "logs", self.id]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def read(self, host):
        """Return GB/s of one connection."""
        buffer = bytearray(1 << 20)
        began, got = time.perf_counter(), 0
        with socket.create_connection((host, self.port), timeout=30) as connection:
            while count := connection.recv_into(buffer):
                got += count
        if got != SIZE:
            sys.exit(f"{self.command}: {got} bytes of {SIZE}")
        return got / (time.perf_counter() - began) / 1e9

    def close(self):
        subprocess.run([*self.command, "rm", "-f", self.id], check=True, capture_output=True)


def own_address():
    """Return an address of this network namespace that is not its loopback's."""
    shown = subprocess.run(["ip", "-4", "-o", "addr"], check=True, capture_output=True, text=True)
    rows = [line.split() for line in shown.stdout.splitlines()]
    return next((row[3].split("/")[0] for row in rows if row[1] != "lo"), "127.0.0.1")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    engines = [one.partition("=")[::2] for one in asked.engines]
    served = {}
    try:
        for place, (name, command) in enumerate(engines):
            served[name] = Served(command, 18100 + place)
        for host in ("127.0.0.1", own_address()):
            speeds = {name: [] for name in served}
            for turn in range(asked.rounds):
                names = list(served)
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    speeds[name].append(served[name].read(host))
            print(f"published port at {host}, GB/s: best, median")
            for name, found in speeds.items():
                print(f"  {name:<10} {max(found):6.2f} {statistics.median(found):6.2f}")
    finally:
        for one in served.values():
            one.close()


if __name__ == "__main__":
    main()

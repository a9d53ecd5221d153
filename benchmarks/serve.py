"""The service measured: load, hostile requests, and what they leave behind.

    python -m benchmarks.serve [--seconds 60] [--clients 1,8,32] [--hostile 500] [--scan FILE] [--project FOLDER]

A service is started in a project that has a champion (default: the current folder) and asked about one scan (default: a
synthetic one, 512x512) by clients in a process of their own, each asking anew as soon as it has its answer. Then come
hostile requests of seven kinds, in turn, the last kind against a service with a token. Prints Markdown.
"""

import argparse
import asyncio
import collections
import gzip
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import psutil

from ctexp.datasets.phantom import PhantomSettings, write_phantoms


class Service:
    """`ctexp serve` on a port of its choice, its temporary files in a folder of its own."""

    def __init__(self, project: Path, folder: Path, token: str | None = None) -> None:
        self.folder = folder
        folder.mkdir()
        environment = {**os.environ, "TMPDIR": str(folder)} | ({"CTEXP_TOKEN": token} if token else {})
        words = ["--port", "0", "--body-seconds", "4", "--workers", str(os.cpu_count() or 1)]
        self.process = subprocess.Popen([sys.executable, "-m", "ctexp", "serve", *words], cwd=project, env=environment,
                                        stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert " answers at " in line, line
        self.url = line.split(" answers at ")[1].split("/ ")[0]

    def state(self) -> dict[str, int]:
        """Memory, open files and processes of the service with its workers, and uploads on the disk."""
        tree = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return {
            "MiB": sum(one.memory_info().rss for one in tree) >> 20,
            "descriptors": sum(one.num_fds() for one in tree),
            "processes": len(tree),
            "uploads": len(list(self.folder.rglob("upload-*"))),
        }

    def restarts(self) -> int:
        """Workers that died or were ended."""
        text = httpx.get(f"{self.url}/metrics").text
        return int(float(text.split("\nctexp_worker_restarts ")[1].split()[0]))

    def stop(self) -> tuple[int, int]:
        """End it; give the exit code and what is left of its files."""
        self.process.terminate()
        code = self.process.wait(90)
        return code, len(list(self.folder.glob("ctexp-*")))


async def load(url: str, content: bytes, clients: int, seconds: float) -> dict:
    """Ask with so many clients for so long; give times and statuses."""
    times: list[float] = []
    statuses: collections.Counter[str] = collections.Counter()
    start = time.perf_counter()
    end = start + seconds

    async def ask(client: httpx.AsyncClient) -> None:
        while (began := time.perf_counter()) < end:
            try:
                got = await client.post("/predict", files={"scan": ("scan.nii.gz", content)})
                statuses[str(got.status_code)] += 1
                if got.status_code == 200:
                    times.append(time.perf_counter() - began)
            except httpx.HTTPError as error:
                statuses[type(error).__name__] += 1

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return {"times": times, "statuses": dict(statuses), "seconds": time.perf_counter() - start}


def measure(service: Service, scan: Path, clients: int, seconds: float) -> str:
    """Load the service from another process and give a row of the table."""
    before = service.state()
    words = [sys.executable, "-m", "benchmarks.serve", "--load", service.url, str(clients), str(seconds), str(scan)]
    result = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    after = service.state()
    times = np.array(result["times"])
    p50, p95, p99 = (f"{1000 * value:,.0f}" for value in np.percentile(times, [50, 95, 99]))
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(result["statuses"].items()))
    rate = len(times) / result["seconds"]  # the last answers come after the end
    return f"| {clients} | {rate:.1f} | {p50} | {p95} | {p99} | {before['MiB']} | {after['MiB']} | {codes} |"


def hostile(scan: bytes) -> dict[str, Callable[[httpx.AsyncClient, str], Awaitable[str]]]:
    """Give, by name, what sends one hostile request and tells the status that came back."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.dcm", bytes(64 << 20))
    header = nib.Nifti1Header()
    header.set_data_dtype("float64")
    header.set_data_shape((1000, 1000, 1000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    bomb = gzip.compress(bytes(header.binaryblock) + bytes(256 << 20), 9)

    def form(content: bytes, name: str) -> Callable[[httpx.AsyncClient, str], Awaitable[str]]:
        async def send(client: httpx.AsyncClient, url: str) -> str:
            return str((await client.post(f"{url}/predict", files={"scan": (name, content)})).status_code)

        return send

    async def raw(url: str, head: bytes, pieces: list[bytes], pause: float = 0.0) -> str:
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            return (await reader.read(100)).split()[1].decode()
        except (ConnectionError, IndexError):
            return "closed"
        finally:
            writer.close()

    async def two_gigabytes(client: httpx.AsyncClient, url: str) -> str:
        return await raw(url, b"Content-Length: 2147483648\r\n", [b"\x1f\x8b" + bytes(1 << 20)] * 4)

    async def slow(client: httpx.AsyncClient, url: str) -> str:
        return await raw(url, b"Content-Length: 100000\r\n", [b"\x1f\x8b" + bytes(100)] * 12, 0.5)

    return {
        "wrong type": form(b"\x89PNG\r\n\x1a\n" + bytes(5000), "scan.nii.gz"),
        "truncated": form(scan[: len(scan) // 2], "scan.nii.gz"),
        "zip bomb": form(packed.getvalue(), "series.zip"),
        "gzip bomb": form(bomb, "scan.nii.gz"),
        "path in the name": form(scan[:50_000], "../../../../tmp/evil.nii.gz"),
        "2 GB body": two_gigabytes,
        "slow body": slow,
    }


async def attack(service: Service, guarded: Service, scan: bytes, count: int) -> dict[str, collections.Counter[str]]:
    """Send so many hostile requests, sixteen at a time; give the statuses by kind."""
    kinds = hostile(scan)
    names = [*kinds, "no token"]
    seen: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in names}
    gate = asyncio.Semaphore(16)

    async def send(client: httpx.AsyncClient, name: str) -> None:
        async with gate:
            try:
                known = kinds.get(name, kinds["truncated"])
                status = await known(client, (guarded if name == "no token" else service).url)
            except httpx.HTTPError as error:
                status = type(error).__name__
            seen[name][status] += 1

    async with httpx.AsyncClient(timeout=120) as client:
        await asyncio.gather(*(send(client, names[number % len(names)]) for number in range(count)))
    return seen


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--hostile", type=int, default=500)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--load", nargs=4, metavar=("URL", "CLIENTS", "SECONDS", "SCAN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        url, clients, seconds, file = given.load
        print(json.dumps(asyncio.run(load(url, Path(file).read_bytes(), int(clients), float(seconds)))))
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        scan = given.scan
        if scan is None:
            write_phantoms(folder / "drawn", PhantomSettings(scans=2, size=512, seed=3), processes=1)
            scan = next((folder / "drawn" / "CT-23").iterdir())
        print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; one scan of "
              f"{scan.stat().st_size / 2**20:.1f} MiB; load at the start {os.getloadavg()[0]:.1f}\n")  # fmt: skip
        service, guarded = Service(given.project, folder / "open"), Service(given.project, folder / "token", "t" * 32)
        print("| clients | answers a second | p50 ms | p95 ms | p99 ms | MiB before | MiB after | statuses |")
        print("|---|---|---|---|---|---|---|---|")
        for clients in map(int, given.clients.split(",")):
            print(measure(service, scan, clients, given.seconds), flush=True)
        before = service.state()
        seen = asyncio.run(attack(service, guarded, scan.read_bytes(), given.hostile))
        time.sleep(5.0)
        after = service.state()
        print("\n| hostile | statuses |\n|---|---|")
        for kind, statuses in seen.items():
            print(f"| {kind} | {', '.join(f'{code}: {count}' for code, count in sorted(statuses.items()))} |")
        print(f"\nBefore: {before}. After: {after}. Workers that died: {service.restarts()}.")
        print("Exit codes and folders left:", service.stop(), guarded.stop())


if __name__ == "__main__":
    main()

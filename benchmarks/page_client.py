"""The page as a process of its own, and visitors of it: what their browsers send, and what they wait for."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import httpx

API = "/gradio_api"
TICKS = os.sysconf("SC_CLK_TCK")


class PageProcess:
    """`python app.py` of a checkout, without the Hub, and with a temporary folder for everything it writes.

    Args:
        app: the app.py to start.
    """

    def __init__(self, app: Path):
        self.app = app.resolve()

    def __enter__(self) -> PageProcess:
        self.folder = tempfile.TemporaryDirectory(prefix="page-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TMPDIR": self.folder.name}
        environment |= {"GRADIO_TEMP_DIR": self.folder.name, "POET_CACHE": self.folder.name}
        command = [sys.executable, str(self.app), "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, cwd=self.app.parent, env=environment, **quiet)
        for _ in range(600):
            try:
                self.config = httpx.get(f"{self.url}/config", timeout=5, trust_env=False).json()
                return self
            except httpx.TransportError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.__exit__()
        sys.exit(f"error: {self.app} does not serve a page; run it to see why")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def memory(self) -> float:
        """The resident memory of the process, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def cpu(self) -> float:
        """The CPU seconds that the process has used since its start."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        return sum(map(int, after_name.split()[11:13])) / TICKS

    def written(self) -> float:
        """The size of all files that the page has written, MB."""
        files = [path for path in Path(self.folder.name).rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / 1e6


@dataclass
class Waits:
    """Seconds to the first character and to the whole poem, and how often visitors got none."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    refused: int = 0

    def record(self) -> dict:
        """Numbers, and the median and the 95th percentile of the two waits."""
        found = {"poems": len(self.whole), "refused": self.refused}
        for name, values in (("first", sorted(self.first)), ("whole", sorted(self.whole))):
            for percent in (50, 95):
                at = min(len(values) - 1, len(values) * percent // 100)
                found[f"{name}_p{percent}_seconds"] = round(values[at], 3) if values else None
        return found


class Visitor:
    """A visitor with an address of their own, as a proxy in front of the page would report it.

    Args:
        page: the page.
        number: the number of the address.
    """

    def __init__(self, page: PageProcess, number: int):
        self.page = page
        address = f"198.51.{100 + number // 250}.{1 + number % 250}"
        limits = httpx.Limits(max_connections=None)
        self.client = httpx.AsyncClient(
            base_url=page.url,
            headers={"X-Forwarded-For": address},
            timeout=180,
            trust_env=False,
            limits=limits,
        )
        self.button = next(d for d in page.config["dependencies"] if d["api_name"] == "generate")
        parts = {part["id"]: part["props"] for part in page.config["components"]}
        labels = [parts[number].get("label") or "" for number in self.button["inputs"]]
        self.names = [label.split()[-1] if label else "" for label in labels]
        self.values = [parts[number].get("value") for number in self.button["inputs"]]

    def wish(self, **changes: object) -> dict:
        """The request of the button 寫一首, in a new session, with changed values by the controls' labels."""
        changes |= {} if "Seed" in changes else {"Seed": secrets.randbelow(10**6)}
        pairs = zip(self.names, self.values, strict=True)
        data = [changes.get(name, value) for name, value in pairs]
        session = uuid.uuid4().hex[:12]
        return {"data": data, "fn_index": self.button["id"], "session_hash": session, "event_data": None}

    async def join(self, **changes: object) -> str | None:
        """Asks for a poem; returns the session, or None if the page refuses."""
        wish = self.wish(**changes)
        answer = await self.client.post(f"{API}/queue/join", json=wish)
        return wish["session_hash"] if answer.status_code == 200 else None

    async def poem(self, waits: Waits, **changes: object) -> None:
        """Asks for a poem and waits for all of it."""
        began = time.perf_counter()
        first, is_whole = None, False
        if session := await self.join(**changes):
            async with self.client.stream(
                "GET", f"{API}/queue/data", params={"session_hash": session}
            ) as stream:
                async for line in stream.aiter_lines():
                    message = json.loads(line[5:]) if line.startswith("data:") else {}
                    if message.get("msg") == "process_generating" and message["success"]:
                        first = first or time.perf_counter() - began
                        is_whole = True
                    elif message.get("msg") == "process_completed":
                        is_whole = is_whole and message["success"]
                        break
        if not is_whole:
            waits.refused += 1
            return
        waits.first.append(first)
        waits.whole.append(time.perf_counter() - began)

"""Measures the page under visitors and under strangers who want it for themselves.

python benchmarks/visitors.py --output benchmarks/results/visitors.json
python benchmarks/visitors.py --app other/checkout/app.py --minutes 1   # another checkout, for comparison
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path

import httpx
from common import ROOT, finish, show
from page_client import API, PageProcess, Visitor, Waits

from poet_model.errors import command

DEAR = {"Form": "七律", "lines": 16}  # 'Best of lines'
CHEAP = {"Form": "五絕", "lines": 4}
UPLOAD_MB = 300


async def crowd(page: PageProcess, visitors: int, minutes: float, rate: float) -> dict:
    """Visitors who come in turn, `rate` poems a second in all, each with a new session for each poem."""
    waits, memory, began = Waits(), [], time.perf_counter()
    end = began + 60 * minutes

    async def visit(number: int) -> None:
        visitor, due = Visitor(page, number), began + number / rate
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await visitor.poem(waits, **CHEAP)
            due = max(due + visitors / rate, time.perf_counter())

    async def watch() -> None:
        while time.perf_counter() < end:
            memory.append((round(time.perf_counter() - began), round(page.memory())))
            await asyncio.sleep(5)

    cpu = page.cpu()
    await asyncio.gather(watch(), *(visit(number) for number in range(visitors)))
    seconds = time.perf_counter() - began
    later = [megabytes for second, megabytes in memory if second >= min(60, 30 * minutes)]
    return waits.record() | {
        "poems_per_second": round(len(waits.whole) / seconds, 1),
        "cpu_seconds_per_poem": round((page.cpu() - cpu) / max(1, len(waits.whole)), 3),
        "memory_mb": [megabytes for _, megabytes in memory],
        "memory_range_after_first_minute_mb": max(later) - min(later),
    }


async def one_visitor(page: PageProcess) -> dict:
    """The waits of a visitor who asks for one poem."""
    waits = Waits()
    await Visitor(page, 0).poem(waits, **CHEAP)
    return waits.record()


async def beside(page: PageProcess, attackers: Iterable[Coroutine]) -> dict:
    """The wait of a visitor alone, and beside an attack that has begun a moment before."""
    await one_visitor(page)  # the first poem of a process takes longer
    alone = await one_visitor(page)
    task = asyncio.gather(*attackers)
    await asyncio.sleep(0.5)
    attacked = await one_visitor(page)
    await cancelled(task)
    waits = {"alone_seconds": alone["whole_p50_seconds"], "seconds": attacked["whole_p50_seconds"]}
    return waits | {"refused": attacked["refused"]}


async def cancelled(task: asyncio.Future) -> None:
    """Stops what an attacker still waits for."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def past_the_queue(page: PageProcess) -> dict:
    """100 posts of an expensive poem to /run and /api, which Gradio computes without a queue."""
    stranger = Visitor(page, 1)

    async def post(number: int) -> int:
        body = {"data": ["春", "七律", 0.8, 40, number, "", "", True, True, "", 16, "", False]}
        path = ("run", "api")[number % 2]
        return (await stranger.client.post(f"{API}/{path}/write_poem", json=body)).status_code

    return await beside(page, map(post, range(100)))


async def without_a_reader(page: PageProcess) -> dict:
    """80 expensive wishes whose answers nobody reads: the CPU seconds that they take."""
    before, stranger = page.cpu(), Visitor(page, 1)
    await asyncio.gather(*(stranger.join(**DEAR) for _ in range(80)))
    latest, idle = page.cpu(), 0
    while idle < 3:  # seconds
        await asyncio.sleep(1)
        latest, last = page.cpu(), latest
        idle = 0 if latest - last > 0.2 else idle + 1
    return {"cpu_seconds": round(latest - before, 1)}


async def flood(page: PageProcess, is_read: bool) -> dict:
    """40 visitors beside one client who asks for 50 poems a second, each in a new session."""
    waits, stranger, theirs, tasks = Waits(), Visitor(page, 1), Waits(), []

    async def ask() -> None:
        for _ in range(500):
            wish = stranger.poem(theirs, **CHEAP) if is_read else stranger.join(**CHEAP)
            tasks.append(asyncio.ensure_future(wish))
            await asyncio.sleep(0.02)

    asking = asyncio.ensure_future(ask())
    await asyncio.sleep(2)
    await asyncio.gather(*(Visitor(page, 10 + number).poem(waits, **CHEAP) for number in range(40)))
    await cancelled(asking)
    await asyncio.gather(*map(cancelled, tasks))
    return waits.record()


async def dear_wishes(page: PageProcess) -> dict:
    """30 visitors who want expensive poems, and one who wants a 五絕."""
    theirs = Waits()
    wishes = (Visitor(page, 10 + number).poem(theirs, **DEAR) for number in range(30))
    return await beside(page, wishes)


async def uploads(page: PageProcess) -> dict:
    """A large file sent to each route that takes files: the answers, and what is left on the disk."""
    answers = {}
    big = b"x" * (UPLOAD_MB * 1_000_000)
    for route, field in (("upload", "files"), ("process_recording", "video"), ("component_server", "file")):
        try:
            sent = httpx.post(
                f"{page.url}{API}/{route}", files={field: ("big.mp4", big)}, timeout=60, trust_env=False
            )
            answers[route] = sent.status_code
        except httpx.TransportError as error:  # the page closes the connection without reading
            answers[route] = type(error).__name__
    return {"answers": answers, "left_on_disk_mb": round(page.written()), "memory_mb": round(page.memory())}


ATTACKS: dict[str, Callable[..., Awaitable[dict]]] = {
    "past_the_queue": past_the_queue,
    "without_a_reader": without_a_reader,
    "flood_unread": lambda page: flood(page, False),
    "flood_read": lambda page: flood(page, True),
    "dear_wishes": dear_wishes,
    "uploads": uploads,
}


@command
def main() -> None:
    """Measures, prints the tables and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", type=Path, default=ROOT / "app.py", help="the page to measure")
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=10, help="poems per second of all visitors together")
    parser.add_argument("--only", nargs="*", choices=["crowd", *ATTACKS], default=["crowd", *ATTACKS])
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results to this file as JSON")
    options = parser.parse_args()
    from poet_model.machine import machine

    record: dict = {"what": "the page under load", "where": machine()}
    for name in options.only:
        with PageProcess(options.app) as page:
            if name == "crowd":
                work = crowd(page, options.visitors, options.minutes, options.rate)
            else:
                work = ATTACKS[name](page)
            record[name] = asyncio.run(work)
        rows = [[key, str(value)] for key, value in record[name].items() if not isinstance(value, list)]
        show(f"{name}, {record['where']}", ["", "measured"], rows)
    finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())

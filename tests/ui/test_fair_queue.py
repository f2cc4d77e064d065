"""The queue of the page on a real server: who waits, who is refused, and what is not computed at all."""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import replace

import httpx2 as http
import pytest

from poet_model.ui import fair_queue, page
from poet_model.ui.options import ANY_FORM
from poet_model.ui.poem import TRADITIONAL

VALUES = {"start": "春", "form": ANY_FORM, "temperature": 0.8, "top_k": 40, "seed": 7, "script": TRADITIONAL}
VALUES |= {"title": "", "author": "", "rules": [], "acrostic": "", "best_of": 1}


class SlowModel:
    """Writes short poems with another model while the gate is open, and notes their starts."""

    def __init__(self, model):
        self.model, self.gate, self.begun = model, threading.Event(), []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def stream(self, start="", **options):
        self.begun.append(start)
        self.gate.wait(timeout=30)
        return self.model.stream(start, form="五絕", seed=1)


class Server:
    """A page on a port, and a client for it."""

    def __init__(self, poet):
        self.model = SlowModel(poet.model)
        self.model.gate.set()
        self.demo = page.build(replace(poet, model=self.model))
        _, self.url, _ = self.demo.launch(prevent_thread_lock=True, quiet=True)
        self.button = next(fn._id for fn in self.demo.fns.values() if fn.api_name == "generate")
        self.queue = self.demo._queue

    def shut(self) -> None:
        """Lets no poem be begun from now on."""
        self.model.gate.clear()
        self.model.begun.clear()

    def join(self, address: int | str = 1, session: str = "", **changes) -> tuple[int, str]:
        """Presses the button; returns the status and the session."""
        session = session or uuid.uuid4().hex[:10]
        body = {"data": list((VALUES | changes).values()), "fn_index": self.button, "session_hash": session}
        headers = {"X-Forwarded-For": f"203.0.113.{address}"} if address else {}
        answer = http.post(f"{self.url}gradio_api/queue/join", json=body, headers=headers)
        return answer.status_code, session

    def read(self, session: str) -> threading.Thread:
        """Reads all messages to a session in a thread, whose `messages` they are."""

        def follow() -> None:
            url = f"{self.url}gradio_api/queue/data?session_hash={session}"
            with http.stream("GET", url, timeout=60) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data:"):
                        thread.messages.append(json.loads(line[5:]))

        thread = threading.Thread(target=follow, daemon=True)
        thread.messages = []
        thread.start()
        return thread

    def ask(self, address: int | str = 1, session: str = "", **changes) -> threading.Thread:
        """Presses the button and reads the answer in a thread."""
        status, session = self.join(address, session, **changes)
        assert status == 200
        return self.read(session)

    def wait_until(self, condition) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    def waiting(self) -> int:
        """The number of wishes in the lanes, without those that are computed."""
        return sum(len(lane.queue) for lane in (self.queue.poems, self.queue.dear, self.queue.quick))


@pytest.fixture(scope="module")
def server(poet):
    server = Server(poet)
    yield server
    server.model.gate.set()
    server.demo.close()


@pytest.fixture
def shut(server):
    """The server while no poem is written; at the end all that wait are."""
    server.wait_until(lambda: server.queue.get_active_worker_count() == 0)
    server.shut()
    readers = []
    yield server, readers
    server.model.gate.set()
    for reader in readers:
        reader.join(timeout=30)
    server.queue.forget_unread(older_than=0)


def last_output(reader: threading.Thread) -> list:
    """The values of the answer that a reader got."""
    reader.join(timeout=30)
    done = [message for message in reader.messages if message["msg"] == "process_completed"]
    assert len(done) == 1 and done[0]["success"]
    return done[0]["output"]["data"]


def test_what_nobody_reads_is_not_computed_and_soon_forgotten(shut):
    server, _ = shut
    server.model.gate.set()
    sessions = [server.join(start="山")[1] for _ in range(5)]
    reader = server.ask(2, start="水")
    assert "水" in last_output(reader)[0]
    assert server.model.begun == ["水"]
    for event in server.queue.lobby.queue:
        event.enqueue_time -= fair_queue.UNREAD_SECONDS + 1
    last_output(server.ask(2))
    server.wait_until(lambda: not server.queue.event_ids_to_events)
    assert server.queue.lobby.queue == []
    assert not set(sessions) & set(server.queue.pending_messages_per_session)
    assert not set(sessions) & set(server.queue.pending_event_ids_session)


def test_a_wish_is_computed_when_its_reader_comes_late(shut):
    server, _ = shut
    server.model.gate.set()
    _, session = server.join(start="月")
    time.sleep(0.2)
    assert server.model.begun == []
    assert "月" in last_output(server.read(session))[0]


def test_visitors_take_turns(shut):
    """One who asks for many poems first does not make the next one wait for all of them."""
    server, readers = shut
    readers += [server.ask(1, start="山") for _ in range(8)]
    server.wait_until(lambda: server.waiting() == 6)  # two are computed
    readers += [server.ask(2, start="水"), server.ask(3, start="風")]
    server.wait_until(lambda: server.waiting() == 8)
    order = [event.data.data[0] for event in server.queue.poems.queue]
    assert order[:3] == ["山", "水", "風"] and order[3:] == ["山"] * 5


def test_expensive_poems_wait_in_a_lane_of_their_own(shut):
    server, readers = shut
    dear = {"best_of": 16, "form": "七律"}
    readers += [server.ask(number, start="山", **dear) for number in range(10, 16)]
    server.wait_until(lambda: len(server.queue.dear.queue) == 5)
    readers.append(server.ask(2, start="水"))
    server.wait_until(lambda: "水" in server.model.begun)
    assert server.model.begun == ["山", "水"] and len(server.queue.dear.queue) == 5


@pytest.mark.parametrize("path", ["call/write_poem", "call/v2/write_poem"])
def test_the_lane_of_a_program_is_known_by_its_wish(shut, path):
    server, _ = shut
    values = {"start": "春", "form": "五絕", "best_of": 16}
    named = ["春", "五絕", 0.8, 40, 7, "", "", False, False, "", 16, "", False]
    body = values if "v2" in path else {"data": named}
    event = http.post(f"{server.url}gradio_api/{path}", json=body).json()["event_id"]
    place = server.queue.place_of[server.queue.event_ids_to_events[event]]
    assert place.lane is server.queue.dear


def test_an_address_has_places_and_its_neighbour_has_others(shut):
    server, _ = shut
    statuses = [server.join(1)[0] for _ in range(fair_queue.CLIENT_PLACES)]
    assert set(statuses) == {200} and len(server.queue.event_ids_to_events) == fair_queue.CLIENT_PLACES
    refused = last_output(server.ask(1))
    assert "advice" in refused[2] and "written first" in refused[2] and "請等寫完" in refused[2]
    assert [value for index, value in enumerate(refused) if index != 2] == [{"__type__": "update"}] * 3
    server.join(2)
    assert len(server.queue.event_ids_to_events) == fair_queue.CLIENT_PLACES + 1


def test_a_session_has_places(shut):
    """A program on this machine has no address that tells it from others, but a session."""
    server, _ = shut
    for _ in range(fair_queue.SESSION_PLACES + 3):
        server.join("", session="one")
    assert len(server.queue.event_ids_to_events) == fair_queue.SESSION_PLACES
    server.join("", session="another")
    assert len(server.queue.event_ids_to_events) == fair_queue.SESSION_PLACES + 1


def test_a_full_lane_is_busy_in_both_languages_and_503_for_programs(shut):
    server, _ = shut
    server.queue.dear.places, places = 0, server.queue.dear.places
    try:
        refused = last_output(server.ask(4, best_of=16))
        assert "此刻求詩的人太多" in refused[2] and "The page is busy" in refused[2]
        answer = http.post(f"{server.url}gradio_api/call/v2/write_poem", json={"best_of": 16, "form": "五絕"})
        assert answer.status_code == 503 and answer.json()["detail"] == fair_queue.BUSY
    finally:
        server.queue.dear.places = places


def test_a_lane_that_fills_up_before_the_answers_are_read_is_busy_too(shut):
    server, readers = shut
    server.queue.dear.places, places = 2, server.queue.dear.places
    try:
        sessions = [server.join(30 + number, best_of=16)[1] for number in range(5)]
        readers += [server.read(session) for session in sessions]
        server.wait_until(lambda: not server.queue.lobby.queue)
    finally:
        server.queue.dear.places = places
    server.model.gate.set()
    answers = [last_output(reader)[2] for reader in readers]
    busy = [answer for answer in answers if isinstance(answer, str) and "The page is busy" in answer]
    assert 2 <= len(busy) <= 3  # two wait, and one may be computed already


def test_who_waits_is_told_the_place_and_the_time(shut):
    server, readers = shut
    server.queue.poems.seconds, measured = 3.0, server.queue.poems.seconds
    try:
        readers += [server.ask(number) for number in range(20, 24)]
        server.wait_until(lambda: server.waiting() == 2)
        waiting = server.ask(5)
        readers.append(waiting)
        server.wait_until(lambda: any(message["msg"] == "log" for message in waiting.messages))
    finally:
        server.queue.poems.seconds = measured
    estimation, log = waiting.messages[:2]
    assert (estimation["msg"], estimation["rank"], estimation["queue_size"]) == ("estimation", 2, 3)
    assert estimation["rank_eta"] == pytest.approx(4.5)
    assert "前面還有 2 首，約等 4 秒。" in log["log"] and "Poems before yours: 2" in log["log"]


@pytest.mark.parametrize("wrong", [{"fn_index": 999}, {"session_hash": "s" * 1000}, {"fn_index": None}])
def test_a_request_for_nothing_is_refused(server, wrong):
    body = {"data": [], "fn_index": server.button, "session_hash": "x"} | wrong
    answer = http.post(f"{server.url}gradio_api/queue/join", json=body)
    assert answer.status_code == 400 and "Traceback" not in answer.text


def test_nothing_is_kept_of_many_sessions(server):
    """Only as many sessions as the page may have, and no record of the others in the queue."""
    for number in range(6):
        last_output(server.ask(number + 30))
    server.wait_until(lambda: not server.queue.event_ids_to_events)
    assert len(server.queue.pending_event_ids_session) <= 2  # the last one is swept with the next wish
    assert len(server.queue.pending_messages_per_session) <= 2
    assert not server.queue.event_analytics
    assert server.demo.state_session_capacity == server.demo.app.state_holder.capacity == page.MAX_SESSIONS

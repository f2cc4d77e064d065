"""A queue in which each visitor has a fair share of the page, as a subclass of Gradio's.

Gradio's own queue computes what came first, for whomever. Here every wish waits in one of three lanes, by
its cost. In a lane the visitors take turns, each of them has a limited number of places, and what nobody
reads is not computed. Knows of a poem only that `best_of` makes it expensive.
"""

from __future__ import annotations

import asyncio
import bisect
import inspect
import time
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, EventQueue, Queue
from gradio.server_messages import EstimationMessage, EventMessage, LogMessage, ProcessCompletedMessage

from .visitors import client_of

MAX_CHEAP = 4  # `best_of` of a poem that waits with the others; the page's first value
SESSION_PLACES = 8  # of an open page or of a program, in all lanes
CLIENT_PLACES = 32  # of an address, in all lanes; a school class may share one
LOBBY_PLACES = 256
UNREAD_SECONDS = 10  # how long an answer may be asked for after the wish
MAX_SESSION_NAME = 64  # characters; Gradio's own have about ten
TOLD_SECONDS = 1  # a waiting visitor is told the place no more often
NOTICE_SECONDS = 2  # a shorter wait is no news
Reply = tuple[Any, ...]  # what Gradio's `push` returns
LOBBY = "lobby"
BUSY = "此刻求詩的人太多，請過一會兒再試。 The page is busy at the moment. Please try again a little later."
ENOUGH = (
    "你要的詩已有好幾首在等，請等寫完再要。 Several of your poems are waiting already. Please let them be "
    "written first."
)


class Lane(EventQueue):
    """The wishes of about the same cost.

    Args:
        name: the name, as Gradio's `concurrency_id`.
        running: how many are computed at a time.
        places: how many can wait.
        seconds: about how long one takes; measured later.
    """

    def __init__(self, name: str, running: int, places: int, seconds: float):
        super().__init__(name, running)
        self.places, self.seconds = places, seconds
        self.turn = 0  # the turn of the wish that was begun last

    def wait(self, rank: int) -> float:
        """About how many seconds pass before the wish at this rank is begun."""
        return self.seconds * (rank + 1) / (self.concurrency_limit or 1)


@dataclass(eq=False)
class Place:
    """What the queue knows of a wish: who wants it, where it belongs, when its turn is, and what was said."""

    client: str
    lane: Lane
    turn: int = 0
    told_at: float = 0.0
    noticed_until: float = 0.0


class Mailbox(asyncio.Queue[EventMessage]):
    """The messages to a session; it says when somebody begins to read them."""

    def __init__(self, on_read: Callable[[], None]):
        super().__init__()
        self.on_read, self.readers = on_read, 0

    async def get(self) -> EventMessage:
        self.on_read()
        self.readers += 1
        try:
            return await super().get()
        finally:
            self.readers -= 1


class FairQueue(Queue):
    """Gradio's queue with lanes, turns and places.

    Gradio appends each wish to the queue of its function. Here that is the lobby, from which nothing is
    computed: a wish leaves it for its lane when its visitor opens the stream of the answer.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.page: Any = self.blocks  # a Page
        self.quick = Lane("quick", 4, 128, 0.02)
        self.poems = Lane("poems", 2, 128, 0.2)
        self.dear = Lane("dear", 1, 32, 1.0)
        self.lobby = EventQueue(LOBBY, 0)
        queues = (self.quick, self.poems, self.dear, self.lobby)
        self.event_queue_per_concurrency_id = {queue.concurrency_id: queue for queue in queues}
        self.place_of: weakref.WeakKeyDictionary[Event, Place] = weakref.WeakKeyDictionary()
        self.ANALYTICS_MAX_EVENTS = 0  # of records that Gradio tabulates after each event, for nobody here

    def create_event_queue_for_fn(self, block_fn: BlockFunction) -> None:
        """Makes the wishes for a function wait in the lobby first."""
        block_fn.concurrency_id = LOBBY

    async def push(self, body: PredictBodyInternal, request: Request, username: str | None) -> Reply:
        """Takes a wish, or says why not; see Gradio's method for what is returned."""
        fn = self.blocks.fns.get(-1 if body.fn_index is None else body.fn_index)
        if fn is None or fn.fn is None or len(body.session_hash or "") > MAX_SESSION_NAME:
            return False, "There is no such button.", "error"
        body.session_hash = body.session_hash or uuid.uuid4().hex
        self.forget_unread()
        lane, client = self._lane_of(fn, body.data), client_of(request, body.session_hash)
        if refusal := self._refusal(lane, client, body.session_hash):
            return self._refuse(fn, body.session_hash, refusal)
        mailbox = self._mailbox(body.session_hash)
        is_taken, event_id, state = await super().push(body, request, username)
        if is_taken and isinstance(event_id, str) and event_id in self.event_ids_to_events:
            self.place_of[self.event_ids_to_events[event_id]] = Place(client, lane)
            if mailbox.readers:
                self._admit(body.session_hash)
        return is_taken, event_id, state

    def _lane_of(self, fn: BlockFunction, data: list[Any]) -> Lane:
        names = inspect.signature(fn.fn).parameters if fn.fn else {}
        if "best_of" not in names:
            return self.quick
        best_of = dict(zip(names, data, strict=False)).get("best_of")
        is_dear = isinstance(best_of, (int, float)) and best_of > MAX_CHEAP
        return self.dear if is_dear else self.poems

    def _refusal(self, lane: Lane, client: str, session: str) -> str:
        """Why no further wish is taken; '' if one is."""
        if len(lane.queue) >= lane.places:
            return BUSY
        events = list(self.event_ids_to_events.values())
        of_session = sum(event.session_hash == session for event in events)
        of_client = sum(self.place_of[event].client == client for event in events if event in self.place_of)
        return ENOUGH if of_session >= SESSION_PLACES or of_client >= CLIENT_PLACES else ""

    def _refuse(self, fn: BlockFunction, session: str, refusal: str) -> Reply:
        """Answers on the page if it has a place for that, otherwise with HTTP 503."""
        if (data := self.page.refusal_on_page(fn, refusal)) is None:
            return False, refusal, "queue_full"
        event_id = uuid.uuid4().hex
        message = ProcessCompletedMessage(output={"data": data}, success=True, event_id=event_id)
        self._mailbox(session).put_nowait(message)
        self.pending_event_ids_session.setdefault(session, set()).add(event_id)
        return True, event_id, "success"

    def _turn_away(self, event: Event) -> None:
        """Answers a wish in the lobby that the page is busy."""
        self.lobby.queue.remove(event)
        self.event_ids_to_events.pop(event._id, None)
        data = self.page.refusal_on_page(event.fn, BUSY)
        output = {"error": BUSY} if data is None else {"data": data}
        self.send_message(event, ProcessCompletedMessage(output=output, success=data is not None))

    def _mailbox(self, session: str) -> Mailbox:
        if session not in self.pending_messages_per_session:
            self.pending_messages_per_session[session] = Mailbox(lambda: self._admit(session))
        return cast(Mailbox, self.pending_messages_per_session[session])

    def _admit(self, session: str) -> None:
        """Moves the wishes of a session, which is read, from the lobby to their lanes."""
        for event in [event for event in self.lobby.queue if event.session_hash == session]:
            place = self.place_of[event]
            lane = place.lane
            if len(lane.queue) >= lane.places:  # it has filled up since the wish was taken
                self._turn_away(event)
                continue
            others = [self.place_of[other] for other in lane.queue]
            own_turns = [other.turn for other in others if other.client == place.client]
            place.turn = max([lane.turn, *own_turns]) + 1
            self.lobby.queue.remove(event)
            event.concurrency_id = lane.concurrency_id
            bisect.insort(lane.queue, event, key=lambda other: self.place_of[other].turn)
            self.broadcast_estimations(lane.concurrency_id)

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The wish to begin next, if there is one."""
        chosen = super().get_events()
        if chosen:
            place = self.place_of[chosen[0][0]]
            place.lane.turn = place.turn
        return chosen

    async def process_events(
        self, events: list[Event], batch: bool, begin_time: float, fn: BlockFunction
    ) -> None:
        """Computes the answer to a wish, and measures how long its lane takes."""
        began = time.monotonic()
        await super().process_events(events, batch, begin_time, fn)
        for event in events:
            lane = self.place_of[event].lane
            lane.seconds += 0.2 * (time.monotonic() - began - lane.seconds)
            if not event.alive:  # the visitor has left; Gradio forgets those who stay
                self._forget(event)

    def broadcast_estimations(self, concurrency_id: str, after: int | None = None) -> None:
        """Tells those who wait in a lane their place and for about how long, in both languages."""
        lane = self.event_queue_per_concurrency_id[concurrency_id]
        if not isinstance(lane, Lane):  # the lobby
            return
        now = time.monotonic()
        for rank, event in enumerate(lane.queue):
            place, seconds = self.place_of[event], lane.wait(rank)
            if now < place.told_at + TOLD_SECONDS:
                continue
            place.told_at = now
            message = EstimationMessage(rank=rank, rank_eta=seconds, queue_size=len(lane.queue))
            self.send_message(event, message)
            if seconds >= NOTICE_SECONDS and now >= place.noticed_until:
                shown = min(seconds, 5.0)
                place.noticed_until = now + shown
                self.send_message(event, _notice(rank, seconds, shown))

    def forget_unread(self, older_than: float = UNREAD_SECONDS) -> None:
        """Forgets wishes whose answers nobody reads, the oldest of too many, and sessions without wishes.

        Args:
            older_than: how many seconds a wish may wait for its reader.
        """
        unread = self.lobby.queue
        latest = time.monotonic() - older_than
        for event in list(unread):
            if event.enqueue_time < latest or len(unread) >= LOBBY_PLACES:
                unread.remove(event)
                self._forget(event)
        for session, ids in list(self.pending_event_ids_session.items()):
            if not ids or session not in self.pending_messages_per_session:
                self._forget_session(session)

    def _forget(self, event: Event) -> None:
        self.event_ids_to_events.pop(event._id, None)
        ids = self.pending_event_ids_session.get(event.session_hash, set())
        ids.discard(event._id)
        if not ids:
            self._forget_session(event.session_hash)

    def _forget_session(self, session: str) -> None:
        self.pending_event_ids_session.pop(session, None)
        self.pending_messages_per_session.pop(session, None)


def _notice(rank: int, seconds: float, shown: float) -> LogMessage:
    """A message that the page shows for `shown` seconds."""
    about = max(1, round(seconds))
    chinese = f"前面還有 {rank} 首，約等 {about} 秒。"
    english = f"Poems before yours: {rank}; it is your turn in about {about} s."
    return LogMessage(log=f"{chinese} {english}", level="info", duration=shown, title="排隊 In line")

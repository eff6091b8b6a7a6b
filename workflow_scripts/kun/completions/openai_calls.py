"""Calls to servers with OpenAI's interface: which server takes a call, what is asked again and when, and when to give up.

Knows HTTP and nothing of prompts. Each server has a fixed number of workers, which take the next call when they are free, so the servers
get as much as each can do. A server in trouble rests, a little longer each time; then one worker tries it with one call, and the others
come back when that is answered. When a call is made again, and where, has no influence on what is asked.
"""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from time import monotonic
from typing import Any

import httpx2

Reply = dict[str, Any]
SHORTEST, LONGEST = 0.5, 60.0  # seconds of a first and of a long rest
STRIKES = 8  # so often may a call itself be in trouble at servers that answer others
SHORT = 15.0  # seconds for what needs no computing
WORDS = 200  # characters that are told of what a server says


class Refused(Exception):
    """The server does not answer this one request, and says why."""

    def __init__(self, status: int, words: str):
        super().__init__(f"the server refused it ({status}): {words}")
        self.status, self.words = status, words


class GivenUp(Exception):
    """No more calls make sense; the message says what to do."""


class _Trouble(Exception):
    """A call that may go well another time. `itself`: perhaps the call is to blame. `after`: seconds that the server asks for."""

    def __init__(self, words: str, itself: bool = False, after: float | None = None):
        super().__init__(words)
        self.itself, self.after = itself, after


@dataclass(order=True)
class _Call:
    number: int  # the lowest goes first
    path: str = field(compare=False)
    body: bytes = field(compare=False)
    answer: "asyncio.Future[Reply]" = field(compare=False)
    strikes: int = field(default=0, compare=False)
    answered_before: int = field(default=0, compare=False)  # how many calls were answered at the last strike


class _Server:
    def __init__(self, address: str):
        self.address = address.rstrip("/")
        self.failures = 0  # rests since the last answer
        self.rested = 0.0  # when the last rest began
        self.wake = 0.0
        self.trial = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Waits until the server may be asked. While it is in trouble, one worker at a time, after a rest; True for that one."""
        while self.failures:
            async with self.trial:
                if self.failures:
                    await asyncio.sleep(max(0.0, self.wake - monotonic()))
                    yield True
                    return
        yield False

    def answered(self, began: float) -> None:
        if began >= self.rested:  # else it says nothing about now
            self.failures = 0

    def failed(self, began: float, after: float | None) -> None:
        now = monotonic()
        if began >= self.rested:  # calls that fail together are one failure
            self.failures, self.rested = self.failures + 1, now
            pause = min(LONGEST, SHORTEST * 2 ** (self.failures - 1)) * random.uniform(0.5, 1)
            self.wake = now + (pause if after is None else after)
        elif after is not None:
            self.wake = max(self.wake, now + after)


class Calls:
    """`post` calls from coroutines that are started with `start`; they run in a thread of their own."""

    def __init__(self, addresses: list[str], key: str | None, at_once: int, timeout: float, patience: float):
        """`timeout` of a call, and `patience` without any answer: in seconds."""
        self.key, self.at_once, self.timeout, self.patience = key, at_once, timeout, patience
        self.open = 0  # calls without an answer
        self.answered = 0
        self.heard = 0.0  # when a server last said something of use
        self.numbers = count()
        self.closed = False
        self.taken = 0  # the highest number so far
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="servers", daemon=True).start()
        self.start(self._begin(addresses)).result()

    async def _begin(self, addresses: list[str]) -> None:
        self.servers = [_Server(address) for address in addresses]
        self.client = httpx2.AsyncClient(
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            timeout=httpx2.Timeout(self.timeout, connect=min(self.timeout, SHORT), pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        )
        self.waiting: asyncio.PriorityQueue[_Call] = asyncio.PriorityQueue()
        # The servers take turns in the order in which workers begin to wait.
        self.workers = [asyncio.create_task(self._work(server)) for _ in range(self.at_once) for server in self.servers]

    def start(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """End the thread; what is on its way is dropped. Closing twice is no fault."""
        if self.closed:
            return
        self.closed = True

        async def end() -> None:
            for worker in self.workers:
                worker.cancel()
            await self.client.aclose()

        self.start(end()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def post(self, path: str, body: dict[str, Any]) -> Reply:
        """The reply, which has a choice. Raises Refused or GivenUp."""
        if not self.open:
            self.heard = monotonic()  # before it nobody was asked
        self.open += 1
        encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        call = _Call(next(self.numbers), path, encoded, self.loop.create_future())
        self.waiting.put_nowait(call)
        try:
            return await call.answer
        finally:
            self.open -= 1

    async def _work(self, server: _Server) -> None:
        while True:
            async with server.turn() as trial:
                call = await self.waiting.get()
                if server.failures and not trial:  # it fell into trouble while this worker had nothing to do
                    self.waiting.put_nowait(call)
                    continue
                self.taken = max(self.taken, call.number)
                began = monotonic()
                try:
                    reply = await self._asked(server, call)
                except _Trouble as trouble:
                    server.failed(began, trouble.after)
                    self._again(server, call, trouble)
                    continue
                except Refused as refused:
                    call.answer.set_exception(refused)
                except GivenUp as end:
                    self._end(call, end)
                else:
                    call.answer.set_result(reply)
                    self.answered += 1
                server.answered(began)
                self.heard = monotonic()

    def _again(self, server: _Server, call: _Call, trouble: _Trouble) -> None:
        if trouble.itself and self.answered > call.answered_before:
            call.strikes, call.answered_before = call.strikes + 1, self.answered
        if call.strikes >= STRIKES:
            call.answer.set_exception(Refused(500, f"{trouble} ({STRIKES} times, while others were answered)"))
        elif monotonic() - self.heard > self.patience:
            self._end(call, self._given_up(server, str(trouble)))
        else:
            # Soon, but after some others: one that always goes wrong must not be all that is tried.
            call.number = self.taken + self.at_once * len(self.servers)
            self.waiting.put_nowait(call)

    def _end(self, call: _Call, reason: GivenUp) -> None:
        """Nothing more is asked; the one who waits for this call learns why."""
        call.answer.set_exception(reason)
        for worker in self.workers:
            worker.cancel()

    def _given_up(self, server: _Server, trouble: str) -> GivenUp:
        return GivenUp(
            f"no server has answered for {self.patience / 60:g} minutes (engine.openai.patience_minutes). The last one was "
            f"{server.address}: {trouble}. Look at the servers and engine.openai.servers, then start again: what was answered is kept "
            "and is not asked again"
        )

    async def _asked(self, server: _Server, call: _Call) -> Reply:
        response = await self._sent("POST", server.address + call.path, self.timeout, call.body)
        status = response.status_code
        if status in (404, 405):
            names = [str(entry.get("id")) for entry in await self._listed(server, lambda _: None) or []]
            raise GivenUp(
                f"{server.address}{call.path}: {status}, {self._words(response)}. The server has "
                f"{', '.join(names) or 'no list of models'}; see engine.openai.model, .servers, and .prompts (a server without "
                "/completions can only chat)"
            )
        if status != 200:
            raise Refused(status, self._words(response))
        try:
            reply = response.json()
            choice = reply["choices"][0]
            choice["text" if call.path == "/completions" else "message"]
            broken = choice.get("finish_reason") in ("abort", "error")  # a server that is shut down ends its answers so
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            raise _Trouble(f"an answer that is none of OpenAI's interface: {self._words(response)}", itself=True) from None
        if broken:
            raise _Trouble("it broke off its answer")
        return reply

    async def _sent(self, method: str, address: str, timeout: float, body: bytes | None = None) -> httpx2.Response:
        """The response where the call itself is answered or refused. Raises _Trouble or GivenUp."""
        try:
            async with asyncio.timeout(timeout):  # httpx's own begins anew with each byte
                response = await self.client.request(method, address, content=body)
        except (TimeoutError, httpx2.ReadTimeout):
            raise _Trouble(f"no answer within {timeout:g} seconds", itself=True) from None
        except httpx2.HTTPError as error:
            raise _Trouble(self._clean(f"{type(error).__name__}: {error}")) from None
        status = response.status_code
        if status in (401, 403):
            where = "KUN_OPENAI_KEY (or OPENAI_API_KEY)"
            wish = f"does not take the key in {where}" if self.key else f"wants a key: put it into the environment as {where}"
            raise GivenUp(f"{address}: {status}, {self._words(response)}. The server {wish}")
        if 300 <= status < 400:
            raise GivenUp(f"{address}: it sends calls on to another place ({status}); name that one in engine.openai.servers")
        if status in (408, 425, 429) or (status >= 500 and status != 501):
            after = seconds_after(response.headers.get("Retry-After"))
            words = f"{status}, {self._words(response)}"
            raise _Trouble(words, itself=status == 500, after=None if after is None else min(after, self.patience))
        return response

    async def models(self) -> dict[str, list[dict[str, Any]]]:
        """By address, what each server lists that can be reached; waits until one can. Raises GivenUp."""
        self.heard, pause, last = monotonic(), SHORTEST, [""]
        while True:
            found = {server.address: await self._listed(server, lambda words: last.append(words)) for server in self.servers}
            if said := {address: listed for address, listed in found.items() if listed is not None}:
                return said
            if monotonic() - self.heard > self.patience:
                raise self._given_up(self.servers[-1], last[-1])
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(LONGEST, 2 * pause)

    async def _listed(self, server: _Server, tell: Callable[[str], None]) -> list[dict[str, Any]] | None:
        """The models that a server lists, [] where it has no list; None where it cannot be reached."""
        try:
            response = await self._sent("GET", f"{server.address}/models", min(self.timeout, SHORT))
            if response.status_code != 200:
                return []
            return [entry for entry in response.json()["data"] if isinstance(entry, dict)]
        except _Trouble as trouble:
            tell(str(trouble))
        except (ValueError, TypeError, KeyError):
            tell(f"a list of models that is none: {self._words(response)}")
        return None

    async def look(self, address: str) -> httpx2.Response | None:
        """What stands at an address, if it is to be had at once."""
        try:
            return await self._sent("GET", address, min(self.timeout, SHORT))
        except (_Trouble, GivenUp):
            return None

    def _words(self, response: httpx2.Response) -> str:
        """What the server says about an error, without its headers."""
        text = response.text
        try:
            said = response.json()
            said = said.get("error", said)
            text = str(said.get("message") or said.get("detail") or said) if isinstance(said, dict) else str(said)
        except (ValueError, AttributeError):
            pass
        return self._clean(text)

    def _clean(self, text: str) -> str:
        """One short line without the key, which some servers repeat."""
        text = text.replace(self.key, "(the key)") if self.key else text
        return " ".join(text.split())[:WORDS] or "(no words)"


def seconds_after(stated: str | None) -> float | None:
    """The seconds from now that a Retry-After header means, a number or a date."""
    if not stated:
        return None
    try:
        return max(0.0, float(stated))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(stated)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None

"""A server with OpenAI's interface that answers by arithmetic, counts what it is asked, and misbehaves where a test tells it to."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

Body = dict[str, Any]


class Server(ThreadingHTTPServer):
    """`misbehave(prompt, time)` names the fault of the time-th call with this prompt, or None: hang, cut, html, empty, error, abort, 500, 429,
    400, 401, 404. `before(server)` is called in each call's thread. `vocabulary`: what the model thinks of a first token."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int = 0, pause: float = 0.0, names: tuple[str, ...] = ("model",), make: str = "test"):
        self.pause, self.names, self.make = pause, names, make
        self.misbehave: Callable[[str, int], str | None] = lambda prompt, time: None
        self.before: Callable[[Server], None] = lambda server: None
        self.words = "that is wrong"
        self.retry_after = "1"
        self.vocabulary = {"好": -0.5, "差": -1.5}
        self.echoes = True
        self.longest: int | None = None  # characters of a chat
        self.context: int | None = None
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.log: list[tuple[float, str, str | None]] = []  # arrival, prompt, fault
        self.bodies: list[Body] = []
        self.most = self.now = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def process_request(self, request, client_address) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address) -> None:
        """A client that is killed is no news."""

    def die(self) -> None:
        """As a killed process does: nothing listens, and every connection is cut."""
        self.over.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        self.socket.close()  # without waiting for threads


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/models"):
            extra = {"max_model_len": self.server.context} if self.server.context else {}
            listed = [{"id": name, "object": "model", "owned_by": self.server.make, **extra} for name in self.server.names]
            return self.say(200, {"object": "list", "data": listed})
        return self.say(404, {"error": {"message": "not here"}})

    def do_POST(self) -> None:
        server, arrived = self.server, monotonic()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = prompt_of(body)
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
            server.asked[prompt] += 1
            fault = server.misbehave(prompt, server.asked[prompt])
            server.log.append((arrived, prompt, fault))
            server.bodies.append(body)
        try:
            server.before(server)
            sleep(server.pause)
        finally:
            with server.lock:
                server.now -= 1
        self.react(body, prompt, fault)

    def react(self, body: Body, prompt: str, fault: str | None) -> None:
        server = self.server
        # A provider that repeats what it was sent, key and all.
        error = {"error": {"message": f"{server.words} {self.headers.get('Authorization')}"}}
        if fault == "hang":
            server.over.wait(30)
            self.close_connection = True
        elif fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b'{"choices": [{"text": "')
            self.close_connection = True
        elif fault == "html":
            self.say(200, b"<html><body>Gateway</body></html>", "text/html")
        elif fault == "empty":
            self.say(200, {"choices": []})
        elif fault == "error":
            self.say(200, error)
        elif fault == "abort":
            self.say(200, self.reply(body, prompt) | {"choices": [{"text": "半", "finish_reason": "abort"}]})
        elif fault == "429":
            self.say(429, error, headers={"Retry-After": server.retry_after})
        elif fault:
            self.say(int(fault), error)
        elif server.longest is not None and sum(len(message["content"]) for message in body.get("messages", [])) > server.longest:
            self.say(400, {"error": {"message": "This model's maximum context length is exceeded"}})
        else:
            with server.lock:
                server.answered[prompt] += 1
            self.say(200, self.reply(body, prompt))

    def reply(self, body: Body, prompt: str) -> Body:
        text = text_of(body)
        chat = "messages" in body
        choice: Body = {"index": 0, "finish_reason": "stop"} | ({"message": {"content": text}} if chat else {"text": text})
        likely = sorted(self.server.vocabulary.items(), key=lambda item: -item[1])[
            : body.get("top_logprobs") or body.get("logprobs") or 0
        ]
        if body.get("echo"):
            values = [None, *(-token / 1000 for token in body["prompt"][1:])]
            choice["logprobs"] = {"token_logprobs": values if self.server.echoes else None}
        elif chat and likely:
            choice["logprobs"] = {
                "content": [{"token": "好", "logprob": -0.5, "top_logprobs": [dict(token=t, logprob=v) for t, v in likely]}]
            }
        elif likely:
            choice["logprobs"] = {"top_logprobs": [dict(likely)], "tokens": [likely[0][0]], "token_logprobs": [likely[0][1]]}
        return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": len(text)}}

    def say(self, status: int, body: Body | bytes, kind: str = "application/json", headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def prompt_of(body: Body) -> str:
    return json.dumps(body.get("prompt") or body.get("messages"), ensure_ascii=False)


def text_of(body: Body) -> str:
    """The answer: of the prompt and the seed."""
    said = sha256(f"{prompt_of(body)} {body.get('seed')}".encode()).hexdigest()
    return f"请说明第{said[:12]}号问题的来历，并举一个例子。"

"""A small in-memory Hub for tests, which answers the requests of huggingface_hub 2.4 over real sockets.

It has repositories, commits, branches, tags, pull requests, users with tokens, and large files. Large files
use LFS, or Xet if the server is given a folder for the client's own content-addressed store. LFS files are
served from a second origin, `localhost`, which refuses an Authorization header as the real storage does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import uvicorn
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

TOKENS = {"hf_writer": ("user", "write"), "hf_reader": ("user", "read"), "hf_stranger": ("stranger", "write")}
LARGE = (".safetensors", ".bin", ".pt", ".npz", ".png", ".jpg", ".woff2")  # as in .gitattributes
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
DATE = "2026-01-02T03:04:05.000Z"


class Refusal(Exception):
    """An error response."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        self.status, self.message = status, message
        self.headers = headers | {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})


@dataclass(frozen=True)
class File:
    """A file of a commit. In Xet mode the content of a large file is None, because it is in the Xet store."""

    content: bytes | None
    large: bool
    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes, large: bool) -> File:
        return cls(content, large, len(content), hashlib.sha256(content).hexdigest())

    @property
    def pointer(self) -> bytes:
        """The LFS pointer that git stores in place of a large file."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
        ).encode()

    @property
    def git_oid(self) -> str:
        content = self.pointer if self.large else self.content
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    """A commit of a repository, with all its files."""

    oid: str
    files: dict[str, File]
    title: str
    description: str
    author: str
    parents: tuple[str, ...]


@dataclass
class Repo:
    """A repository: its commits, and the branches, tags and pull requests that point to them."""

    kind: str
    id: str
    private: bool = False
    gated: bool = False
    allowed: set[str] = field(default_factory=set)  # users with access to the gated repository
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)  # refs/pr/1 -> commit
    sdk: str | None = None

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    def commit(
        self, files: dict[str, File], title: str, description="", author="", parents: tuple[str, ...] = ()
    ) -> Commit:
        """Stores a commit, to which no branch, tag or pull request points yet."""
        state = [sorted((path, file.git_oid) for path, file in files.items()), title, description, parents]
        oid = hashlib.sha1(json.dumps([self.id, len(self.commits), state]).encode()).hexdigest()
        self.commits[oid] = Commit(oid, dict(files), title, description, author, parents)
        return self.commits[oid]

    def resolve(self, revision: str) -> Commit:
        """The commit for a branch, tag, pull request or full commit id."""
        revision = "main" if revision == "HEAD" else revision
        oid = next((n[revision] for n in (self.branches, self.tags, self.pulls) if revision in n), revision)
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def history(self, oid: str) -> list[Commit]:
        """A commit and its ancestors, newest first."""
        commits = [self.commits[oid]]
        while commits[-1].parents:
            commits.append(self.commits[commits[-1].parents[0]])
        return commits


@dataclass
class Fault:
    """An answer to inject for requests whose "METHOD path" matches the pattern.

    If `answer` returns None, the Hub answers the request as usual.
    """

    pattern: re.Pattern
    answer: Callable[[Request], Response | None]
    times: int


ROUTES: list[tuple[str, re.Pattern, str]] = []
NAMES = {
    "KIND": r"(?P<kind>models|datasets|spaces)",
    "ID": r"(?P<id>[^/]+/[^/]+)",
    "REV": r"(?P<revision>[^/]+)",
    "PATH": r"(?P<path>.+)",
}


def route(method: str, pattern: str):
    """Registers a handler. KIND, ID, REV and PATH in the pattern are passed to it as arguments."""
    expression = re.compile(re.sub("|".join(NAMES), lambda match: NAMES[match[0]], pattern))

    def register(function):
        ROUTES.append((method, expression, function.__name__))
        return function

    return register


class HubServer:
    """The Hub; `with HubServer() as hub:` serves it at `hub.endpoint`.

    Args:
        listening: a bound socket; None binds a free port.
        xet: a folder for the client's own store; None uses LFS for large files.

    Attributes:
        repos: (kind, id) -> Repo; tests may read and change it.
        log: (method, path, status) of every answered request, in order.
        page_size: the number of tree entries in one response.
    """

    def __init__(self, listening: socket.socket | None = None, xet: Path | None = None):
        self.socket = listening or socket.socket(proto=socket.IPPROTO_TCP)  # or each answer waits 40 ms
        if listening is None:
            self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.storage = f"http://localhost:{self.port}/storage"
        self.xet, self.page_size = xet, 1000
        self.reset()

    def reset(self) -> None:
        """Empties the Hub."""
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.log: list[tuple[str, str, int]] = []
        self.faults: list[Fault] = []
        self.page_size = 1000

    def __enter__(self) -> HubServer:
        config = uvicorn.Config(self.app, interface="asgi3", lifespan="off", log_level="critical")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)
        self.socket.close()

    def on(self, pattern: str, answer: int | bytes | Callable | None, *, times: int = 1) -> None:
        """Injects an answer for the next `times` requests whose "METHOD path" matches the pattern.

        Args:
            answer: a status, a body (sent as the content of the file), or a function of the request that
                returns a response, or None to let the Hub answer.
        """
        if isinstance(answer, int):
            status = answer
            answer = lambda _: Response(f"fault {status}", status)  # noqa: E731
        elif isinstance(answer, bytes):
            body = answer
            answer = lambda _: Response(body, headers={"X-Repo-Commit": "0" * 40})  # noqa: E731
        self.faults.append(Fault(re.compile(pattern), answer, times))

    def paths(self, method: str | None = None) -> list[str]:
        """The paths requested so far, without the client's own request once per process."""
        return [
            path for verb, path, _ in self.log if method in (None, verb) and "agent-harnesses" not in path
        ]

    def repo(self, id: str, kind: str = "models") -> Repo:
        """An existing repository."""
        return self.repos[kind, id]

    async def app(self, scope, receive, send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        path = scope["raw_path"].decode()
        body = await request.body()
        try:
            response = self._faulty(request, path) or self._answer(request, path, body)
        except Refusal as refusal:
            body = {"error": refusal.message}
            response = JSONResponse(body, refusal.status, headers=refusal.headers)
        self.log.append((request.method, path, response.status_code))
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    def _faulty(self, request: Request, path: str) -> Response | None:
        for fault in self.faults:
            if fault.times and fault.pattern.search(f"{request.method} {path}"):
                fault.times -= 1
                if (answer := fault.answer(request)) is not None:
                    return answer
        return None

    def _answer(self, request: Request, path: str, body: bytes) -> Response:
        at_storage = request.headers["host"].startswith("localhost")
        if at_storage != path.startswith("/storage/"):
            raise Refusal(421, "this origin does not serve that")
        for method, expression, name in ROUTES:
            if (match := expression.fullmatch(path)) and method == request.method.replace("HEAD", "GET"):
                groups = {key: unquote(value or "") for key, value in match.groupdict().items()}
                answer = getattr(self, name)(request, body, **groups)
                return answer if isinstance(answer, Response) else JSONResponse(answer)
        raise Refusal(404, f"{request.method} {path} is not part of this Hub")

    # users and permissions

    def _user(self, request: Request, needed: bool = False) -> tuple[str, str] | None:
        """(name, role) of the user who sends the request; None if it is anonymous."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if needed and not token:
            raise Refusal(401, "Invalid username or password.")
        return TOKENS[token] if token else None

    def _find(self, request: Request, kind: str, id: str, *, write=False, content=False) -> Repo:
        """The repository, if the user may see it and, as required, write to it or read its files."""
        user = self._user(request)
        repo = self.repos.get((kind or "models", id))
        if repo is None or (repo.private and (user is None or user[0] != repo.owner)):
            if user is None:
                raise Refusal(401, "Invalid username or password.")
            raise Refusal(404, "Repository not found", "RepoNotFound")
        if write:
            if user is None:
                raise Refusal(401, "Invalid username or password.")
            if user != (repo.owner, "write"):
                raise Refusal(403, "you do not have the rights to write here; use a token with role write")
        if content and repo.gated and (user is None or user[0] not in {repo.owner, *repo.allowed}):
            message = f"Access to {kind[:-1] or 'model'} {id} is restricted."
            raise Refusal(401 if user is None else 403, message, "GatedRepo")
        return repo

    # accounts and repositories

    @route("GET", "/api/agent-harnesses")
    def agent_harnesses(self, request, body):
        return {"standardEnvVars": [], "harnesses": {}}

    @route("GET", "/api/whoami-v2")
    def whoami(self, request, body):
        name, role = self._user(request, needed=True)
        token = {"accessToken": {"displayName": "test", "role": role}}
        return {"type": "user", "name": name, "fullname": name, "orgs": [], "auth": token}

    @route("POST", "/api/repos/create")
    def create(self, request, body):
        name, role = self._user(request, needed=True)
        params = json.loads(body)
        kind, owner = f"{params.get('type') or 'model'}s", params.get("organization") or name
        id = f"{owner}/{params['name']}"
        url = self.endpoint + ("" if kind == "models" else f"/{kind}") + f"/{id}"
        if owner != name or role != "write":
            raise Refusal(403, f"You don't have the rights to create a {kind[:-1]} under {owner!r}")
        if (kind, id) in self.repos:
            return JSONResponse({"error": "You already created this repo", "url": url}, 409)
        repo = self.repos[kind, id] = Repo(
            kind, id, params.get("visibility") == "private", sdk=params.get("sdk")
        )
        attributes = "".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LARGE)
        first = repo.commit(
            {".gitattributes": File.of(attributes.encode(), False)}, "initial commit", author=name
        )
        repo.branches["main"] = first.oid
        return {"url": url, "name": id, "id": id}

    @route("DELETE", "/api/repos/delete")
    def delete(self, request, body):
        name, _ = self._user(request, needed=True)
        params = json.loads(body)
        key = f"{params.get('type') or 'model'}s", f"{params.get('organization') or name}/{params['name']}"
        self._find(request, *key, write=True)
        del self.repos[key]
        return Response("OK")

    @route("PUT", "/api/KIND/ID/settings")
    def settings(self, request, body, kind, id):
        repo, params = self._find(request, kind, id, write=True), json.loads(body)
        repo.private = params.get("visibility", "private" if repo.private else "public") == "private"
        repo.gated = bool(params.get("gated", repo.gated))
        return {"private": repo.private, "gated": repo.gated}

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self, request, body):
        params = json.loads(body)
        try:
            errors = card_errors(params["content"], params["repoType"])
        except yaml.YAMLError as error:
            errors = [str(error)]
        result = {"errors": [{"message": error} for error in errors], "warnings": []}
        return JSONResponse(result, 400 if errors else 200)

    # reading

    @route("GET", "/api/KIND/ID(?:/revision/REV)?")
    def info(self, request, body, kind, id, revision):
        repo = self._find(request, kind, id)
        commit = repo.resolve(revision or "main")
        card = commit.files.get("README.md")
        metadata = front_matter(card.content.decode()) if card else {}
        return {
            "_id": hashlib.sha1(repo.id.encode()).hexdigest()[:24],
            "id": repo.id,
            "author": repo.owner,
            "sha": commit.oid,
            "private": repo.private,
            "gated": "auto" if repo.gated else False,
            "disabled": False,
            "tags": metadata.get("tags", []),
            "pipeline_tag": metadata.get("pipeline_tag"),
            "library_name": metadata.get("library_name"),
            "cardData": metadata,
            "downloads": 0,
            "likes": 0,
            "sdk": repo.sdk,
            "lastModified": DATE,
            "createdAt": DATE,
            "siblings": [
                {"rfilename": path} | self._blob(file) for path, file in sorted(commit.files.items())
            ],
        }

    def _blob(self, file: File) -> dict:
        """The entry of a file in the response of `info`, whose names differ from those in a tree."""
        lfs = {"sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
        return {"size": file.size, "blobId": file.git_oid} | ({"lfs": lfs} if file.large else {})

    def _entry(self, path: str, file: File) -> dict:
        entry = {"type": "file", "oid": file.git_oid, "size": file.size, "path": path}
        if file.large:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
            if self.xet:
                entry["xetHash"] = self._xet_hashes()[file.sha256]
        return entry

    @route("GET", "/api/KIND/ID/tree/REV(?:/PATH)?")
    def tree(self, request, body, kind, id, revision, path):
        files = self._find(request, kind, id).resolve(revision).files
        prefix = f"{path}/" if path else ""
        entries = {}
        for name in sorted(files):
            if name.startswith(prefix):
                parts = name.removeprefix(prefix).split("/")
                for depth in range(1, len(parts)):
                    folder = prefix + "/".join(parts[:depth])
                    entries[folder] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
                entries[name] = self._entry(name, files[name])
        if request.query_params.get("recursive") != "true":
            entries = {name: entry for name, entry in entries.items() if "/" not in name.removeprefix(prefix)}
        if prefix and not entries:
            raise Refusal(404, f"{path} does not exist", "EntryNotFound")
        first = int(request.query_params.get("cursor", 0))
        page, headers = list(entries.values())[first : first + self.page_size], {}
        if first + self.page_size < len(entries):
            following = request.url.include_query_params(cursor=first + self.page_size)
            headers["Link"] = f'<{self.endpoint}{following.path}?{following.query}>; rel="next"'
        return JSONResponse(page, headers=headers)

    @route("POST", "/api/KIND/ID/paths-info/REV")
    def paths_info(self, request, body, kind, id, revision):
        from urllib.parse import parse_qs

        files = self._find(request, kind, id).resolve(revision).files
        paths = parse_qs(body.decode()).get("paths", [])
        return [self._entry(path, files[path]) for path in paths if path in files]

    @route("GET", "/(?:(?P<kind>datasets|spaces)/)?ID/resolve/REV/PATH")
    def resolve(self, request, body, kind, id, revision, path):
        repo = self._find(request, kind or "models", id, content=True)
        commit = repo.resolve(revision)
        headers = {"X-Repo-Commit": commit.oid}
        if path not in commit.files:
            raise Refusal(404, "Entry not found", "EntryNotFound", **headers)
        file = commit.files[path]
        headers["X-Linked-Size"] = str(file.size)
        if not file.large:
            location = f"/api/resolve-cache/{kind or 'models'}/{id}/{commit.oid}/{path}"
            headers |= {"X-Linked-Etag": f'"{file.git_oid}"', "Location": location}
            return Response(status_code=307, headers=headers)
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "Location": f"{self.storage}/{file.sha256}?signed=1"}
        if self.xet:
            token = f"{self.endpoint}/api/{kind or 'models'}/{id}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": self._xet_hashes()[file.sha256], "Link": f'<{token}>; rel="xet-auth"'}
        return Response(status_code=302, headers=headers)

    @route("GET", "/api/resolve-cache/KIND/ID/REV/PATH")
    def resolve_cache(self, request, body, kind, id, revision, path):
        file = self._find(request, kind, id, content=True).resolve(revision).files[path]
        headers = {"ETag": f'"{file.git_oid}"', "X-Repo-Commit": revision}
        return self._part(request, file.content, headers)

    @route("GET", "/storage/(?P<sha256>[0-9a-f]{64})")
    def stored(self, request, body, sha256):
        if "authorization" in request.headers:
            raise Refusal(400, "only one auth mechanism allowed: a token has leaked to the storage")
        return self._part(request, self.blobs[sha256], {"ETag": f'"{sha256}"'})

    def _part(self, request: Request, content: bytes, headers: dict) -> Response:
        """The whole content, or the requested range of it."""
        headers = headers | {"Accept-Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")):
            first, last = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
            if first >= len(content):
                return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return Response(content[first : last + 1], 206, headers)
        return Response(content, headers=headers)

    @route("GET", "/api/KIND/ID/refs")
    def refs(self, request, body, kind, id):
        repo = self._find(request, kind, id)

        def listed(names: dict[str, str], prefix: str) -> list[dict]:
            return [{"name": n, "ref": prefix + n, "targetCommit": oid} for n, oid in names.items()]

        return {
            "branches": listed(repo.branches, "refs/heads/"),
            "tags": listed(repo.tags, "refs/tags/"),
            "pullRequests": listed(repo.pulls, ""),
            "converts": [],
        }

    @route("GET", "/api/KIND/ID/commits/REV")
    def commits(self, request, body, kind, id, revision):
        repo = self._find(request, kind, id)
        return [
            {
                "id": commit.oid,
                "title": commit.title,
                "message": commit.description,
                "authors": [{"user": commit.author}],
                "date": DATE,
            }
            for commit in repo.history(repo.resolve(revision).oid)
        ]

    # branches, tags, pull requests

    @route("POST", "/api/KIND/ID/branch/REV")
    def create_branch(self, request, body, kind, id, revision):
        repo = self._find(request, kind, id, write=True)
        if revision.startswith("refs/") or revision in repo.commits:
            raise Refusal(400, f"Invalid reference for a branch: {revision}")
        if revision in repo.branches:
            raise Refusal(409, "Reference already exists")
        repo.branches[revision] = repo.resolve(json.loads(body).get("startingPoint", "main")).oid
        return Response("OK")

    @route("DELETE", "/api/KIND/ID/branch/REV")
    def delete_branch(self, request, body, kind, id, revision):
        del self._find(request, kind, id, write=True).branches[revision]
        return Response("OK")

    @route("POST", "/api/KIND/ID/tag/REV")
    def create_tag(self, request, body, kind, id, revision):
        repo, tag = self._find(request, kind, id, write=True), json.loads(body)["tag"]
        if tag in repo.tags:
            raise Refusal(409, "Reference already exists")
        repo.tags[tag] = repo.resolve(revision).oid
        return Response("OK")

    @route("DELETE", "/api/KIND/ID/tag/REV")
    def delete_tag(self, request, body, kind, id, revision):
        del self._find(request, kind, id, write=True).tags[revision]
        return Response("OK")

    def _open_pull(self, repo: Repo, oid: str) -> int:
        number = len(repo.pulls) + 1
        repo.pulls[f"refs/pr/{number}"] = oid
        return number

    @route("POST", "/api/KIND/ID/discussions")
    def open_discussion(self, request, body, kind, id):
        repo = self._find(request, kind, id)
        self._user(request, needed=True)
        return {"num": self._open_pull(repo, repo.branches["main"])}

    @route("GET", r"/api/KIND/ID/discussions/(?P<number>\d+)")
    def discussion(self, request, body, kind, id, number):
        self._find(request, kind, id)
        return {
            "title": "pull request",
            "num": int(number),
            "createdAt": DATE,
            "status": "draft",
            "repo": {"name": id, "type": KINDS[kind]},
            "isPullRequest": True,
            "events": [],
            "filesWithConflicts": [],
            "changes": {"base": "refs/heads/main"},
        }

    # writing

    @route("POST", "/api/KIND/ID/preupload/REV")
    def preupload(self, request, body, kind, id, revision):
        repo = self._find(request, kind, id, write="create_pr" not in request.query_params)
        files, answers = repo.resolve(revision).files, []
        for upload in json.loads(body)["files"]:
            sample, old = base64.b64decode(upload["sample"]), files.get(upload["path"])
            large = upload["path"].endswith(LARGE) or upload["size"] > 10_000_000 or b"\0" in sample
            answer = {
                "path": upload["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
            }
            if old:
                answer["oid"] = old.sha256 if old.large else old.git_oid
            answers.append(answer)
        return {"files": answers}

    @route("POST", r"/(?:(?P<kind>datasets|spaces)/)?ID\.git/info/lfs/objects/batch")
    def lfs_batch(self, request, body, kind, id):
        self._find(request, kind or "models", id)
        self._user(request, needed=True)  # any user may upload files for a pull request
        objects = []
        for requested in json.loads(body)["objects"]:
            answer = {"oid": requested["oid"], "size": requested["size"]}
            if requested["oid"] not in self.blobs:
                upload = {"href": f"{self.storage}/{requested['oid']}"}
                verify = {"href": f"{self.endpoint}/api/lfs-verify"}
                answer["actions"] = {"upload": upload, "verify": verify}
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    @route("PUT", "/storage/(?P<sha256>[0-9a-f]{64})")
    def store(self, request, body, sha256):
        if "authorization" in request.headers:
            raise Refusal(400, "only one auth mechanism allowed: a token has leaked to the storage")
        if hashlib.sha256(body).hexdigest() != sha256:
            raise Refusal(400, "the content does not match its sha256")
        self.blobs[sha256] = body
        return Response()

    @route("POST", "/api/lfs-verify")
    def lfs_verify(self, request, body):
        self._user(request, needed=True)
        uploaded = json.loads(body)
        if len(self.blobs.get(uploaded["oid"], b"")) != uploaded["size"]:
            raise Refusal(404, "this object was not uploaded")
        return {}

    @route("POST", "/api/KIND/ID/commit/REV")
    def receive_commit(self, request, body, kind, id, revision):
        as_pull = "create_pr" in request.query_params
        repo = self._find(request, kind, id, write=not as_pull)
        author = self._user(request, needed=True)[0]
        parent = repo.resolve(revision)
        files, header = dict(parent.files), {}
        for line in body.splitlines():
            part = json.loads(line)
            key, value = part["key"], part["value"]
            if key == "header":
                header = value
            elif key == "file":
                content = value["content"].encode()
                files[value["path"]] = File.of(
                    base64.b64decode(content) if value["encoding"] == "base64" else content, False
                )
            elif key == "lfsFile":
                files[value["path"]] = self._large(value)
            elif key == "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise Refusal(400, f"{value['path']} does not exist and cannot be deleted")
            elif key == "deletedFolder":
                files = {path: file for path, file in files.items() if not path.startswith(value["path"])}
            else:
                raise Refusal(400, f"{key} is not an operation of this Hub")
        if header.get("parentCommit", parent.oid) != parent.oid:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        commit = repo.commit(files, header["summary"], header.get("description", ""), author, (parent.oid,))
        answer = {"success": True, "commitOid": commit.oid}
        answer["commitUrl"] = f"{self.endpoint}/{id}/commit/{commit.oid}"
        if as_pull:
            number = self._open_pull(repo, commit.oid)
            answer["pullRequestUrl"] = f"{self.endpoint}/{id}/discussions/{number}"
        else:
            next(names for names in (repo.branches, repo.pulls) if revision in names)[revision] = commit.oid
        return answer

    def _large(self, value: dict) -> File:
        if self.xet:
            if value["oid"] not in self._xet_hashes():
                raise Refusal(400, f"{value['path']} was not uploaded to the store")
            return File(None, True, value["size"], value["oid"])
        if value["oid"] not in self.blobs:
            raise Refusal(400, f"{value['path']} was not uploaded to the store")
        return File.of(self.blobs[value["oid"]], True)

    # Xet: the store is a folder that the client reads and writes itself; the Hub only tells it where it is

    @route("GET", "/api/KIND/ID/xet-(?P<access>read|write)-token/REV")
    def xet_token(self, request, body, kind, id, access, revision):
        if not self.xet:
            raise Refusal(404, "this Hub does not use Xet")
        self._find(request, kind, id, write=access == "write", content=True)
        url, expires = f"local://{self.xet}", int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(expires)}
        return JSONResponse({"casUrl": url, "accessToken": "xet", "exp": expires}, headers=headers)

    def _xet_hashes(self) -> dict[str, str]:
        """sha256 -> Xet hash for all files in the store, read from its shards."""
        return {
            sha256: xet_hash
            for shard in self.xet.glob("xet/**/*.mdb")
            for sha256, xet_hash in files_of_shard(shard.read_bytes()).items()
        }


def files_of_shard(shard: bytes) -> dict[str, str]:
    """sha256 -> Xet hash for the files that an xet-core shard describes."""

    def text(raw: bytes) -> str:
        return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))

    hashes, offset = {}, 48
    while shard[offset : offset + 32] != b"\xff" * 32:
        xet_hash = shard[offset : offset + 32]
        flags, segments = struct.unpack("<II", shard[offset + 32 : offset + 40])
        offset += 48 + 48 * segments * (2 if flags & 1 << 31 else 1)
        if flags & 1 << 30:
            hashes[text(shard[offset : offset + 32])] = text(xet_hash)
            offset += 48
    return hashes


class StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        if duplicates := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"duplicated mapping key: {', '.join(duplicates)}")
        return super().construct_mapping(node, deep)


def front_matter(card: str) -> dict:
    """The metadata at the beginning of a card."""
    match = re.match(r"---\n(.*?\n)---\n", card, re.DOTALL)
    return (yaml.load(match[1], Loader=StrictLoader) if match else None) or {}


VOCABULARY = json.loads((Path(__file__).parent / "hub_vocabulary.json").read_text(encoding="utf-8"))
SPACE_NEEDS = ("sdk", "title", "emoji", "colorFrom", "colorTo")


def card_errors(card: str, kind: str = "model") -> list[str]:
    """The errors that the Hub would report for the metadata of a card."""
    metadata, errors = front_matter(card), []
    for key, known in VOCABULARY.items():
        if key in ("about", "colors", "sdks"):
            continue
        values = metadata.get(key, [])
        for value in values if isinstance(values, list) else [values]:
            if value not in known:
                errors.append(f'"{key}" must be one of those known to the Hub, not {value!r}')
    if kind == "space":
        errors += [f'"{key}" is required' for key in SPACE_NEEDS if key not in metadata]
        for key in ("colorFrom", "colorTo"):
            if metadata.get(key) not in VOCABULARY["colors"]:
                errors.append(f'"{key}" must be one of {VOCABULARY["colors"]}')
        if metadata.get("sdk") not in VOCABULARY["sdks"]:
            errors.append(f'"sdk" must be one of {VOCABULARY["sdks"]}')
        if len(metadata.get("short_description", "")) > 60:
            errors.append('"short_description" length must be less than or equal to 60 characters long')
    if "model-index" in metadata:
        for model in metadata["model-index"]:
            for result in model.get("results", []):
                if not {"task", "dataset", "metrics"} <= result.keys():
                    errors.append('"model-index" results need task, dataset and metrics')
    return errors

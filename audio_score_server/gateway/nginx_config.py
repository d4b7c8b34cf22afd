"""Nginx' configuration as text.

Nginx runs in the run directory and with the log directory as its prefix, so that nearly every path
in its configuration is a plain name: no limit on lengths of socket paths matters, and no character
of a folder's name can be taken for a variable or the end of a word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CONFIG: Final = "nginx.conf"
PID: Final = "nginx.pid"
ALIVE_SOCKET: Final = "nginx.sock"
"""On which Nginx itself answers."""
FRONT_SOCKET: Final = "gateway.sock"
CERTIFICATE: Final = "tls-certificate.pem"
KEY: Final = "tls-key.pem"
ERROR_LOG: Final = "nginx-error.log"
ACCESS_LOG: Final = "access.log"
BODIES: Final = "client_body_temp"
OPTIONAL: Final = ("fastcgi", "uwsgi", "scgi")
"""Modules that a build of Nginx may lack, and that want a folder where they are."""
TEMPORARY: Final = (BODIES, "proxy_temp", *(f"{module}_temp" for module in OPTIONAL))
"""Folders below the log directory."""
_RETRY_AFTER_S: Final = 2
_SLACK_S: Final = 15
"""Which a worker has to answer that it was not done in time, before Nginx does."""
_SILENCE_S: Final = 30
_KEEP_ALIVE_S: Final = 75
_BODY_MEMORY: Final = "256k"
_LOG: Final = (
    "'$remote_addr [$time_iso8601] \"$request\" status=$status in=$request_length '",
    "'out=$bytes_sent seconds=$request_time upstream=\"$upstream_addr\" '",
    '\'upstream_status="$upstream_status" upstream_seconds="$upstream_response_time" \'',
    "'request_id=$id'",
)


@dataclass(frozen=True, slots=True)
class Site:
    """What the configuration depends on.

    Attributes:
        listen: address and port.
        pid: path of the file for its process number.
        workers: how many servers.
        max_body: largest request body that is passed on, in bytes.
        max_upload: largest that a server takes, in bytes.
        request_s: longest time that a server takes for a request.
        silence_s: after which a server that does not answer is replaced.
        grace_s: how long requests may go on when it is told to stop.
        per_minute: scores that a client may ask for in a minute; 0 for any number.
        keyed: whether clients are told apart by their keys; by their addresses otherwise.
        tls: whether there are a certificate and a key.
        user: whom its processes belong to, where the launcher is root; None otherwise.
        processes: how many of its own.
        files: most that each may have open.
        lacks: of ``OPTIONAL``, what this build is without.
    """

    listen: str
    pid: str
    workers: int
    max_body: int
    max_upload: int
    request_s: float
    silence_s: float
    grace_s: float
    per_minute: int = 0
    keyed: bool = False
    tls: bool = False
    user: str | None = None
    processes: int = 1
    files: int = 1024
    lacks: Sequence[str] = ()


def link_of(index: int) -> str:
    """Name of the socket on which a worker serves, in the run directory."""
    return f"worker-{index}.sock"


def quoted(word: str) -> str:
    r"""A word of the configuration whatever is in it; ``$`` stays what it is to each directive.

    >>> quoted('a "b"')
    '"a \\"b\\""'
    """
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def configuration(site: Site) -> str:
    """The whole file."""
    lines = [
        "# Written by the launcher at every start; changes are lost.",
        "daemon off;",
        *([f"user {site.user};"] if site.user else []),
        f"worker_processes {site.processes};",
        f"worker_rlimit_nofile {site.files};",
        f"worker_shutdown_timeout {_milliseconds(site.grace_s)};",
        f"pid {quoted(site.pid)};",
        f"error_log {ERROR_LOG} notice;",
        *_block("events", [f"worker_connections {site.files // 2};"]),
        *_block("http", _http(site)),
    ]
    return "\n".join(lines) + "\n"


def _http(site: Site) -> list[str]:
    return [
        f"log_format upstream {' '.join(_LOG)};",
        f"access_log {ACCESS_LOG} upstream buffer=32k flush=1s;",
        *(
            f"{folder}_path {folder};"
            for folder in TEMPORARY
            if folder.removesuffix("_temp") not in site.lacks
        ),
        "default_type application/octet-stream;",
        "server_tokens off;",
        "tcp_nodelay on;",
        f"keepalive_timeout {_KEEP_ALIVE_S};",
        *_receiving(site),
        *_passing_on(site),
        *_block(
            "map $http_x_request_id $id",
            ['"~^[!-~]{1,128}$" $http_x_request_id;', "default $request_id;"],
        ),
        # Of each worker that was tried, how long it took to connect to it; "-" where nobody was.
        *_block(
            'map "$proxy_host $upstream_connect_time" $unanswered',
            ['"~^workers .*-" @passed_over;', "default @unreachable;"],
        ),
        # Not the one that has just died of it: its socket takes connections for a moment yet.
        *_block(
            'map "$upstream_addr $upstream_connect_time" $others',
            [
                *(_but_the_dead() if site.workers > 1 else []),
                "default workers;",
            ],
        ),
        *_limit(site),
        *_upstreams(site),
        *_block("server", _server(site)),
        *_block(
            "server",
            [f"listen unix:{ALIVE_SOCKET};", "access_log off;", *_block("location /", _alive())],
        ),
    ]


def _alive() -> list[str]:
    return ["return 204;"]


def _receiving(site: Site) -> list[str]:
    return [
        f"client_max_body_size {site.max_body};",
        f"client_body_buffer_size {_BODY_MEMORY};",
        f"client_body_timeout {_SILENCE_S};",
        "client_header_timeout 15;",
        f"send_timeout {_SILENCE_S};",
    ]


def _passing_on(site: Site) -> list[str]:
    """Whole requests, to another worker where one dies, freezes or is full: scoring is pure."""
    return [
        "proxy_http_version 1.1;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Request-Id $id;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_request_buffering on;",
        "proxy_connect_timeout 5;",
        f"proxy_send_timeout {_SILENCE_S};",
        f"proxy_read_timeout {_milliseconds(site.request_s + _SLACK_S)};",
        "proxy_next_upstream error timeout http_503 non_idempotent;",
        # A recording that kills whoever hears it must not meet them all; see ``_passed_over``.
        "proxy_next_upstream_tries 2;",
        f"proxy_next_upstream_timeout {_milliseconds(site.request_s + site.silence_s)};",
    ]


def _but_the_dead() -> list[str]:
    """The other workers where, of two that were tried, one was there; by addresses and times."""
    return [
        r'"~^unix:worker-(?<first>\d+)\.sock, \S+ [0-9.]+, -$" all_but_$first;',
        r'"~, unix:worker-(?<second>\d+)\.sock -, [0-9.]+$" all_but_$second;',
    ]


def _limit(site: Site) -> list[str]:
    """As each server does it alone: a bucket for each key, or each address, of POST requests."""
    if not site.per_minute:
        return []
    # Of IPv6 the half that a provider gives a household.
    network = [r'"~(?s)^(?<prefix>.{8}).{8}$" $prefix;', "default $binary_remote_addr;"]
    key = [r'"~*^bearer +(?<key>[^ ]+) *$" $key;', "default $network;"]
    return [
        *_block("map $binary_remote_addr $network", network),
        *(_block("map $http_authorization $client", key) if site.keyed else []),
        *_block(
            "map $request_method $limited",
            [f"POST {'$client' if site.keyed else '$network'};", 'default "";'],
        ),
        f"limit_req_zone $limited zone=clients:10m rate={site.per_minute}r/m;",
        "limit_req_status 429;",
        "limit_req_log_level notice;",
    ]


def _upstreams(site: Site) -> list[str]:
    # No marks for failures: a worker that is dead is passed over at no cost, since nobody listens
    # on its socket; whether one is well is the launcher's to say, which takes its socket away.
    servers = [f"server unix:{link_of(index)} max_fails=0;" for index in range(site.workers)]
    # A worker alone is there a second time: while it is replaced, the one that goes refuses those
    # who came just before, and the one that comes is behind the same name.
    if site.workers == 1:
        servers.append(f"server unix:./{link_of(0)} max_fails=0 backup;")
    # No connections are kept: a failure on one that was counts as no try. On Unix sockets a new one
    # costs next to nothing.
    return [
        *_block("upstream workers", ["zone workers 256k;", "least_conn;", *servers]),
        *(
            line
            for dead in range(site.workers if site.workers > 1 else 0)
            for line in _block(
                f"upstream all_but_{dead}", ["least_conn;", *servers[:dead], *servers[dead + 1 :]]
            )
        ),
        *_block("upstream front", [f"server unix:{FRONT_SOCKET};"]),
    ]


def _server(site: Site) -> list[str]:
    return [
        *_listening(site),
        "error_page 413 @too_large;",
        *(["error_page 429 @too_many;"] if site.per_minute else []),
        # What is passed over may fail once more.
        "recursive_error_pages on;",
        *_failures(unanswered="= $unanswered"),
        *_block("location /", ["proxy_pass http://workers;"]),
        *_passed_over(site),
        *(line for path in ("/score", "/score/") for line in _scoring(site, path)),
        *(
            line
            for path in ("= /health", "/health/", "= /metrics")
            for line in _block(
                f"location {path}",
                ["access_log off;", "proxy_next_upstream off;", "proxy_pass http://front;"],
            )
        ),
        *_told(
            "too_large",
            413,
            f"The upload is too large: at most {site.max_upload:,} bytes are taken. Send a "
            "compressed format such as MP3 or WebM, or raise AUDIO_SCORE_MAX_UPLOAD_BYTES.",
        ),
        *(_too_many(site.per_minute) if site.per_minute else []),
        *_told("fault", 500, "The gateway has a fault; its log says more."),
        *_told(
            "unreachable",
            503,
            "No worker can be reached at the moment. Try again shortly.",
            retry_after_s=_RETRY_AFTER_S,
        ),
        *_told("late", 504, "The request was not done in time. Try again later."),
    ]


def _failures(unanswered: str) -> list[str]:
    """What Nginx answers where no worker does."""
    return [
        "error_page 500 @fault;",
        # To a client, 502 tells of a remote model; that a worker is not there is to be tried again.
        f"error_page 502 {unanswered};",
        "error_page 503 =503 @unreachable;",
        "error_page 504 @late;",
    ]


def _passed_over(site: Site) -> list[str]:
    """A request that has used up its tries, one at least on a worker that is not there at all.

    It is brought to the first other one that is there, and to no more: a POST that was sent and
    found no answer is not sent again, unless ``non_idempotent`` allows it. So no more than two ever
    see it.
    """
    return _block(
        "location @passed_over",
        [
            *_failures(unanswered="=503 @unreachable"),
            "proxy_next_upstream error timeout;",
            f"proxy_next_upstream_tries {max(2, site.workers)};",
            "proxy_pass http://$others;",
        ],
    )


def _listening(site: Site) -> list[str]:
    if not site.tls:
        return [f"listen {site.listen};"]
    return [
        f"listen {site.listen} ssl;",
        f"ssl_certificate {CERTIFICATE};",
        f"ssl_certificate_key {KEY};",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "ssl_session_cache shared:tls:2m;",
        "ssl_session_timeout 1h;",
    ]


def _scoring(site: Site, path: str) -> list[str]:
    # One passes anyway: with these, it is a minute's requests that may come at once.
    more = site.per_minute - 1
    limit = [f"limit_req zone=clients burst={more} nodelay;"] if site.per_minute else []
    return _block(f"location = {path}", [*limit, "proxy_pass http://workers;"])


def _too_many(per_minute: int) -> list[str]:
    wait_s = math.ceil(60 / per_minute)
    return _told(
        "too_many",
        429,
        f"At most {per_minute} requests a minute are taken from one client. Try again in "
        f"{wait_s} s.",
        retry_after_s=wait_s,
    )


def _told(name: str, status: int, detail: str, retry_after_s: int | None = None) -> list[str]:
    """An answer of Nginx' own in the application's form."""
    body = json.dumps({"detail": detail}, separators=(",", ":"))
    return _block(
        f"location @{name}",
        [
            "default_type application/json;",
            "add_header X-Request-Id $id always;",
            *([f"add_header Retry-After {retry_after_s} always;"] if retry_after_s else []),
            f"return {status} {quoted(body)};",
        ],
    )


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(1000 * seconds))}ms"


def _block(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head} {{", *(f"    {line}" for line in lines), "}"]

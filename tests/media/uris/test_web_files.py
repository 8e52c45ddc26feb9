"""Files of web servers: hops, trouble, patience and bounds, on a server of this machine."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.uris.allowed_prefixes import Allowed
from embed_assets.media.uris.host_health import Hosts, Trouble
from embed_assets.media.uris.http_files import Web
from tests.web_server import Answer, WebServer, web_server


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as made:
        yield made


def web(server: WebServer, *more: str, **options: object) -> Web:
    return Web(Allowed(None, [f"{server.url}/", *more]), Hosts(pause=0.01), **options)  # pyright: ignore[reportArgumentType]


def reason(found: pytest.ExceptionInfo[MediaError]) -> str:
    return found.value.reason


def test_size_time_and_etag_are_requested_without_the_body(server: WebServer) -> None:
    uri = server.put("/a.txt", "amber", headers={"ETag": '"e1"', "Last-Modified": formatdate(1000, usegmt=True)})
    found = web(server).find(uri)
    assert found.size == 5
    assert found.mtime == 1000.0
    assert found.etag == "e1"
    assert web(server).read(uri, 10) == b"amber"


def test_a_server_that_supports_get_alone_gets_a_get(server: WebServer) -> None:
    def answer(headers: object) -> Answer:
        return Answer(b"amber") if server.asked["/a.txt"] % 2 == 0 else Answer(status=403)

    server.answers["/a.txt"] = answer  # pyright: ignore[reportArgumentType]
    assert web(server).find(f"{server.url}/a.txt").size == 5


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, "vanished"), (410, "vanished"), (401, "access denied"), (403, "access denied"), (451, "access denied"),
     (400, "unreachable"), (418, "unreachable"), (429, "unreachable"), (500, "unreachable"), (503, "unreachable")],
)  # fmt: skip
def test_a_status_says_whether_a_file_is_gone_denied_or_out_of_reach(
    server: WebServer, status: int, expected: str
) -> None:
    uri = server.put("/a.txt", "x", status=status)
    for ask in (lambda: web(server).find(uri), lambda: web(server).read(uri, 10)):
        with pytest.raises(MediaError, match=f"HTTP {status}") as caught:
            ask()
        assert reason(caught) == expected
        assert caught.value.again


def test_trouble_that_passes_is_waited_for(server: WebServer) -> None:
    def answer(headers: object) -> Answer:
        return Answer(status=503, headers={"Retry-After": "1"}) if server.asked["/a.txt"] < 2 else Answer(b"amber")

    server.answers["/a.txt"] = answer  # pyright: ignore[reportArgumentType]
    assert web(server).read(f"{server.url}/a.txt", 10) == b"amber"


def test_a_wait_that_a_host_asks_for_is_no_try() -> None:
    requests = []

    def ask() -> str:
        requests.append(1)
        if len(requests) < 6:
            raise Trouble("HTTP 503", wait=0.1)
        return "amber"

    assert Hosts().retry("https://host", ask) == "amber"


@pytest.mark.parametrize("retry_after", ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "-5", "\u00b2", "soon"])
def test_a_host_that_asks_for_no_wait_is_tried_as_often_as_one_that_says_nothing(
    server: WebServer, retry_after: str
) -> None:
    uri = server.put("/a.txt", status=429, headers={"Retry-After": retry_after.encode().decode("latin-1")})
    with pytest.raises(MediaError, match="HTTP 429"):
        web(server).read(uri, 10)
    assert server.asked["/a.txt"] == 3


def test_a_host_that_requests_an_hour_is_not_waited_for_and_gets_no_more_requests(server: WebServer) -> None:
    uri = server.put("/a.txt", status=429, headers={"Retry-After": "3600"})
    asking = web(server)
    for _ in range(3):
        with pytest.raises(MediaError, match="HTTP 429, asks to wait 3,600 s") as caught:
            asking.find(uri)
        assert reason(caught) == "unreachable"
    assert server.asked["/a.txt"] == 1


def test_a_dead_host_gets_a_few_requests_however_many_files_it_has() -> None:
    with web_server() as gone:
        uri = gone.url
    hosts = Hosts(pause=0.01)
    asking = Web(Allowed(None, [f"{uri}/"]), hosts)
    tried = 0
    for number in range(1000):
        with pytest.raises(MediaError, match="connection refused") as caught:
            asking.find(f"{uri}/{number}.txt")
        assert reason(caught) == "unreachable"
        tried += caught.value.__cause__ is not None  # by a request, rather than known before
    assert tried == 5


def test_a_page_with_faults_of_its_own_does_not_take_its_host_down(server: WebServer) -> None:
    bad, good = server.put("/bad", status=500), server.put("/good", "x")
    asking = web(server)
    for _ in range(15):
        with pytest.raises(MediaError):
            asking.find(bad)
        assert asking.find(good).size == 1


@pytest.mark.slow
def test_a_host_of_faults_alone_is_given_up(server: WebServer) -> None:
    asking = web(server)
    for number in range(120):
        with pytest.raises(MediaError, match="HTTP 500"):
            asking.find(server.put(f"/{number}", status=500))
    assert sum(server.asked.values()) <= 50 * 3


def test_a_name_that_does_not_resolve_is_out_of_reach(server: WebServer) -> None:
    with pytest.raises(MediaError, match="name not resolved") as caught:
        web(server, "http://nowhere.invalid/").find("http://nowhere.invalid/a.txt")
    assert reason(caught) == "unreachable"


def test_a_redirect_is_followed_where_its_target_is_allowed(server: WebServer) -> None:
    server.put("/b.txt", "amber")
    assert web(server).read(server.put("/a.txt", status=302, headers={"Location": "b.txt"}), 10) == b"amber"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://127.0.0.1:9/x", "outside the source"),
        ("file:///etc/hostname", "outside the source"),
        ("gopher://x/", "outside the source"),
        ("//evil.example/x", "outside the source"),
        ("../%2e%2e/x", "no usable address"),
        ("/a.txt", "unreachable"),  # in a circle
    ],
)
def test_every_redirect_is_checked(server: WebServer, target: str, expected: str) -> None:
    uri = server.put("/a.txt", status=301, headers={"Location": target})
    for ask in (web(server).find, lambda uri: web(server).read(uri, 10)):
        with pytest.raises(MediaError) as caught:
            ask(uri)
        assert reason(caught) == expected


def test_a_name_of_this_machine_is_refused_where_only_the_name_is_allowed(server: WebServer) -> None:
    server.put("/a.txt", "secret")
    name = socket.gethostname()
    asking = Web(Allowed(None, [f"http://{name}:{server.port}/"]), Hosts(pause=0.01))
    try:
        socket.getaddrinfo(name, 0)
    except OSError:
        pytest.skip("the machine's name does not resolve")
    with pytest.raises(MediaError, match="of a private network") as caught:
        asking.read(f"http://{name}:{server.port}/a.txt", 10)
    assert reason(caught) == "private address"
    assert not server.asked


def test_an_allowed_host_may_not_redirect_to_this_machine(server: WebServer) -> None:
    hidden = server.put("/secret", "secret")
    uri = server.put("/a.txt", status=302, headers={"Location": f"http://2130706433:{server.port}/secret"})
    everything = Web(Allowed(None, [f"{server.url}/a.txt", "http://"]), Hosts(pause=0.01))
    assert everything.read(hidden, 10) == b"secret"  # 127.0.0.1 is named by the first prefix
    narrow = Web(Allowed(None, ["http://"]), Hosts(pause=0.01))
    for each in (uri, hidden, f"http://2130706433:{server.port}/secret", f"http://localhost:{server.port}/secret"):
        with pytest.raises(MediaError) as caught:
            narrow.read(each, 10)
        assert reason(caught) == "private address"


def test_more_bytes_than_the_limit_are_not_fetched_and_a_cut_off_file_is_no_file(server: WebServer) -> None:
    assert web(server).read(server.put("/long", b"x" * 10**6), 9) == b"x" * 10
    with pytest.raises(MediaError, match="cut off") as caught:
        web(server).read(server.put("/cut", b"x" * 100, cut=40), 1000)
    assert reason(caught) == "unreachable"


def test_a_body_that_was_packed_unasked_is_unpacked_within_the_limit(server: WebServer) -> None:
    packed = {"Content-Encoding": "gzip"}
    assert web(server).read(server.put("/a", gzip.compress(b"amber"), headers=packed), 100) == b"amber"
    assert len(web(server).read(server.put("/bomb", gzip.compress(bytes(10**7)), headers=packed), 20_000)) == 20_001


def test_a_password_of_an_address_and_headers_go_to_their_own_host_alone(server: WebServer) -> None:
    with web_server() as other:
        target = other.put("/b.txt", "x")
        server.put("/a.txt", status=302, headers={"Location": target})
        asking = web(server, f"{other.url}/", headers={"X-Key": "k"}, origin=server.url)
        assert asking.read(f"http://joe:pw@127.0.0.1:{server.port}/a.txt", 10) == b"x"
        assert server.headers["/a.txt"]["Authorization"] == "Basic am9lOnB3"
        assert server.headers["/a.txt"]["X-Key"] == "k"
        assert not {"Authorization", "X-Key"} & set(other.headers["/b.txt"])


ODD = [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n" * 200 + b"\r\n"]
ODD += [b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n"]
ODD += [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
ODD += [b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999999\r\nETag: " + b"e" * 9999 + b"\r\n\r\nx"]


@pytest.mark.parametrize("raw", ODD)
def test_an_odd_answer_is_the_files_reason(raw: bytes) -> None:
    with saying(raw) as url:
        for ask in ("find", "read"):
            asking = Web(Allowed(None, [url]), Hosts(pause=0.0))
            with contextlib.suppress(MediaError):
                assert asking.find(f"{url}x").size == 0 if ask == "find" else asking.read(f"{url}x", 100) is None


def test_a_redirect_to_a_file_below_the_source_is_none(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    uri = server.put("/a.txt", status=302, headers={"Location": f"file://{tmp_path}/a.txt"})
    with pytest.raises(MediaError, match="a redirect to file"):
        Web(Allowed(str(tmp_path), [server.url]), Hosts(pause=0.0)).read(uri, 10)


def test_who_was_stopped_waits_no_longer(server: WebServer) -> None:
    hosts = Hosts()
    asking = Web(Allowed(None, [f"{server.url}/"]), hosts)
    hosts.stop()
    with pytest.raises(MediaError, match="stopped"):
        asking.find(server.put("/a.txt", status=503, headers={"Retry-After": "19"}))


@contextlib.contextmanager
def saying(raw: bytes) -> Iterator[str]:
    """A server that answers every connection with the same bytes; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = listening.accept()
                    with taken:
                        taken.recv(65536)
                        taken.sendall(raw)

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"

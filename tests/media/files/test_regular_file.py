import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.files.regular_file import read_regular
from embed_assets.media.files.source import open_source


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


@pytest.mark.parametrize("make", [os.mkfifo, a_socket, lambda path: path.symlink_to("/dev/zero")])
def test_a_file_that_became_a_pipe_a_socket_or_a_device_is_refused_and_holds_nobody_up(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have some hundred characters only
    make(tmp_path / "swapped.txt")
    source = open_source(str(tmp_path), follow_links=True)
    with pytest.raises(MediaError, match=r"swapped\.txt is a pipe, a socket or a device") as caught:
        source.read("swapped.txt", 100)
    assert caught.value.reason == "unreadable"
    assert caught.value.again
    with pytest.raises(MediaError, match="is a pipe"), source.stream("swapped.txt") as file:
        file.read(1)


def test_a_folder_in_the_place_of_a_file_has_vanished_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "swapped.txt").mkdir()
    with pytest.raises(MediaError) as caught:
        open_source(str(tmp_path)).read("swapped.txt", 100)
    assert caught.value.reason == "vanished"


def test_one_byte_more_of_a_file_is_read_than_requested(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abcdef")
    assert read_regular(tmp_path / "a.txt", 3) == b"abcd"
    assert read_regular(tmp_path / "a.txt", 30) == b"abcdef"

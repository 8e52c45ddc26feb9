import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_assets.media.files.glob_pattern import Selection, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("**/*", "a.txt", True),
        ("**/*", "x/y/a.txt", True),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "x/y/a.txt", True),
        ("**/*.txt", "a.txt.gz", False),
        ("*.txt", "x/a.txt", False),
        ("x/**", "x/y/a.txt", True),
        ("x/**/a.txt", "x/a.txt", True),
        ("x/**/a.txt", "xy/a.txt", False),
        ("**", "x/a.txt", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[!a]b.txt", "/b.txt", False),
        ("**/*.{jpg,png}", "x/a.png", True),
        ("**/*.{jpg,png}", "x/a.gif", False),
        ("{a*,b}/c", "abc/c", True),
        ("a+(1).txt", "a+(1).txt", True),
        ("a[", "a[", True),
        ("*.txt", "two\nlines.txt", True),
        ("**/*.jpg", "A.JPG", False),
    ],
)
def test_a_pattern_matches_whole_keys(pattern: str, key: str, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(key) is not None) == matches


@pytest.mark.parametrize(
    ("pattern", "folders", "others"),
    [
        ("**/*.txt", ["", "a/", "a/b/c/"], []),
        ("a/**", ["", "a/", "a/b/"], ["b/", "ab/"]),
        ("*.txt", [""], ["a/"]),
        ("a/*/c.txt", ["", "a/", "a/b/"], ["b/", "a/b/c/"]),
        ("**/raw/*.png", ["", "a/", "a/raw/", "raw/"], []),
        ("{a,b}/*.txt", ["a/", "b/"], ["c/", "a/b/"]),
        ("{a/b,c}/*.txt", ["", "a/", "a/b/", "c/", "d/"], []),  # alternatives with slashes lead anywhere
        ("2024-[01][0-9]/**", ["2024-01/", "2024-12/x/"], ["2023-01/", "2024-1/"]),
    ],
)
def test_folders_are_entered_where_the_pattern_leads(pattern: str, folders: list[str], others: list[str]) -> None:
    chosen = Selection(pattern)
    assert [folder for folder in [*folders, *others] if chosen.folder(folder)] == folders


def test_what_is_excluded_is_a_file_or_a_folder_with_all_that_is_in_it() -> None:
    chosen = Selection("**/*", ["thumbs", "**/cache/**", "*.tmp", "[x].jsonl"])
    keys = ["a.txt", "thumbs/a.png", "a/thumbs/b.png", "a/cache/c/d.txt", "b.tmp", "a/b.tmp", "[x].jsonl", "x.jsonl"]
    assert [key for key in keys if chosen.file(key)] == ["a.txt", "a/thumbs/b.png", "a/b.tmp"]
    assert not chosen.folder("thumbs/") and not chosen.folder("a/cache/") and chosen.folder("a/thumbs/")


_PARTS = st.lists(
    st.sampled_from(["a", "b", "*", "**", "?", "a*", "{a,b}", "{a/b,c}", "[ab]", "{", "[", "ab"]), max_size=5
)
_KEYS = st.lists(st.sampled_from(["a", "b", "ab", "c", "a.txt"]), min_size=1, max_size=5).map("/".join)


@given(_PARTS.map("/".join), st.lists(_PARTS.map("/".join), max_size=2), _KEYS)
@settings(max_examples=400, deadline=None)
def test_no_folder_above_a_wanted_file_is_left_out(pattern: str, exclude: list[str], key: str) -> None:
    chosen = Selection(pattern, exclude)
    if chosen.file(key):
        names = key.split("/")[:-1]
        assert all(chosen.folder("".join(f"{name}/" for name in names[:end])) for end in range(len(names) + 1))

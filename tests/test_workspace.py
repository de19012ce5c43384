"""The output folder is made, kept, locked and left as it should be."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from scanner.errors import OutputError, UsageError
from scanner.workspace import RESULTS, Workspace, write_text

IDENTITY = {"vcf": "9 bytes ab", "windows": "100 bp every 100"}


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "a" / "b")
    assert workspace.open()
    assert not Workspace(tmp_path / "a" / "b").open(), "now it was there before"
    assert workspace.is_ours()


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    assert not Workspace(tmp_path).open()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"file is a file: name a folder$"):
        Workspace(tmp_path / "file").open()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("held", ["thesis.txt", ".hidden", "run.json", "windows.tsv.gz"])
def test_a_folder_with_something_else_is_refused_and_left(tmp_path: Path, held: str) -> None:
    (tmp_path / held).write_text('{"tool": "another"}')
    with pytest.raises(UsageError, match="holds no popscan result but something else: name a new folder"):
        Workspace(tmp_path).open()
    assert listed(tmp_path) == [held]


def test_a_result_with_the_users_notes_beside_it_is_ours(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"popscan": "0.1.0"}')
    (tmp_path / "notes.txt").write_text("look at chr2")
    assert not Workspace(tmp_path).open()


def failing(number: int) -> Any:
    def fail(*_given: Any, **_named: Any) -> NoReturn:
        raise OSError(number, "it failed")

    return fail


@pytest.mark.parametrize("step", ["mkdir", "touch"])
def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(Path, step, failing(errno.EROFS))
    with pytest.raises(OutputError, match=r"out cannot be made or written: it failed$"):
        Workspace(tmp_path / "out").open()
    monkeypatch.undo()
    assert listed(tmp_path) == []


def test_a_lock_keeps_others_out_and_dies_with_its_process(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "out")
    workspace.open()
    code = (
        "import sys; from pathlib import Path; from scanner.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(OutputError, match=r"another popscan is writing to .*out: wait for it, or stop it$"):
        workspace.locked().__enter__()
    holder.kill()
    holder.communicate()
    with workspace.locked():
        pass


def test_a_lock_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        Workspace(tmp_path / "nowhere").locked().__enter__()


def test_a_run_goes_on_only_as_itself(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    first = workspace.resume(IDENTITY, force=False)
    assert workspace.resume(IDENTITY, force=False) == first
    with pytest.raises(UsageError, match=r"\(windows was 100 bp every 100, is 100 bp every 50\)"):
        workspace.resume({**IDENTITY, "windows": "100 bp every 50"}, force=False)
    assert workspace.resume({**IDENTITY, "windows": "100 bp every 50"}, force=True) != first


def test_force_drops_parts_at_once_and_results_only_when_there_are_new_ones(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    (tmp_path / "notes.txt").write_text("mine")
    for name in RESULTS:
        (tmp_path / name).mkdir() if name in ("tracks", "calls") else (tmp_path / name).write_text("old")
    (tmp_path / "tracks" / "pi.bw").write_text("old")
    workspace.parts.mkdir()
    (workspace.parts / "part-000000.json").write_text("{}")
    workspace.resume(IDENTITY, force=True)
    assert not workspace.parts.exists()
    assert (tmp_path / "tracks" / "pi.bw").exists()
    workspace.clear()
    workspace.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".popscan", "notes.txt"]


def test_complete_means_same_identity_no_parts_and_a_table(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    assert workspace.complete(IDENTITY) is None
    (tmp_path / "run.json").write_text(json.dumps({"popscan": "0.1.0", "identity": IDENTITY}))
    assert workspace.complete(IDENTITY) is None, "no table"
    (tmp_path / "windows.tsv.gz").write_text("")
    found = workspace.complete(IDENTITY)
    assert found is not None
    assert found["popscan"] == "0.1.0"
    assert workspace.complete({**IDENTITY, "mask": "x"}) is None
    workspace.parts.mkdir()
    assert workspace.complete(IDENTITY) is None, "parts are there: the run did not come to its end"


@pytest.mark.parametrize("text", ["", "{", "[]", '"popscan"', '{"other": 1}'])
def test_a_damaged_run_json_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert Workspace(tmp_path).finished() is None


@pytest.mark.parametrize("fresh", [True, False])
def test_leaving_takes_away_what_is_of_no_use(tmp_path: Path, fresh: bool) -> None:
    workspace = Workspace(tmp_path / "out")
    workspace.open()
    with workspace.locked():
        workspace.resume(IDENTITY, force=False)
        (workspace.hidden / "input.vcf.gz.tbi").write_text("an index")
        workspace.parts.mkdir()
        (workspace.parts / ".part-000000.99.npz").write_text("a draft")
        assert not workspace.leave(fresh=fresh)
    assert listed(tmp_path) == ([] if fresh else ["out", "out/.popscan", "out/.popscan/input.vcf.gz.tbi"])


def test_leaving_keeps_finished_parts_and_the_users_files(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    workspace.parts.mkdir()
    (workspace.parts / "part-000000.json").write_text("{}")
    assert workspace.leave(fresh=False)
    assert listed(tmp_path) == [".popscan", ".popscan/lock", ".popscan/parts", ".popscan/parts/part-000000.json"]
    (workspace.parts / "part-000000.json").unlink()
    (tmp_path / "notes.txt").write_text("written meanwhile")
    assert not workspace.leave(fresh=True)
    assert listed(tmp_path) == ["notes.txt"]


def test_tidying_keeps_an_index_that_was_made_here(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    workspace.resume(IDENTITY, force=False)
    workspace.parts.mkdir()
    (workspace.hidden / "x.tbi").write_text("an index")
    workspace.tidy()
    assert listed(tmp_path) == [".popscan", ".popscan/x.tbi"]
    (workspace.hidden / "x.tbi").unlink()
    workspace.tidy()
    assert listed(tmp_path) == []


def test_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")
    write_text(path, "new")
    monkeypatch.setattr(Path, "replace", failing(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"run\.json cannot be written: it failed$"):
        write_text(path, "newest")
    monkeypatch.undo()
    assert (path.read_text(), listed(tmp_path)) == ("new", ["run.json"])


def test_drafts_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    ours = [".windows.tsv.gz.partial.gz", ".run.json.77.partial", ".popscan/.identity.json.77.partial"]
    for name in (*ours, ".thesis.partial"):
        (tmp_path / name).touch()
    workspace.clear()
    workspace.tidy()
    assert [path.name for path in tmp_path.iterdir()] == [".thesis.partial"]

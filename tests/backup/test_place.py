"""The directory of backups: judged before a start, and asked when the last backup in it was finished."""

import os
from pathlib import Path

import pytest

from engine.backup.place import check_place, last_finished_s
from engine.errors import StartupError


def test_a_directory_that_can_be_written_is_left_as_it_was(tmp_path):
    """Nothing stays of the attempt."""
    check_place(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_or_no_directory_is_refused(tmp_path):
    """With what to do."""
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(
            StartupError, match=f"{name}: is not there: make the directory of backups, or mount"
        ):
            check_place(tmp_path / name)


def test_what_can_not_be_written_is_refused_with_the_reason():
    """Nobody writes there, root neither."""
    with pytest.raises(
        StartupError, match=r"/proc: can't be written: .*: let the engine's user write backups there"
    ):
        check_place(Path("/proc"))


def test_the_newest_backup_counts_and_not_one_that_is_being_made(tmp_path):
    """By the time of the manifest, which is written last; a directory without one is no backup."""
    assert last_finished_s(tmp_path) == 0
    for name, finished_s in (("monday", 100), ("tuesday", 200), (".unfinished-wednesday", 300)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
        os.utime(tmp_path / name / "manifest.json", (finished_s, finished_s))
    (tmp_path / "lost+found").mkdir()
    assert last_finished_s(tmp_path) == 200

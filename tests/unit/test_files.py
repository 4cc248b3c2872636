"""Writing files into an untrusted checkout."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.files import (
    Directory,
    UnsafePath,
    append,
    output_file_problem,
    read_limited,
    read_text,
    reason_of,
    report_dir_problem,
    why_unreadable,
    write_output_file,
)
from opsera_step.platforms import platform_class

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="changes owners"
)
no_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="permissions don't hold root back"
)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace as the current directory, beside a directory that is outside of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "ws").mkdir()
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


@pytest.fixture(params=[0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The masks of shells and of hardened runners."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def names(path: str | Path) -> list[str]:
    return sorted(one.name for one in Path(path).iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


class TestOutputFile:
    """Links, modes, owners, and what can't be written."""

    def test_a_new_file_is_readable_for_all(self, top: Path, umask: int):
        """Mode 0644, directories 0755, whatever the umask."""
        write_output_file("a/b/opsera.env", "x\n", top)
        assert Path("a/b/opsera.env").read_text() == "x\n"
        assert [mode(Path(one)) for one in ("a", "a/b", "a/b/opsera.env")] == [0o755, 0o755, 0o644]
        assert names("a/b") == ["opsera.env"]

    @pytest.mark.parametrize("old", [0o600, 0o666])
    def test_an_existing_file_keeps_its_mode(self, top: Path, umask: int, old: int):
        """A private file stays private."""
        Path("f").write_text("old and longer")
        Path("f").chmod(old)
        write_output_file("f", "new", top)
        assert (Path("f").read_text(), mode(Path("f"))) == ("new", old)

    @needs_root
    def test_root_hands_new_files_to_the_owner_of_the_parent(self, top: Path):
        """The next checkout, as the runner's user, can remove what the container made."""
        os.chown(top, 1001, 1002)
        write_output_file("a/b/f", "x", top)
        Path("mine").write_text("old")
        os.chown("mine", 1003, 1004)
        write_output_file("mine", "x", top)
        append("appended", "x\n")
        for name in ("a", "a/b", "a/b/f", "appended"):
            assert (Path(name).stat().st_uid, Path(name).stat().st_gid) == (1001, 1002)
        assert (Path("mine").stat().st_uid, Path("mine").stat().st_gid) == (1003, 1004)

    def test_a_link_within_the_workspace_is_written_through(self, top: Path):
        """The link stays a link, whether its target is there or not."""
        Path("real").write_text("old")
        Path("real").chmod(0o600)
        Path("sub").mkdir()
        Path("link").symlink_to("real")
        Path("sub/chain").symlink_to(top / "link")
        Path("dangling").symlink_to("sub/new")
        Path("dirlink").symlink_to("sub")
        for name in ("sub/chain", "dangling", "dirlink/inner"):
            assert output_file_problem(name, top) == ""
            write_output_file(name, name, top)
        assert Path("real").read_text() == "sub/chain"
        assert mode(Path("real")) == 0o600
        assert Path("sub/new").read_text() == "dangling"
        assert Path("sub/inner").read_text() == "dirlink/inner"
        assert all(Path(name).is_symlink() for name in ("link", "sub/chain", "dangling", "dirlink"))

    @pytest.mark.parametrize(
        ("link", "target", "path"),
        [
            ("opsera.env", "../outside/file", "opsera.env"),
            ("opsera.env", "/etc/passwd", "opsera.env"),
            ("opsera.env", "../outside/new", "opsera.env"),
            ("opsera.env", "/dev/stdout", "opsera.env"),
            ("dir", "../outside", "dir/new/opsera.env"),
            ("opsera.env", "opsera.env", "opsera.env"),
            ("opsera.env", ".", "opsera.env"),
        ],
    )
    def test_a_link_that_leads_out_is_refused(self, top: Path, link: str, target: str, path: str):
        """It is a problem before the first request, and nothing is written then or later."""
        outside = top.parent / "outside"
        (outside / "file").write_text("old")
        Path(link).symlink_to(target)
        problem = output_file_problem(path, top)
        assert problem.startswith(f"{path} is a link ")
        assert problem.endswith("Remove the link, or use another file.")
        with pytest.raises(UnsafePath):
            write_output_file(path, "new", top)
        assert (outside / "file").read_text() == "old"
        assert names(outside) == ["file"]
        assert Path(link).is_symlink()

    def test_links_outside_of_the_workspace_are_the_machines_own(self, top: Path):
        """On macOS /tmp is a link; what the job names outside of the checkout is trusted."""
        outside = top.parent / "outside"
        (top.parent / "tmp").symlink_to(outside)
        path = str(top.parent / "tmp" / "opsera.env")
        assert output_file_problem(path, top) == ""
        write_output_file(path, "x", top)
        assert (outside / "opsera.env").read_text() == "x"

    def test_the_workspace_itself_may_be_a_link(self, top: Path, monkeypatch):
        """A checkout that is reached through a link is the same checkout."""
        (top.parent / "alias").symlink_to(top)
        alias = top.parent / "alias"
        assert output_file_problem(str(alias / "opsera.env"), alias) == ""
        write_output_file(str(alias / "opsera.env"), "x", alias)
        assert (top / "opsera.env").read_text() == "x"
        assert report_dir_problem(str(alias / "report"), alias) == ""
        assert "is the workspace itself" in report_dir_problem(str(alias), top)

    def test_a_refused_link_can_be_replaced_by_the_file(self, top: Path):
        """A committed link must not survive as GitLab's dotenv report."""
        Path("opsera.env").symlink_to("/dev/stdout")
        write_output_file("opsera.env", "x\n", top, replaces_refused_link=True)
        assert not Path("opsera.env").is_symlink()
        assert Path("opsera.env").read_text() == "x\n"
        Path("dir").symlink_to("../outside")
        with pytest.raises(UnsafePath):
            write_output_file("dir/opsera.env", "x\n", top, replaces_refused_link=True)

    def test_a_directory_is_refused(self, top: Path):
        """It could never be written, which is better known before the run."""
        (top / "out").mkdir()
        assert output_file_problem("out", top) == "out is a directory. Use the path of a file."
        assert output_file_problem("out/opsera.env", top) == ""
        assert output_file_problem("x" * 300, top) == ""  # longer than the system allows

    def test_a_pipe_without_a_reader_does_not_hang(self, top: Path):
        """A named pipe stays one, and the error has what is missing."""
        os.mkfifo("pipe")
        with pytest.raises(OSError, match="nothing reads this named pipe"):
            write_output_file("pipe", "x", top)
        assert stat.S_ISFIFO(Path("pipe").stat().st_mode)

    def test_a_pipe_with_a_reader_gets_the_text(self, top: Path):
        """However long it is, and a device gets it too."""
        os.mkfifo("pipe")
        with subprocess.Popen(["sh", "-c", "cat pipe > copy"]) as reader:
            text = "OPSERA_STATUS=success\n" * 10_000
            until = time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    write_output_file("pipe", text, top)
                    break
                except OSError:
                    time.sleep(0.02)  # cat has not opened it yet
            assert reader.wait(20) == 0
            assert Path("copy").read_text() == text
        write_output_file("/dev/null", "x", top)

    def test_a_full_disk_leaves_the_old_file_or_none(self, top: Path):
        """No half of a file is there, not even under another name."""
        for name in ("old", "new"):
            if name == "old":
                Path(name).write_text("before\n")
            result = limited(f"write_output_file({name!r}, 'x' * 100_000, Path())")
            assert result == "File too large"
        assert names(".") == ["old"]
        assert Path("old").read_text() == "before\n"

    @no_root
    def test_a_file_in_a_directory_that_is_read_only_is_overwritten(self, top: Path):
        """As a mounted file is, which can't be replaced."""
        Path("d").mkdir()
        Path("d/f").write_text("old and longer")
        Path("d").chmod(0o555)
        write_output_file("d/f", "new", top)
        assert Path("d/f").read_text() == "new"

    def test_a_file_that_cannot_be_replaced_is_overwritten(self, top: Path, monkeypatch):
        """A mounted file is busy; if writing over it fails it is restored."""

        def busy(self: Path, target: Path) -> None:
            raise OSError(errno.EBUSY, "busy")

        monkeypatch.setattr(Path, "replace", busy)
        Path("f").write_text("old and longer")
        write_output_file("f", "new", top)
        assert Path("f").read_text() == "new"
        assert names(".") == ["f"]

    @pytest.mark.parametrize(
        ("path", "reason"),
        [("file/x", "a part of its path is not a directory"), ("dir", "Is a directory")],
    )
    def test_what_is_in_the_way(self, top: Path, path: str, reason: str):
        """The reason is one that a user understands."""
        Path("file").write_text("")
        Path("dir").mkdir()
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the reason is compared
            write_output_file(path, "x", top)
        assert reason_of(caught.value) == reason


def limited(statement: str) -> str:
    """Carry out a statement in a process that may write files of 50 KB at most."""
    program = f"""
import resource, signal
from pathlib import Path
from opsera_step.files import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    {statement}
except OSError as error:
    print(error.strerror, end="")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    return done.stdout


class TestAppend:
    """Files of the platform, which other commands write too."""

    @pytest.mark.parametrize(
        ("before", "after"), [(None, "a=1\n"), ("x=1\n", "x=1\na=1\n"), ("x=1", "x=1\na=1\n")]
    )
    def test_a_missing_line_end_comes_first(self, top: Path, before: str | None, after: str):
        """What an earlier command wrote without a line end stays a line of its own."""
        if before is not None:
            Path("out").write_text(before)
        append("out", "a=1\n")
        assert Path("out").read_text() == after

    def test_the_mode_stays(self, top: Path, umask: int):
        """Of a file that is there; a new one is readable for all."""
        Path("old").write_text("")
        Path("old").chmod(0o600)
        for name in ("old", "new"):
            append(name, "x\n")
        assert (mode(Path("old")), mode(Path("new"))) == (0o600, 0o644)

    def test_a_full_disk_leaves_what_was_there(self, top: Path):
        """Half of an output would be read as another."""
        Path("out").write_text("x=1\n")
        assert limited("append('out', 'y' * 100_000)") == "File too large"
        assert Path("out").read_text() == "x=1\n"

    def test_a_pipe_does_not_hang(self, top: Path):
        """Whatever it is, the job continues at once."""
        os.mkfifo("pipe")
        start = time.monotonic()
        append("pipe", "x\n")
        assert time.monotonic() - start < 5


class TestReadLimited:
    """Files that a user names."""

    def test_a_file(self, top: Path):
        """Up to the limit, and not more."""
        Path("f").write_text("abc")
        assert read_limited("f", 3) == b"abc"
        with pytest.raises(OSError, match="larger than 2 bytes"):
            read_limited("f", 2)
        with pytest.raises(OSError, match="larger than 2 KiB"):
            read_limited("/dev/zero", 2048)
        with pytest.raises(FileNotFoundError):
            read_limited("missing", 3)
        with pytest.raises(IsADirectoryError, match="it is a directory"):
            read_limited(".", 3)

    def test_a_pipe_that_is_written(self, top: Path):
        """With a writer that comes later it is read to its end, as with `<(command)`."""
        os.mkfifo("pipe")
        with subprocess.Popen(["sh", "-c", "sleep 0.1; printf ab > pipe"]):
            assert read_limited("pipe", 10) == b"ab"
        inner, outer = os.pipe()
        os.write(outer, b"s3cret")
        os.close(outer)
        assert read_text(f"/dev/fd/{inner}", 10) == "s3cret"
        os.close(inner)

    def test_a_pipe_without_an_end(self, top: Path, monkeypatch):
        """It waits neither for a writer, nor for its first byte or its end."""
        monkeypatch.setattr("opsera_step.files._PIPE_SECONDS", 0.2)
        os.mkfifo("pipe")
        with pytest.raises(TimeoutError, match="it delivered nothing"):
            read_limited("pipe", 10)
        inner, outer = os.pipe()
        with pytest.raises(TimeoutError):
            read_limited(f"/dev/fd/{inner}", 10)
        os.write(outer, b"x")
        with pytest.raises(TimeoutError):
            read_limited(f"/dev/fd/{inner}", 10)
        os.write(outer, b"x" * 11)
        with pytest.raises(OSError, match="larger than 10 bytes"):
            read_limited(f"/dev/fd/{inner}", 10)
        os.close(inner)
        os.close(outer)

    def test_a_text(self, top: Path):
        """A byte-order mark is no part of it, and other bytes than UTF-8 are refused."""
        Path("f").write_bytes(b"\xef\xbb\xbfabc")
        assert read_text("f", 10) == "abc"
        Path("f").write_bytes(b"\xff")
        with pytest.raises(UnicodeDecodeError) as error:
            read_text("f", 10)
        assert why_unreadable(error.value) == "it is not UTF-8 text"


class TestDirectory:
    """A directory for reports."""

    def test_it_is_made_with_its_parents(self, top: Path, umask: int):
        """Directories have mode 0755 and files 0644, whatever the umask."""
        with Directory("a/b", top) as directory:
            directory.write("x.txt", "ü\n")
            with directory.open_log("log.txt") as log:
                log.write("one\n")
                assert Path("a/b/log.txt").read_text() == "one\n"
            with directory.open_spool() as spool:
                spool.write("packed")
                assert sorted(directory.names()) == ["log.txt", "x.txt"]
        assert Path("a/b/x.txt").read_text("utf-8") == "ü\n"
        assert [mode(Path(one)) for one in ("a", "a/b")] == [0o755, 0o755]
        assert [mode(one) for one in Path("a/b").iterdir()] == [0o644, 0o644]

    @needs_root
    def test_root_hands_it_to_the_owner_of_the_parent(self, top: Path):
        """Each new directory, and each file."""
        os.chown(top, 1001, 1002)
        with Directory("a/b", top) as directory:
            directory.write("x", "")
            directory.open_log("log").close()
        for name in ("a", "a/b", "a/b/x", "a/b/log"):
            assert (Path(name).stat().st_uid, Path(name).stat().st_gid) == (1001, 1002)

    @pytest.mark.parametrize(
        ("level", "target"),
        [("link", "../outside"), ("link/b", "/dev"), ("a/link/b/c", "real"), ("link", "missing")],
    )
    def test_no_link_in_its_path_is_followed(self, top: Path, level: str, target: str):
        """At no level below the workspace, wherever it leads."""
        Path("a").mkdir()
        (Path("a/link") if level.startswith("a/") else Path("link")).symlink_to(target)
        Path("real").mkdir()
        problem = report_dir_problem(level, top)
        assert problem.startswith(f"{level} goes through the link link. Use a dedicated directory")
        with pytest.raises(UnsafePath, match="goes through the link link"):
            Directory(level, top)
        assert names("../outside") == []
        assert not Path("missing").exists()

    @pytest.mark.parametrize("path", ["./", "sub/..", "{top}"])
    def test_the_workspace_itself_is_refused(self, top: Path, path: str):
        """Its junit.xml and log.txt are the user's own."""
        path = path.format(top=top)
        assert "is the workspace itself" in report_dir_problem(path, top)
        with pytest.raises(UnsafePath):
            Directory(path, top)

    def test_the_current_directory_is_refused_too(self, top: Path, monkeypatch):
        """A job that changed into a directory of the checkout means its files by `.`."""
        Path("sub").mkdir()
        monkeypatch.chdir("sub")
        assert "is the workspace itself" in report_dir_problem(".", top)
        assert report_dir_problem("report", top) == ""

    def test_directories_elsewhere(self, top: Path):
        """Outside of the workspace links are the machine's own, and parents are made too."""
        (top.parent / "tmp").symlink_to("outside")
        path = str(top.parent / "tmp" / "a" / "report")
        assert report_dir_problem(path, top) == ""
        with Directory(path, top) as directory:
            directory.write("x", "y")
        assert (top.parent / "outside/a/report/x").read_text() == "y"

    @pytest.mark.parametrize("how", ["write", "log"])
    @pytest.mark.parametrize("target", ["../outside/file", "/dev/stdout", "../missing"])
    def test_no_file_follows_a_link(self, top: Path, how: str, target: str, capfd):
        """A committed link of a report's name is replaced, and its target stays."""
        (top.parent / "outside/file").write_text("old")
        Path("r").mkdir()
        Path("r/log.txt").symlink_to(f"../{target}" if target.startswith(".") else target)
        with Directory("r", top) as directory:
            if how == "write":
                directory.write("log.txt", "new")
            else:
                with directory.open_log("log.txt") as log:
                    log.write("new")
        assert Path("r/log.txt").read_text() == "new"
        assert not Path("r/log.txt").is_symlink()
        assert (top.parent / "outside/file").read_text() == "old"
        assert not (top.parent / "missing").exists()
        assert capfd.readouterr().out == ""

    def test_a_directory_that_is_swapped_for_a_link_is_not_left(self, top: Path):
        """What is open stays open: a later link in its place is not followed."""
        with Directory("r", top) as directory:
            Path("r").rename("moved")
            Path("r").symlink_to("../outside")
            directory.write("x", "y")
        assert Path("moved/x").read_text() == "y"
        assert names("../outside") == []

    def test_a_full_disk_leaves_no_half_file(self, top: Path):
        """A file that can't be written completely is not there at all."""
        assert limited("Directory('r', Path.cwd()).write('x', 'y' * 100_000)") == "File too large"
        assert names("r") == []

    def test_the_second_job_in_it_finds_it_locked(self, top: Path):
        """Until the first closes it; then it is free, also where the first was killed."""
        with Directory("r", top) as first, Directory("r", top) as second:
            assert first.lock()
            assert not second.lock()
            first.close()
            assert second.lock()

    def test_reading_follows_no_link_and_hangs_on_no_pipe(self, top: Path):
        """What can't be read as a file is as good as empty."""
        with Directory("r", top) as directory:
            directory.write("x", "abcdef")
            Path("r/link").symlink_to("x")
            os.mkfifo("r/pipe")
            Path("r/none").mkdir()
            assert directory.read("x", 3) == b"abc"
            assert [directory.read(name, 9) for name in ("link", "pipe", "none")] == [b"", b"", b""]

    @pytest.mark.parametrize("path", ["file", "file/r"])
    def test_a_file_in_its_place(self, top: Path, path: str):
        """The reason is one that a user understands."""
        Path("file").write_text("")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the reason is compared
            Directory(path, top)
        assert reason_of(caught.value) == "a part of its path is not a directory"
        assert report_dir_problem(path, top) == ""


class TestWithoutDirectoryDescriptors(TestDirectory):
    """The same rules where the system has no `openat`, as on Windows."""

    @pytest.fixture(autouse=True)
    def _paths_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("opsera_step.files._HAS_DIR_FDS", False)

    test_a_directory_that_is_swapped_for_a_link_is_not_left = None
    test_the_second_job_in_it_finds_it_locked = None


@pytest.mark.parametrize(
    ("platform", "name"),
    [("github", "GITHUB_WORKSPACE"), ("gitlab", "CI_PROJECT_DIR"), ("plain", "WORKSPACE")],
)
def test_the_workspace_is_the_platforms_while_the_job_is_in_it(
    top: Path, platform: str, name: str, monkeypatch
):
    """A job that changed into a directory below is still in its checkout."""
    Path("sub").mkdir()
    monkeypatch.chdir("sub")

    def workspace(**environ: str) -> Path:
        return platform_class(platform)(environ, io.StringIO(), FakeClock()).workspace

    assert workspace(**{name: str(top)}) == top
    assert workspace(**{name: "/nowhere"}) == top / "sub"
    assert workspace() == top / "sub"

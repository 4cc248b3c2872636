"""A token that is renewed while the job runs."""

from __future__ import annotations

import pytest

from tests.support.jobs import Files, Process, wait_until
from tests.support.standin import Opsera, Record
from tests.support.tokens import jwt

FAST = {"poll_interval": "0.2", "timeout": "60s"}
NEW = jwt({"user": "us", "exp": 4_102_444_801})


def test_a_renewed_token_is_read_from_its_file(tmp_path):
    """After a 401 during a run, the job continues with the new token, and masks both."""
    files, old = Files(tmp_path, "plain"), Opsera.token
    token_file = tmp_path / "token"
    token_file.write_text(f"{old}\n")
    records = [Record(0.1, "start\n"), Record(2.0, f"old {old}\nnew {NEW}\n")]
    with Opsera([(0, "running"), (2.5, "failed")], records) as opsera:
        job = Process(opsera, files, token=None, token_file=str(token_file), **FAST)
        wait_until(lambda: opsera.count("logs") > 1)
        token_file.write_text(f"{NEW}\n")
        opsera.token = NEW
        done = job.wait()
    assert (done.code, opsera.count("run")) == (1, 1)
    assert {one.authorization for one in opsera.requests} == {f"Bearer {old}", f"Bearer {NEW}"}
    assert old not in done.log and NEW not in done.log
    assert "old ***" in done.log and "new ***" in done.log


@pytest.mark.long
def test_a_revoked_token_ends_the_job_with_its_source(tmp_path):
    """If the file holds no other token, the job ends after two more attempts."""
    files = Files(tmp_path, "plain")
    token_file = tmp_path / "token"
    token_file.write_text(Opsera.token)
    with Opsera([(0, "running"), (60, "success")]) as opsera:
        job = Process(opsera, files, token=None, token_file=str(token_file), **FAST)
        wait_until(lambda: opsera.count("logs") > 1)
        opsera.token = NEW
        done = job.wait()
    assert (done.code, opsera.count("stop")) == (4, 0)
    assert f"Opsera rejected the access token from the file '{token_file}' (HTTP 401)" in done.log
    assert "still be in progress" in done.log

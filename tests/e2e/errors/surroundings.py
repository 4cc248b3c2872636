"""The network, files and disks, and the environment of a job."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.support.authority import Authority
from tests.support.screens import Place, Slip, job, typed
from tests.support.wire import Wire, http, ok

_NOBODY = "http://127.0.0.1:1"


def _makes(name: str, kind: str = "folder") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        path = place.folder / name
        if kind == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"")

    return prepare


def _pipe(place: Place) -> None:
    os.mkfifo(place.folder / "ca.pem")


NETWORK: tuple[Slip, ...] = (
    typed("nothing listens there", f"status --timeout 1s --base-url {_NOBODY}"),
    job("nothing listens there, in a job", "github", base_url=_NOBODY, timeout="2m"),
    typed("a host that is not there", "status --timeout 1s --base-url https://opsera.invalid"),
    job("a host that is not there, in a job", base_url="https://opsera.invalid"),
    typed("https where http is spoken", "status --timeout 1s", prepare=lambda place: {
        "OPSERA_BASE_URL": place.simulator.url.replace("http:", "https:")}),
    typed("a proxy that is not there", "status --timeout 1s --base-url https://opsera.invalid",
          environ={"HTTPS_PROXY": _NOBODY}),
    typed("a proxy without a host", "status --timeout 1s --base-url https://opsera.invalid",
          environ={"HTTPS_PROXY": "http://"}),
    typed("a proxy of a kind that is not known",
          "status --timeout 1s --base-url https://opsera.invalid",
          environ={"HTTPS_PROXY": "ftp://proxy.example:21"}),
    typed("a SOCKS proxy", "status --timeout 1s --base-url https://opsera.invalid",
          environ={"HTTPS_PROXY": "socks5://127.0.0.1:1"}),
    typed("a proxy with a password that is not there",
          "status --timeout 1s --base-url https://opsera.invalid",
          environ={"HTTPS_PROXY": "http://me:proxy-secret@127.0.0.1:1"}),
    typed("a CA bundle of the environment that is not there",
          "status --base-url https://opsera.invalid",
          environ={"REQUESTS_CA_BUNDLE": "/nonexistent/ca.pem"}),
)  # fmt: skip


def _tls(kind: str, **environ: str) -> Callable[[Place], dict[str, str]]:
    """Make a tenant whose certificate is by a CA of its own, for this machine or for another."""

    def prepare(place: Place) -> dict[str, str]:
        authority = Authority(place.folder)
        (place.folder / "other").mkdir()
        Authority(place.folder / "other")
        context = authority.context("127.0.0.1" if kind == "server" else "other.test")
        wire = place.stack.enter_context(Wire(ok({}), tls=context))
        return {"OPSERA_BASE_URL": wire.url, **environ}

    return prepare


def _proxy(answer: bytes) -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        wire = place.stack.enter_context(Wire(answer))
        address = wire.url.replace("//", "//me:proxy-secret@")
        return {"OPSERA_BASE_URL": "https://opsera.invalid", "HTTPS_PROXY": address}

    return prepare


TLS: tuple[Slip, ...] = (
    typed("a certificate of a private CA", "status --timeout 1s", prepare=_tls("server")),
    job("a certificate of a private CA, in a job", "github", prepare=_tls("server")),
    typed("a certificate of another host", "status --timeout 1s",
          prepare=_tls("other", OPSERA_CA_BUNDLE="ca.pem")),
    typed("a CA bundle with the wrong certificate", "status --timeout 1s",
          prepare=_tls("server", OPSERA_CA_BUNDLE="other/ca.pem")),
    typed("a proxy that wants a password", "status --timeout 1s", prepare=_proxy(http(407))),
    typed("a proxy that refuses the host", "status --timeout 1s", prepare=_proxy(http(403))),
    typed("a proxy that is none", "status --timeout 1s", prepare=_proxy(b"hello\r\n\r\n")),
    typed("doctor: a certificate of a private CA", "doctor", prepare=_tls("server")),
    typed("doctor: a proxy that is none", "doctor", prepare=_proxy(b"hello\r\n\r\n")),
    typed("doctor: a proxy that wants a password", "doctor", prepare=_proxy(http(407))),
)  # fmt: skip

FILES: tuple[Slip, ...] = (
    typed("a CA bundle that is not there",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid"),
    typed("a CA bundle that is a folder",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid", prepare=_makes("ca.pem")),
    typed("a CA bundle that is empty",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid",
          prepare=_makes("ca.pem", "file")),
    typed("a CA bundle that is no PEM file",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid",
          files={"ca.pem": "hello\n"}),
    typed("a CA bundle with a broken certificate",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid",
          files={"ca.pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}),
    typed("a CA bundle that is not there, where it is not needed", "status --ca-bundle ca.pem"),
    job("an output file in a folder that is a file", output_file="out/opsera.env", command="status",
        prepare=_makes("out", "file")),
    job("an output file that is a folder", output_file="out", command="status",
        prepare=_makes("out")),
    job("an output file that is a full disk", output_file="/dev/full", command="status"),
    job("an output file with too long a name", output_file="x" * 300, command="status"),
    job("an output file that can't be written, and a wrong input", output_file="out",
        run_count="latest", command="status", prepare=_makes("out")),
    job("a report folder that is a file", report_dir="report", wait="false", scenario="success",
        prepare=_makes("report", "file")),
    job("a report folder below a file", report_dir="report/here", command="status",
        prepare=_makes("report", "file")),
    job("GitHub's output file is a folder", "github", command="status", prepare=_makes("out"),
        environ={"GITHUB_OUTPUT": "out"}),
    job("GitHub's summary is a folder", "github", wait="false", scenario="success",
        prepare=_makes("summary"), environ={"GITHUB_STEP_SUMMARY": "summary"}),
)  # fmt: skip

ENVIRONMENT: tuple[Slip, ...] = (
    job("misspelt variables", command="status", timeot="1h", on_pause="wait", tokn="x",
        environ={"OPSERA_ON-BUSY": "fail", "OPSERA_run_count": "41", "INPUT_TIMEOT": "1h",
                 "INPUT_LOG-LIMIT": "1"}),
    job("misspelt variables on GitHub", "github", command="status", environ={
        "INPUT_PIPELIN": "shop", "INPUT_RUNCOUNT": "41"}),
    job("a misspelt variable instead of the right one", pipeline=None, pipline="shop"),
    job("a misspelt token", token=None, acces_token="x", environ={"OPSERA_TOKEN_": "x"}),
    job("the name of the other tool's variable", token=None, api_token="x", url="https://x"),
    job("variables of an earlier step are none", command="status", status="failed",
        pipeline_id="1", url="https://x", result="{}", debug="1"),
    job("an option's name in a variable", command="status", environ={"OPSERA_--WAIT": "false"}),
    typed("a misspelt variable, for a question", "task list", timeoutt="1h"),
)  # fmt: skip

CLEANUP: tuple[Slip, ...] = (
    job("cleanup without anything to clean up", command="cleanup"),
    job("cleanup with an output file that is not there", command="cleanup",
        output_file="nowhere.env"),
    job("cleanup with an output file that is no text", command="cleanup", output_file="out.env",
        files={"out.env": b"\xff\xfe"}),
    job("cleanup of a run that is not there", command="cleanup", output_file="out.env",
        files={"out.env": "OPSERA_RUN_COUNT=999\n"}),
    job("cleanup without a token", "gitlab", command="cleanup", token=None),
    job("cleanup on GitHub, with nonsense kept", "github", command="cleanup",
        environ={"STATE_OPSERA_RUN_COUNT": "many", "STATE_OPSERA_PIPELINE": "x"}),
    typed("cleanup that is not accepted", "cleanup --output-file out.env", token="nonsense",
          files={"out.env": "OPSERA_RUN_COUNT=41\n"}),
)  # fmt: skip

"""How the process of a command ends."""

import signal

import pytest

from mastac.cli import envs
from mastac.cli.main import main
from mastac.cli.process import answered


def test_ctrl_c_after_the_command_ends_the_process_without_a_traceback() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with answered(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of what runs in the background
        with answered():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_memory_that_no_check_has_foreseen_is_one_sentence(monkeypatch, capsys) -> None:
    def run(args: object) -> int:
        raise MemoryError("Unable to allocate 74.5 GiB for an array")

    monkeypatch.setattr(envs, "run", run)
    assert main(["envs"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "mastac: there is not enough memory (Unable to allocate 74.5 GiB for an array); ask for "
        "fewer agents, seeds or episodes\n"
    )

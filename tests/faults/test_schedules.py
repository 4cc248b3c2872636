"""Campaigns of fault schedules on a fake clock: no rule is broken, and every situation happens."""

from __future__ import annotations

from itertools import count, islice

import pytest

from tests.faults.campaign import Ledger
from tests.faults.judge import RULES
from tests.faults.schedule import (
    EVENTS,
    INTERRUPTS,
    KINDS,
    PHASES,
    make,
    make_interrupted,
    seeds_for,
)
from tests.support import ROOT

_BATCH = 12
_BATCHES = [
    pytest.param(first, marks=() if first < 2 * _BATCH else pytest.mark.long)
    for first in range(0, 40 * _BATCH, _BATCH)
]
_MOST_ATTEMPTS = 10
"""Schedules that aim at a cell; other faults can keep a job from coming that far."""


@pytest.mark.parametrize("first", _BATCHES)
@pytest.mark.timeout(240)
def test_no_schedule_breaks_a_rule(first):
    """Under any schedule, what a job prints and does is correct."""
    ledger = Ledger()
    for seed in range(first, first + _BATCH):
        ledger.run(make(seed))
    assert ledger.broken == {}


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("call", "phase"), [(call, phase) for phase, calls in PHASES.items() for call in calls]
)
def test_every_fault_at_every_call_in_every_phase(call, phase):
    """Each kind of fault happens there, and no rule is broken."""
    ledger = Ledger()
    for cell in ((kind, call, phase) for kind in KINDS):
        for seed in islice(seeds_for(cell), _MOST_ATTEMPTS):
            if not ledger.cells[cell]:
                ledger.run(make(seed))
    assert ledger.broken == {}
    assert [kind for kind in KINDS if not ledger.cells[kind, call, phase]] == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_interrupt_in_every_phase():
    """Signals, suspensions, and kills occur in each phase, and no rule is broken."""
    ledger = Ledger()
    for number, cell in enumerate(INTERRUPTS):
        for seed in islice(count(number, len(INTERRUPTS)), _MOST_ATTEMPTS):
            if not ledger.interrupts[cell]:
                ledger.run(make_interrupted(seed))
    assert ledger.broken == {}
    assert ledger.missing_interrupts() == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_rule_could_be_broken_and_every_event_happens():
    """A rule that nothing could break, or an event that never happens, holds nothing."""
    ledger = Ledger()
    for seed in islice(count(10_000), 1000):
        if set(RULES) == set(ledger.rules) and set(EVENTS) == set(ledger.events):
            break
        ledger.run(make(seed))
    assert ledger.broken == {}
    assert [
        name for name in (*RULES, *EVENTS) if not ledger.rules[name] + ledger.events[name]
    ] == []


def test_the_situations_are_documented():
    """docs/guarantees.md lists the phases, calls, faults, events, and rules."""
    page = (ROOT / "docs/guarantees.md").read_text("utf-8")
    for phase, calls in PHASES.items():
        assert f"| {phase} | {', '.join(calls)} |" in page
    for name in RULES:
        assert f"- {name[0].upper()}{name[1:]}.\n" in page
    assert f"`{'`, `'.join(KINDS)}`" in page
    assert f"`{'`, `'.join(EVENTS)}`" in page

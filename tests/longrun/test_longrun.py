"""A short real run without faults, then its files with errors planted: each must be named."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from common import messages as m
from services.trading_engine import records as r
from tests.longrun import checker
from tests.longrun.__main__ import Run
from tests.longrun.checker import Checker, Venue, Violation, is_final
from tests.longrun.evidence import Evidence, is_ours, load

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.xdist_group("longrun")]
SECONDS = 12.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("longrun")
    return Run(directory, 11, rate=20.0, with_faults=False).go(SECONDS)


@pytest.fixture
def evidence(files: Path) -> Evidence:
    return copy.copy(load(files))


def found(evidence: Evidence) -> list[Violation]:
    return Checker(evidence).run()


def test_a_run_without_faults_has_no_violations(files: Path, evidence: Evidence) -> None:
    ran = Checker(evidence)
    assert ran.run() == []
    assert min(ran.looked[promise] for promise in ("P1", "P2", "P12", "P20")) > 0
    assert checker.main(files) == 0


# --- errors that somebody planted ------------------------------------------------------------


def an_order(evidence: Evidence) -> str:
    """One that the venue has and that was filled."""
    venue = Venue(evidence.truth)
    return next(label for label in venue.orders if venue.cum[label])


def test_a_lost_order_is_found_and_named(evidence: Evidence) -> None:
    label = an_order(evidence)
    evidence.truth = [line for line in evidence.truth if line["label"] != label]
    assert ("P1", label) in {(v.promise, v.about) for v in found(evidence) if "lost" in v.text}


def test_a_doubled_order_is_found_and_named(evidence: Evidence) -> None:
    label = an_order(evidence)
    line = next(x for x in evidence.truth if x["kind"] == "order" and x["label"] == label)
    evidence.truth = [line | {"number": 4242}, *evidence.truth]
    (violation,) = found(evidence)
    assert (violation.promise, violation.about) == ("P1", label)
    assert "sent twice" in violation.text and "4242" in violation.text


def test_a_phantom_order_is_found_and_named(evidence: Evidence) -> None:
    label = an_order(evidence)
    phantom = str(int(label) + 1_000_000)
    line = next(x for x in evidence.truth if x["kind"] == "order" and x["label"] == label)
    evidence.truth = [*evidence.truth, line | {"number": 4242, "label": phantom}]
    (violation,) = found(evidence)
    assert (violation.promise, violation.about) == ("P1", phantom)
    assert "phantom" in violation.text


def rewritten(evidence: Evidence, change: Callable[[r.Record], Iterator[r.Record]]) -> list[bytes]:
    """The journal with every record put through change."""
    return [
        r.encode(r.Entry(entry.at_ns, [new for old in entry.records for new in change(old)]))
        for entry in evidence.entries()
    ]


def test_a_missing_reply_of_the_journal_is_found_and_named(evidence: Evidence) -> None:
    replies = [x for e in evidence.entries() for x in e.records if isinstance(x, r.ReplyRecord)]
    key = replies[len(replies) // 2].key

    def drop(record: r.Record) -> Iterator[r.Record]:
        if not (isinstance(record, r.ReplyRecord) and record.key == key):
            yield record

    evidence.payloads = rewritten(evidence, drop)
    named = [v for v in found(evidence) if v.about == key and "missing reply" in v.text]
    assert [v.promise for v in named] == ["P1"]


def test_a_request_that_was_taken_twice_is_found_and_named(evidence: Evidence) -> None:
    asked = [x for e in evidence.entries() for x in e.records if isinstance(x, r.RequestRecord)]
    again = asked[len(asked) // 2]
    evidence.payloads = [*evidence.payloads, r.encode(r.Entry(1, [again]))]
    named = [v for v in found(evidence) if v.about == again.key]
    assert [v.promise for v in named] == ["P1"] and "taken 2 times" in named[0].text


def test_a_missing_reply_of_a_client_is_found_and_named(evidence: Evidence) -> None:
    owner, history = next(iter(evidence.histories.items()))
    name = next(x["request_id"] for x in history if x["kind"] == "answered" and is_final(x))
    evidence.histories[owner] = [
        x for x in history if not (x["kind"] == "answered" and x["request_id"] == name)
    ]
    (violation,) = found(evidence)
    assert (violation.promise, violation.about) == ("P1", f"{owner} {name}")
    assert "missing reply" in violation.text


def test_two_different_answers_are_found(evidence: Evidence) -> None:
    owner, history = next(iter(evidence.histories.items()))
    answered = (x for x in history if x["kind"] == "answered" and "result" in x)
    line = next(x for x in answered if is_final(x))
    other = line | {"result": line["result"] | {"client_order_id": "17"}}
    evidence.histories[owner] = [*history, other]
    (violation,) = found(evidence)
    assert violation.about == f"{owner} {line['request_id']}"


ALTERED = {"price": "1", "quantity": "99999"}


@pytest.mark.parametrize("field", ALTERED)
def test_an_altered_fill_of_the_venue_is_found_and_named(evidence: Evidence, field: str) -> None:
    index = next(
        i for i, x in enumerate(evidence.truth) if x["kind"] == "fill" and is_ours(x["label"])
    )
    number = str(evidence.truth[index]["trade_number"])
    evidence.truth = list(evidence.truth)
    evidence.truth[index] = evidence.truth[index] | {field: ALTERED[field]}
    named = {(v.promise, v.about) for v in found(evidence) if "altered" in v.text}
    assert named == {("P12", number)}


def test_an_altered_fill_of_the_journal_and_one_counted_twice_are_found(
    evidence: Evidence,
) -> None:
    fills = [x for e in evidence.entries() for x in e.records if isinstance(x, r.FillRecord)]
    altered, doubled = fills[0].fill, fills[-1].fill
    assert altered.exec_id != doubled.exec_id

    def change(record: r.Record) -> Iterator[r.Record]:
        if isinstance(record, r.FillRecord) and record.fill.exec_id == altered.exec_id:
            price = m.Exact(record.fill.last_price + 1)
            yield r.FillRecord(msgspec.structs.replace(record.fill, last_price=price))
            return
        yield record
        if isinstance(record, r.FillRecord) and record.fill.exec_id == doubled.exec_id:
            yield record

    evidence.payloads = rewritten(evidence, change)
    texts = {v.about: v.text for v in found(evidence)}
    assert "altered" in texts[checker.number_of(altered.exec_id)]
    assert "counted 2 times" in texts[checker.number_of(doubled.exec_id)]


def test_a_wrong_verdict_is_found_and_named(evidence: Evidence) -> None:
    label = an_order(evidence)

    def reject(record: r.Record) -> Iterator[r.Record]:
        if isinstance(record, r.ReportRecord) and record.order.client_order_id == label:
            order = msgspec.structs.replace(record.order, status=m.OrderStatus.REJECTED)
            yield r.ReportRecord(order, record.source)
        else:
            yield record

    evidence.payloads = rewritten(evidence, reject)
    assert ("P2", label) in {(v.promise, v.about) for v in found(evidence)}


def test_an_order_without_its_checks_is_not_explained(evidence: Evidence) -> None:
    label = an_order(evidence)

    def forget(record: r.Record) -> Iterator[r.Record]:
        if isinstance(record, r.IntentRecord) and record.order.client_order_id == label:
            yield msgspec.structs.replace(record, checks=[])
        else:
            yield record

    evidence.payloads = rewritten(evidence, forget)
    (violation,) = found(evidence)
    assert (violation.promise, violation.about) == ("P20", label)
    assert "the checks" in violation.text


def test_a_byte_that_was_changed_in_the_journal_is_found(files: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(files, tmp_path / "evidence")
    path = sorted((copied / "journals").rglob("*.segment"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    named = [violation for violation in found(load(copied)) if violation.about == "journal"]
    assert [violation.promise for violation in named] == ["P20"]
    assert path.name in named[0].text


def test_what_differs_at_the_end_is_found(files: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(files, tmp_path / "evidence")
    final = json.loads((copied / "final.json").read_text())
    final["venue_positions"]["BTC-PERPETUAL"] = "123456"
    final["desk_orders"] = ["1"]
    (copied / "final.json").write_text(json.dumps(final))
    assert {violation.promise for violation in found(load(copied))} == {"P3"}
    assert checker.main(copied) == 1

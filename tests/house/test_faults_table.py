"""The table of faults is what the tests say."""

from collections import Counter

import pytest
from faults import table


def lines():
    return [
        line for line in table.PAGE.read_text(encoding="utf-8").splitlines() if table.re.match(r"\| [SRAD]\d", line)
    ]


def test_the_table_is_up_to_date():
    """All of it but how the tests ended: run `python tests/faults/table.py`."""
    wanted = [table.row(fault, tests) for fault, tests in table.found().items()]
    assert [line.rsplit("|", 2)[0] + "|" for line in lines()] == wanted


@pytest.mark.parametrize("fault", [f for f in table.FAULTS if f[0] in table.ASKED])
def test_every_fault_that_was_asked_for_has_a_test(fault):
    assert table.found()[fault]


def test_no_fault_is_said_to_fail_or_to_have_no_test():
    assert not [line for line in lines() if "does not hold" in line]


def test_what_a_report_says_of_a_fault(tmp_path):
    cases = {
        "test_S01_a[1]": "",
        "test_S01_a[2]": "<skipped/>",
        "test_S01_b": "<failure/>",
        "test_S02_c": "<error/>",
        "test_S03_d": "",
    }
    body = "".join(f'<testcase classname="tests.faults.test_x" name="{n}">{b}</testcase>' for n, b in cases.items())
    (tmp_path / "r.xml").write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>")
    fates = table.ended([tmp_path / "r.xml"])
    assert fates["test_x", "test_S01_a"] == Counter(passed=1, skipped=1)

    def said(*names):
        return table.state([table.Test("test_x", n, table.GATE) for n in names], fates)

    assert said("test_S01_a", "test_S01_b") == "**does not hold**: 1 of 3 cases failed"
    assert said("test_S02_c").startswith("**does not hold**")
    assert said("test_S03_d", "test_S03_e") == "holds: 1 passed; 1 of 2 tests were not run"
    assert said("test_S03_e") == "not run"
    assert said() == "no test of this name"
    assert table.state([table.Test("test_x", "test_S03_d", table.GATE)], {}) == "has tests"


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("test_S01_a", ["S01"]),
        ("test_A01_A02_b", ["A01", "A02"]),
        ("test_r10_c", ["R10"]),
        ("test_R4_d", []),
        ("test_S01", []),
    ],
)
def test_a_test_is_named_for_its_faults(name, faults):
    assert table.named(name) == faults

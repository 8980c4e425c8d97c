"""Cases that another system reported are read like a report of the project's own."""

from gare.gates.junit import read_cases
from gare.gates.junit_writer import write_report


def test_what_is_written_is_read_back(tmp_path):
    cases = [
        {"suite": "unit", "classname": "shop", "name": "one", "status": "passed", "seconds": 0.25},
        {"suite": "unit", "classname": "shop", "name": "two", "status": "failed", "seconds": 1.0},
        {"suite": "it", "classname": "", "name": "three", "status": "skipped", "seconds": 0.0},
        {"suite": "it", "classname": "shop", "name": "four", "status": "error", "seconds": 0.0},
    ]
    file = tmp_path / "report.xml"
    write_report(file, cases)
    assert read_cases(file) == cases


def test_names_of_any_letters_make_a_report_that_can_be_read(tmp_path):
    name = 'a<b>&"c"\x00\x1b[31m\ud800 é'
    file = tmp_path / "report.xml"
    case = {"suite": "s", "classname": "c", "name": name, "status": "passed", "seconds": 0.0}
    write_report(file, [case])
    assert read_cases(file)[0]["name"] == 'a<b>&"c"[31m é'

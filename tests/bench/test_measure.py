import sys

from bench.measure import compare, limit, medians, peak_memory, wall, worst


def test_a_comparison_is_one_line_with_ratio_goal_and_medians(capsys):
    assert compare("notes", 0.060, 0.050, 1.35)
    assert not compare("notes", 0.100, 0.050, 1.35)
    assert compare("start", 0.090, 0.050, 1.2, allowance_ms=30)
    assert compare("memory", 30e6, 15e6, 2, unit="MB")
    assert capsys.readouterr().out == (
        "bench notes ratio 1.200 goal 1.35 | ours 60.0 ms, yardstick 50.0 ms\n"
        "bench notes ratio 2.000 goal 1.35 | ours 100.0 ms, yardstick 50.0 ms\n"
        "bench start ratio 1.200 goal 1.2 | ours 90.0 ms, yardstick 50.0 ms, 30 ms taken off ours\n"
        "bench memory ratio 2.000 goal 2 | ours 30.0 MB, yardstick 15.0 MB\n"
    )


def test_a_limit_is_its_figure_divided_by_it(capsys):
    assert limit("seconds", 45, 90, "s")
    assert capsys.readouterr().out == "bench seconds ratio 0.500 goal 1 | 45 s, limit 90 s\n"


def test_of_many_ratios_the_worst_counts(capsys):
    assert not worst("vendors x", {"jobs": 1.0, "log": 1.3, "tests": 0.4}, 1.15)
    told = "bench vendors x ratio 1.300 goal 1.15 | worst of 3: log\n"
    assert capsys.readouterr().out == told


def test_runs_take_turns_and_the_median_counts():
    turns = []
    figures = {"a": iter([9, 1, 3, 2]), "b": iter([9, 4, 4, 4])}

    def run(name):
        turns.append(name)
        return float(next(figures[name]))

    found = medians({"a": lambda: run("a"), "b": lambda: run("b")}, rounds=3)
    assert found == {"a": 2.0, "b": 4.0}
    assert "".join(turns) == "baabbaab"


def test_memory_is_that_of_the_whole_tree():
    hold = "x = bytearray(60_000_000); import time; time.sleep(0.3)"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    assert peak_memory([sys.executable, "-c", nested]) > 60e6
    assert wall([sys.executable, "-c", "pass"]) > 0

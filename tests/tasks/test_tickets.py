"""The steps that write into Jira, on a real ledger: each write once, also when an answer is lost on the way."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from jira_project import SEED, Repository
from sandbox import Served, sandboxed

from gare.config.loader import load_station
from gare.debts import Payer, pay
from gare.domain.releases import ReleaseState, StepState
from gare.errors import AuthenticationFailed, Conflict, Refused, Unavailable
from gare.ledger.audit import audit_ledger
from gare.reports.log import sentence
from gare.sandbox.clock import Clock
from gare.sandbox.jira_state import Transition, Version
from tasks.change import follow
from tasks.step import Work
from tasks.tickets import tell


@pytest.fixture
def jira() -> Iterator[Served]:
    with sandboxed({"jira": SEED}, clock=Clock()) as served:
        yield served
        assert served.invalid() == []


class Pages:
    """The engine, as far as steps show pages in it."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def publish(self, _run: str, key: str, markdown: str, _title: str) -> None:
        self.shown[key] = markdown


class Released:
    """A release of the project in the ledger, of which single steps are done by hand."""

    def __init__(self, repository: Repository) -> None:
        self.gare = repository.gare()
        self.gare.__dict__["engine"] = self.pages = Pages()
        digest, self.plan = repository.plan()
        releases = self.gare.ledger.releases
        self.release = releases.open(digest, self.plan, "run-1", "", "", {"project": "shop"})

    def work(self, step: str) -> Work:
        return Work(self.gare, self.release, self.plan, self.plan.step(step), 1, lambda _line: None)

    def done(self, step: str, value: object) -> None:
        releases = self.gare.ledger.releases
        releases.begin_step(self.release.id, step, actor="test")
        releases.end_step(self.release.id, step, StepState.DONE, value=value, actor="test")


@pytest.fixture
def repository(tmp_path, jira) -> Repository:
    return Repository(tmp_path, f"{jira.url}/jira")


@pytest.fixture
def released(repository) -> Released:
    return Released(repository)


def told(repository: Repository, **rule: str) -> Released:
    """Make a release whose tickets are told by this rule."""
    spelled = ", ".join(f"{key}: {value}" for key, value in rule.items())
    text = repository.file.read_text()
    begin, _, rest = text.partition("  on_release: ")
    repository.file.write_text(f"{begin}  on_release: {{{spelled}}}\n{rest.partition(chr(10))[2]}")
    repository.commit("chore: tell tickets otherwise")
    return Released(repository)


def state(jira: Served):
    return jira.sandbox.vendors["jira"].state


def writes(jira: Served) -> list[str]:
    return [line for line in jira.sent() if not line.startswith("GET ")]


def assert_told_once(jira: Served) -> None:
    issue, versions = state(jira).issues["SHOP-1"], state(jira).projects["SHOP"].versions
    assert [version.name for version in versions] == ["1.0.0", "1.1.0"]
    assert versions[1].released
    assert (issue.status, issue.versions) == ("Done", ["1.1.0"])
    assert (len(issue.comments), len(issue.links)) == (1, 1)


def test_tickets_with_code_are_told_and_a_second_time_nothing_is_sent(released, jira):
    value = tell(released.work("tickets"))
    assert value["tickets"] == ["SHOP-1"]
    assert_told_once(jira)
    before = writes(jira)
    tell(released.work("tickets"))
    assert writes(jira) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "*/version"),
        ("PUT", "*/issue/SHOP-1"),
        ("POST", "*/transitions"),
        ("POST", "*/comment"),
        ("POST", "*/remotelink"),
        ("PUT", "*/version/*"),
    ],
)
def test_a_write_whose_answer_is_lost_is_found_and_not_done_twice(released, jira, method, path):
    versions = state(jira).projects["SHOP"].versions
    versions[:] = [version for version in versions if version.name != "1.1.0"]
    issue = state(jira).issues["SHOP-1"]
    issue.versions, issue.status = [], "To Do"
    jira.fail("lost reply", method=method, path=path, count=1)
    for _ in range(2):
        try:
            tell(released.work("tickets"))
        except Unavailable:
            continue
    assert_told_once(jira)
    if method == "POST":
        assert len([line for line in writes(jira) if line.endswith(path[1:])]) == 1


def test_an_archived_version_stops_it_before_anything_is_written(released, jira):
    state(jira).projects["SHOP"].versions[1].archived = True
    with pytest.raises(
        Conflict, match=r"version 1\.1\.0 in Jira SHOP.*archived version.*unarchive"
    ):
        tell(released.work("tickets"))
    assert writes(jira) == []


def test_a_ticket_that_went_away_is_left_out(released, jira):
    del state(jira).issues["SHOP-1"]
    assert tell(released.work("tickets"))["tickets"] == []
    assert state(jira).projects["SHOP"].versions[1].released


class TestRefused:
    """One ticket that cannot be told keeps neither the others nor the version."""

    @pytest.fixture
    def stuck(self, repository, jira) -> Repository:
        """Two more tickets with code, the first in a status that leads nowhere."""
        repository.commit("feat: gift cards SHOP-2")
        repository.commit("fix: total SHOP-3")
        project = state(jira).projects["SHOP"]
        project.statuses["Stuck"] = "new"
        project.transitions[:] = [
            replace(arrow, origins=("To Do", "In Progress")) for arrow in project.transitions
        ]
        state(jira).issues["SHOP-2"].status = "Stuck"
        state(jira).issues["SHOP-3"].history.clear()
        return repository

    def test_all_others_are_told_and_the_step_fails_once_naming_it(self, stuck, jira):
        released = told(stuck, transition="Done", comment="Out")
        with pytest.raises(Refused) as refused:
            tell(released.work("tickets"))
        assert refused.value.what.startswith(
            "1 of 3 tickets could not be told all: SHOP-2: No transition leads SHOP-2 to 'Done' now"
        )
        assert f"gare resume {released.release.id}" in refused.value.hint
        issues, versions = state(jira).issues, state(jira).projects["SHOP"].versions
        assert [issues[f"SHOP-{n}"].status for n in (1, 2, 3)] == ["Done", "Stuck", "Done"]
        assert [len(issues[f"SHOP-{n}"].comments) for n in (1, 2, 3)] == [1, 1, 1]
        assert versions[-1].released
        assert "SHOP-2" in released.pages.shown["r-1-tickets-refused"]
        before = writes(jira)
        issues["SHOP-2"].status = "To Do"
        assert tell(released.work("tickets"))["refused"] == {}
        assert [line.rpartition("/")[2] for line in writes(jira)[len(before) :]] == ["transitions"]

    def test_where_the_rule_says_so_it_is_only_told(self, stuck, jira):
        released = told(stuck, transition="Done", refused="warn")
        value = tell(released.work("tickets"))
        assert list(value["refused"]) == ["SHOP-2"]
        assert value["summary"].endswith(", 1 refused")
        effects = released.gare.ledger.effects.of(released.release.id)
        assert [one.target for one in effects if one.receipt is None] == [], "the release can close"

    def test_a_token_that_is_refused_stops_it_at_once(self, released, jira):
        jira.sandbox.vendors["jira"]._users.clear()
        with pytest.raises(AuthenticationFailed):
            tell(released.work("tickets"))


class TestCorrected:
    """What is corrected in the project's file after the step has failed counts; before that the plan does."""

    @pytest.fixture
    def failed(self, repository, jira) -> Released:
        """The step has failed at a field that the screen asks for; one of two tickets was told before."""
        repository.commit("feat: gift cards SHOP-2")
        arrows = state(jira).projects["SHOP"].transitions
        screen = {"resolution": {"required": True, "values": ["Fixed"]}}
        arrows[:] = [
            replace(one, name=f"{one.name} {n}", origins=(origin,), screen=screen if n else {})
            for one in arrows
            if one.to == "Done"
            for n, origin in enumerate(("In Progress", "To Do"))
        ]
        for n, status in ((1, "In Progress"), (2, "To Do")):
            state(jira).issues[f"SHOP-{n}"].status = status
        released = told(repository, transition="Done")
        self.edit(released, "{transition: Done, fields: {resolution: Fixed}}")
        with pytest.raises(Refused, match="Resolution"):
            self.attempt(released)
        return released

    def edit(self, released: Released, rule: str) -> None:
        """Write another rule into the project's file; whoever resumes reads it in a new process."""
        file = released.gare.station.root / "shop" / "gare.yaml"
        begin, _, rest = file.read_text().partition("  on_release: ")
        file.write_text(f"{begin}  on_release: {rule}\n{rest.partition(chr(10))[2]}")
        released.gare.__dict__["station"] = load_station(released.gare.station.root)

    def attempt(self, released: Released) -> None:
        releases = released.gare.ledger.releases
        releases.begin_step(released.release.id, "tickets", actor="test")
        try:
            tell(released.work("tickets"))
        except Refused as error:
            releases.end_step(
                released.release.id, "tickets", StepState.FAILED, error=str(error), actor="test"
            )
            raise

    def said(self, released: Released) -> list[str]:
        events = released.gare.ledger.database.events(released.release.id)
        return [sentence(event) for event in events if event.kind == "settings taken"]

    def test_a_field_given_in_the_file_is_sent_and_the_record_says_so(self, failed, jira):
        self.attempt(failed)
        issues = state(jira).issues
        assert [issues[f"SHOP-{n}"].status for n in (1, 2)] == ["Done", "Done"]
        assert [len(issues[f"SHOP-{n}"].history) for n in (1, 2)] == [1, 1]
        assert self.said(failed) == [
            "tickets takes from the project's file as it is now: "
            '{"fields": {"resolution": "Fixed"}}'
        ]
        effects = failed.gare.ledger.effects.of(failed.release.id)
        assert [one.target for one in effects if one.receipt is None] == []
        assert audit_ledger(failed.gare.ledger.database).is_sound

    def test_another_status_moves_those_that_were_refused_alone(self, failed, jira):
        state(jira).projects["SHOP"].transitions.append(
            Transition("9", "Begin", "In Progress", ("To Do",), {})
        )
        self.edit(failed, "{transition: In Progress}")
        self.attempt(failed)
        assert [state(jira).issues[f"SHOP-{n}"].status for n in (1, 2)] == ["Done", "In Progress"]

    def test_they_can_be_left(self, failed):
        self.edit(failed, "{transition: Done, refused: warn}")
        self.attempt(failed)
        effects = failed.gare.ledger.effects.of(failed.release.id)
        assert [one.target for one in effects if one.receipt is None] == []

    def test_nothing_is_taken_from_a_file_that_says_nothing_of_it(self, failed):
        file = failed.gare.station.root / "shop" / "gare.yaml"
        file.write_text("name: shop\nsource: {type: git, branch: main, remote: ''}\n")
        failed.gare.__dict__["station"] = load_station(failed.gare.station.root)
        with pytest.raises(Refused, match="Resolution"):
            self.attempt(failed)
        assert self.said(failed) == []


def test_a_change_ticket_that_was_refused_follows_the_file_as_it_is_now(repository, jira):
    released = Released(repository)
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    arrows = state(jira).projects["SHOP"].transitions
    arrows[:] = [one for one in arrows if one.to != "In Progress"]
    with pytest.raises(Refused) as refused:
        follow(released.work("change-deploying"))
    releases = released.gare.ledger.releases
    releases.begin_step(released.release.id, "change-deploying", actor="test")
    releases.end_step(
        released.release.id, "change-deploying", StepState.FAILED,
        error=str(refused.value), actor="test",
    )  # fmt: skip
    repository.file.write_text(
        repository.file.read_text().replace("deploying: doing", "deploying: Done")
    )
    released.gare.__dict__["station"] = load_station(repository.root)
    follow(released.work("change-deploying"))
    assert state(jira).issues[key].status == "Done"


def test_a_ticket_that_is_done_otherwise_counts_as_done(repository, jira):
    project = state(jira).projects["SHOP"]
    project.statuses["Dropped"] = "done"
    project.transitions[:] = [replace(one, origins=("To Do",)) for one in project.transitions]
    state(jira).issues["SHOP-1"].status = "Dropped"
    assert tell(told(repository, transition="Done").work("tickets"))["refused"] == {}
    assert state(jira).issues["SHOP-1"].status == "Dropped"


class TestVersions:
    @pytest.fixture
    def versions(self, jira) -> list[Version]:
        found = state(jira).projects["SHOP"].versions
        found[:] = [
            Version(f"9{n}", name, released=name < "1.1")
            for n, name in enumerate(["0.8.0", "0.9.0", "other 1", "1.0.0", "2.0.0"])
        ]
        return found

    def test_a_new_version_takes_its_place_behind_the_one_before(self, repository, versions):
        tell(told(repository, version="true").work("tickets"))
        names = [one.name for one in versions]
        assert names == ["0.8.0", "0.9.0", "other 1", "1.0.0", "1.1.0", "2.0.0"]

    def test_what_is_open_goes_to_the_next_version(self, repository, versions, jira):
        plan = told(repository, move_open_to="next")
        tell(plan.work("tickets"))
        issues = state(jira).issues
        assert (issues["SHOP-1"].versions, issues["SHOP-2"].versions) == (["1.1.0"], ["2.0.0"])
        effects = [effect.action for effect in plan.plan.step("tickets").effects]
        assert "move what is open of 1.1.0 to the next version" in effects

    def test_old_versions_are_archived_and_others_stay(self, repository, versions):
        tell(told(repository, archive_after="2").work("tickets"))
        assert [one.name for one in versions if one.archived] == ["0.8.0", "0.9.0"]

    @pytest.mark.parametrize(
        ("rule", "method", "path"),
        [
            ({"version": "true"}, "POST", "*/move"),
            ({"archive_after": "2"}, "PUT", "*/version/90"),
        ],
    )
    def test_what_is_done_to_versions_has_its_receipt_though_the_answer_was_lost(
        self, repository, versions, jira, rule, method, path
    ):
        plan = told(repository, **rule)
        jira.fail("lost reply", method=method, path=path)
        with pytest.raises(Unavailable):
            tell(plan.work("tickets"))
        jira.sandbox.faults.clear()
        tell(plan.work("tickets"))
        effects = plan.gare.ledger.effects.of(plan.release.id)
        assert [one.target for one in effects if one.receipt is None] == []

    def test_a_new_version_takes_its_place_though_it_was_away_for_a_while(
        self, repository, versions, jira
    ):
        plan = told(repository, version="true")
        jira.fail("status", status=503, path="*/move")
        with pytest.raises(Unavailable):
            tell(plan.work("tickets"))
        jira.sandbox.faults.clear()
        tell(plan.work("tickets"))
        names = [one.name for one in versions]
        assert names == ["0.8.0", "0.9.0", "other 1", "1.0.0", "1.1.0", "2.0.0"]

    def test_the_day_is_that_of_the_station(self, repository, versions, tmp_path, monkeypatch):
        clock = tmp_path / "clock"
        clock.write_text("2026-03-02T23:30:00+00:00")
        monkeypatch.setenv("GARE_CLOCK", str(clock))
        monkeypatch.setenv("TZ", "Europe/Paris")
        time.tzset()
        try:
            tell(told(repository, version="true").work("tickets"))
        finally:
            monkeypatch.undo()
            time.tzset()
        (made,) = (one for one in versions if one.name == "1.1.0")
        assert made.release_date == "2026-03-03"


def test_the_change_ticket_is_opened_once_and_follows_the_phases(released, jira):
    key = follow(released.work("change-open"))["key"]
    again = replace(released.work("change-open"), attempt=2)
    assert follow(again)["key"] == key
    released.done("change-open", {"key": key})
    change = state(jira).issues[key]
    assert (change.kind, change.labels) == ("Change", [f"gare-shop-{released.release.id}"])
    assert released.release.id in change.fields["description"]
    follow(released.work("change-deploying"))
    assert change.status == "In Progress"
    follow(released.work("change-released"))
    assert change.status == "Done"


def test_a_lost_answer_opens_no_second_change_ticket(released, jira):
    jira.fail("lost reply", method="POST", path="*/issue")
    with pytest.raises(Unavailable):
        follow(released.work("change-open"))
    assert follow(released.work("change-open"))["key"] == "SHOP-4"
    assert "SHOP-5" not in state(jira).issues


def test_a_release_that_ends_otherwise_says_so_in_its_change_ticket_and_its_record_holds(
    released, jira
):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    pay(released.gare, released.release)
    assert state(jira).issues[key].status == "To Do"
    releases = released.gare.ledger.releases
    ended = releases.mark(released.release.id, ReleaseState.REJECTED, actor="bob", end="no")
    assert [pay(released.gare, ended) for _ in range(2)] == [([], False)] * 2
    assert state(jira).issues[key].status == "Done"
    assert len(state(jira).issues[key].history) == 1
    report = audit_ledger(released.gare.ledger.database)
    assert report.is_sound, report


def test_a_version_that_was_put_back_is_told_to_its_change_ticket_once(released, jira):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    ledger, release = released.gare.ledger, released.release.id
    ledger.taken_back.note(release, "production", by=release, to="1.0.0", actor="gare")
    ended = ledger.releases.mark(
        release, ReleaseState.ROLLED_BACK, actor="gare", end="production: it is slow."
    )
    jira.fail("status", status=503, count=None)
    problems, is_open = pay(released.gare, ended)
    assert is_open
    assert any("say of rolled back in production" in problem for problem in problems), problems
    jira.sandbox.faults.clear()
    assert [pay(released.gare, ended) for _ in range(2)] == [([], False)] * 2
    [comment] = state(jira).issues[key].comments
    assert "was rolled back in production, which is back at 1.0.0: it is slow. (R-1)" in str(
        comment
    )


def test_a_tracker_that_is_away_does_not_change_how_a_release_ended_and_is_told_when_it_is_back(
    released, jira
):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    releases = released.gare.ledger.releases
    ended = releases.mark(released.release.id, ReleaseState.CANCELLED, actor="bob", end="no")
    jira.fail("status", status=500, count=None)
    problems, is_open = pay(released.gare, ended)
    assert problems[0].startswith(f"The change ticket {key} of R-1 was not told: Jira answered 500")
    assert problems[0].endswith("The station tries again by itself.")
    assert is_open
    assert releases.get(released.release.id).state is ReleaseState.CANCELLED
    jira.sandbox.faults.clear()
    payer = Payer(released.gare, is_aside=False)
    assert payer.look([ended]) == set()
    assert payer.told() == ["R-1 has told how it ended"]
    assert state(jira).issues[key].status == "Done"

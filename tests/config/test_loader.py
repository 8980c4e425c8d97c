"""A station is found and loaded; whatever is wrong is said with file, line, key and what to write."""

# ruff: noqa: E501 - tables of whole messages, one row each

from pathlib import Path

import pytest

from gare.config.loader import load_station
from gare.errors import ConfigError

STATION = """\
name: station
people:
  - {name: alice, email: alice@example.org, groups: [release-managers, qa]}
  - {name: bob, email: bob@example.org, groups: [qa]}
environments:
  staging: {}
  production:
    approval:
      groups: {release-managers: 1}
"""
PROJECT = """\
name: shop
source: {type: git}
environments:
  staging:
    target: {type: directory, path: out/staging}
  production:
    target: {type: directory, path: out/production}
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("GARE_STATION", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "gare.yaml").write_text(PROJECT)
    return tmp_path


def message(start: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_station(start)
    return str(caught.value)


def test_station_is_found_from_a_folder_below(root, monkeypatch):
    below = root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    station = load_station()
    assert (station.root, station.file) == (root, root / "station.yaml")
    assert station.state == root / ".gare"
    assert station.project().base == root


def test_named_station_wins_over_the_folders_above(root, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "station.yaml").write_text("name: other\n")
    monkeypatch.setenv("GARE_STATION", str(other))
    assert load_station().config.name == "other"
    assert load_station(root).config.name == "station"


def test_named_station_must_be_there(root, monkeypatch):
    monkeypatch.setenv("GARE_STATION", str(root / "nowhere"))
    assert message() == (
        f"There is no station.yaml in {root / 'nowhere'}. (--station or GARE_STATION) "
        "Name the folder that holds station.yaml."
    )


def test_no_station_anywhere(tmp_path, monkeypatch):
    monkeypatch.delenv("GARE_STATION", raising=False)
    monkeypatch.chdir(tmp_path)
    assert message() == (
        f"There is no station.yaml here or in any folder above. ({tmp_path}) "
        "Make one with `gare init` in a repository, or name the station's folder: `gare --station DIR …`."
    )
    (tmp_path / "gare.yaml").write_text(PROJECT)
    assert message() == (
        f"There is a gare.yaml here, but no station.yaml here or in any folder above. ({tmp_path}) "
        "Write one with `gare init`, or name the station's folder: `gare --station DIR …`."
    )


def test_projects_come_from_three_places(root):
    (root / "projects").mkdir()
    (root / "projects" / "api.yaml").write_text(PROJECT.replace("shop", "api"))
    (root / "checkout").mkdir()
    (root / "checkout" / "gare.yaml").write_text(PROJECT.replace("shop", "web"))
    (root / "station.yaml").write_text(STATION + "repositories: [checkout, .]\n")
    station = load_station()
    assert {name: project.base for name, project in station.projects.items()} == {
        "shop": root,
        "api": root / "projects",
        "web": root / "checkout",
    }


def test_unknown_and_unnamed_projects(root):
    (root / "projects").mkdir()
    (root / "projects" / "api.yaml").write_text(PROJECT.replace("shop", "api"))
    station = load_station()
    with pytest.raises(ConfigError) as caught:
        station.project("shopp")
    assert str(caught.value) == (
        "There is no project `shopp`. (station.yaml) Did you mean `shop`? Projects are `shop` and `api`."
    )
    with pytest.raises(ConfigError) as caught:
        station.project()
    assert str(caught.value) == "Which project? (station.yaml) Name one of `shop` and `api`."


def test_a_name_used_twice_names_both_files(root):
    (root / "projects").mkdir()
    (root / "projects" / "again.yaml").write_text("# a comment\n" + PROJECT)
    assert message() == (
        "projects/again.yaml:2: name: the project `shop` is already in gare.yaml. "
        "Give one of the two another name."
    )


def test_a_repository_without_a_project_is_named_with_its_line(root):
    (root / "station.yaml").write_text(STATION + "repositories:\n  - nowhere\n")
    assert message() == (
        f"station.yaml:11: repositories[0]: there is no gare.yaml in {root / 'nowhere'}. "
        "Run `gare init` there, correct the path, or take the entry out."
    )


def test_problems_of_several_files_are_told_at_once(root):
    (root / "projects").mkdir()
    (root / "projects" / "api.yaml").write_text("name: API\nsource: {type: git}\n")
    (root / "gare.yaml").write_text(PROJECT + "titel: Shop\n")
    assert message().splitlines()[0] == "2 problems in gare.yaml and projects/api.yaml:"


def test_a_wrong_file_of_one_project_does_not_stop_the_others(root):
    (root / "projects").mkdir()
    (root / "projects" / "api.yaml").write_text("name: api\nsource: {type: git}\ncolour: red\n")
    (root / "projects" / "web.yaml").write_text(PROJECT.replace("shop", "web"))
    (root / "projects" / "web2.yaml").write_text(PROJECT.replace("shop", "web"))
    station = load_station(leave_out_broken=True)
    assert station.project("shop").base == root
    with pytest.raises(ConfigError, match=r"^projects/api.yaml:3: colour: this key is not known"):
        station.project("api")
    for wrong in ("web", "nothing", None):
        with pytest.raises(ConfigError) as caught:
            station.project(wrong)
        assert (
            str(caught.value).splitlines()[0]
            == "2 problems in projects/api.yaml and projects/web2.yaml:"
        )


SLUG = "Write lower-case letters, digits, `.`, `-` and `_`, starting with a letter or a digit, at most 63."

PROJECT_MISTAKES = [
    ("name: Shop\n", f'gare.yaml:1: name: "Shop" cannot be used. {SLUG}'),
    ("name: 12\n", 'gare.yaml:1: name: 12 is no text. Put it in quotes: "12".'),
    ("name:\n", "gare.yaml:1: name: there is no value. Write a text."),
    ("name: [a]\n", "gare.yaml:1: name: this is a list. Write a text."),
    ("env: PATH\n", 'gare.yaml:8: env: "PATH" cannot be used. Write a list: each entry on a line of its own after `- `.'),
    ("env: [A B]\n", "gare.yaml:8: env[0]: this is no name of an environment variable. Write the name alone, such as `CI_JOB_ID`."),
    ("version: {major_on_zero: maybe}\n", 'gare.yaml:8: version.major_on_zero: "maybe" cannot be used. Write true or false.'),
    ("version: {initial: 1.0}\n", 'gare.yaml:8: version.initial: 1.0 is no text. Put it in quotes: "1.0".'),
    ("version: {inital: 1.0.0}\n", "gare.yaml:8: version.inital: this key is not known. Did you mean `initial`? Keys of `version` are `initial` and `major_on_zero`."),
    ("build:\n  commands:\n    - make && make check\n", "gare.yaml:10: build.commands[0]: no shell runs it, so `&&` would be a word for the program. Write several commands, or a list such as [sh, -c, '…']."),
    ("steps: [{id: a, type: run, command: echo $HOME}]\n", "gare.yaml:8: steps[0].command: no shell runs it, so `$HOME` would be a word for the program. Write several commands, or a list such as [sh, -c, '…']."),
    ("publish: {notes_file: 'notes/{colour}-{version}.md'}\n", "gare.yaml:8: publish.notes_file: `{colour}` is not known here. Write {project} or {version}."),
    ("publish: {notes_file: 'notes/{version.md'}\n", "gare.yaml:8: publish.notes_file: a brace is left open. Write {project} or {version}."),
    ("publish: {notes_file: notes.md}\n", "gare.yaml:8: publish.notes_file: each version has a file of its own. Write `{version}` in its name."),
    ("build:\n  commands:\n    - make 'x\n", "gare.yaml:10: build.commands[0]: the command cannot be split into words (No closing quotation). Write a list of words."),
    ("build:\n  artifacts:\n    - dist/*\n    - ../*\n", "gare.yaml:11: build.artifacts[1]: this leaves the checkout. Write a path relative to the checkout, such as `dist/*.whl`."),
    ("build: {sbom: pyton}\n", 'gare.yaml:8: build.sbom: "pyton" is not known here. Did you mean `python`? Write one of `auto`, `python` or `none`.'),
    ("announce:\n  - {type: mial}\n", 'gare.yaml:9: announce[0].type: "mial" is not known here. Did you mean `mail`? Write one of `file`, `mail` or `webhook`.'),
    ("announce:\n  - {to: x}\n", "gare.yaml:9: announce[0]: `type` is missing. Write `type:` and what this is."),
    ("tickets: {pattern: '('}\n", "gare.yaml:8: tickets.pattern: this is no regular expression: missing ), unterminated subpattern at character 1. Write one such as `SHOP-\\d+`."),
    ("tickets: {pattern: 'x*'}\n", "gare.yaml:8: tickets.pattern: this matches the empty text too. Write one such as `SHOP-\\d+`."),
    ("steps:\n  - {id: a, type: rum}\n", 'gare.yaml:9: steps[0].type: "rum" is not known here. Did you mean `run`? Write one of `plan`, `build`, `test`, `validate`, `approve`, `deploy`, `verify`, `soak`, `pipeline`, `record`, `publish`, `page`, `tickets`, `change`, `announce`, `close`, `run` or `manual`.'),
    ("steps:\n  - {id: a, type: run, command: x, timeout: 5 minutes}\n", 'gare.yaml:9: steps[0].timeout: "5 minutes" cannot be used. Write a duration with its unit, such as 30s, 5m, 2h, 3d or 1h30m.'),
    ("steps:\n  - {id: a, type: run, command: x, retries: 21}\n", "gare.yaml:9: steps[0].retries: 21 cannot be used. Write a number of at most 20."),
    ("steps:\n  - {id: a, type: run, command: x, retries: 1.5}\n", "gare.yaml:9: steps[0].retries: 1.5 cannot be used. Write a whole number."),
    ("steps:\n  - {id: a, type: run}\n", "gare.yaml:9: steps[0].command: a `run` step has a command. Write one, such as `command: make migrate`."),
    ("steps:\n  - {id: a, type: manual}\n", "gare.yaml:9: steps[0].instructions: a `manual` step says what to do. Write the instructions for the person."),
    ("steps:\n  - {id: a, type: soak, environment: staging}\n", "gare.yaml:9: steps[0].type: an environment is soaked by its own key. Take this step out, and write `soak: 10m` under the environment."),
    ("steps:\n  - {id: a, type: manual, instructions: x, undo: make b}\n", "gare.yaml:9: steps[0].undo: a `manual` step is not taken back by a command. Take it out, or write `type: run`."),
    ("steps:\n  - {id: a, type: verify}\n", "gare.yaml:9: steps[0].environment: a `verify` step has an environment. Write one of `staging` or `production`."),
    ("steps:\n  - {id: a, type: verify, environment: prodution}\n", "gare.yaml:9: steps[0].environment: this project has no environment `prodution`. Did you mean `production`? Write one of `staging` or `production`."),
    ("steps:\n  - {id: verify-staging, type: verify, environment: production}\n", "gare.yaml:9: steps[0].environment: the step `verify-staging` is about `staging`. Write `environment: staging`."),
    ("steps:\n  - {id: a, type: manual, instructions: x, outward: true}\n", "gare.yaml:9: steps[0].outward: whether a `manual` step changes something outside is known. Take it out."),
    ("steps:\n  - {id: a, type: run, command: x, environment: staging, outward: false}\n", "gare.yaml:9: steps[0].outward: the step changes `staging`. Take it out, or take `environment` out."),
    ("steps:\n  - {id: a, type: close}\n", "gare.yaml:9: steps[0].type: a release has one `close` step only. Write `type: run` or `type: manual`."),
    ("steps:\n  - {id: a, type: run, command: x, skip: true}\n", "gare.yaml:9: steps[0].skip: `a` is no standard step. Only standard steps are skipped: take this one out."),
    ("steps:\n  - {id: build, type: test}\n", "gare.yaml:9: steps[0].type: the standard step `build` is of type `build`. Write one of `build`, `run` or `manual`."),
    ("steps:\n  - {id: approve-production, type: run, command: x}\n", "gare.yaml:9: steps[0].type: the standard step `approve-production` cannot be replaced. Write `type: approve`."),
    ("steps:\n  - id: a\n    type: run\n    command: x\n    needs:\n      - biuld\n", "gare.yaml:13: steps[0].needs[0]: there is no step `biuld`. Did you mean `build`? Steps are `plan`, `build`, `test`, `validate`, `deploy-staging`, `verify-staging`, `approve-production`, `deploy-production`, `verify-production`, `publish`, `announce`, `close` and `a`."),
    ("steps:\n  - {id: a, type: run, command: x}\n  - {id: a, type: run, command: x}\n", "gare.yaml:10: steps[1].id: there is another step `a`. Give it an id of its own."),
    ("steps:\n  - {id: a, type: run, command: x, needs: [b]}\n  - {id: b, type: run, command: x, needs: [a]}\n", "gare.yaml:9: steps[0]: the steps wait for each other in a circle: a -> b -> a. Take one `needs` or `before` out."),
    ("steps:\n  - {id: a, type: run, command: x, needs: [test], before: [build]}\n", "gare.yaml:9: steps[0]: the steps wait for each other in a circle: build -> a -> test -> build. Take one `needs` or `before` out."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), PROJECT_MISTAKES)
def test_a_mistake_in_a_project(root, text, said):
    key = text.partition(":")[0]
    kept = [line for line in PROJECT.splitlines(keepends=True) if not line.startswith(f"{key}:")]
    is_name = key == "name"
    (root / "gare.yaml").write_text("".join([text, *kept] if is_name else [*kept, text]))
    assert message() == said


def test_a_rollback_that_asks_where_nobody_is_asked(root):
    target = "{type: directory, path: out/staging}"
    changed = PROJECT.replace(f"target: {target}", f"target: {target}\n    rollback: approval")
    (root / "gare.yaml").write_text(changed)
    assert message() == (
        "gare.yaml:6: environments.staging.rollback: no rule says who approves here. "
        "Write an `approval` beside it, or `rollback: at once`."
    )


def test_environment_that_the_station_does_not_have(root):
    (root / "gare.yaml").write_text(PROJECT.replace("  production:", "  prod:"))
    assert message() == (
        "gare.yaml:6: environments.prod: station.yaml has no such environment. Did you mean `production`? "
        "Add it there, or take one of `staging` and `production`."
    )


STATION_MISTAKES = [
    (
        "      groups: {release-manager: 1}\n",
        "station.yaml:9: environments.production.approval.groups.release-manager: nobody in station.yaml is in "
        "this group. Did you mean `release-managers`? Groups of people are `release-managers` and `qa`.",
    ),
    (
        "      groups: {release-managers: 1, qa: 2}\n",
        "station.yaml:9: environments.production.approval.groups: these votes can never be reached: no person is "
        "left for `qa` (release-managers has 1, qa has 2; a person votes for one group only). "
        "Ask for fewer votes, or add people to the groups.",
    ),
    (
        "      groups: {release-managers: 0}\n",
        "station.yaml:9: environments.production.approval.groups.release-managers: 0 cannot be used. "
        "Write a number of at least 1.",
    ),
    (
        "      groups: {}\n",
        "station.yaml:9: environments.production.approval.groups: this cannot be used. Write entries, at least 1.",
    ),
]


@pytest.mark.parametrize(("line", "said"), STATION_MISTAKES)
def test_a_rule_that_nobody_can_meet(root, line, said):
    (root / "station.yaml").write_text(
        STATION.replace("      groups: {release-managers: 1}\n", line)
    )
    assert message() == said


def test_a_quorum_that_a_matching_reaches_is_fine(root):
    groups = "      groups: {qa: 1, release-managers: 1}\n"
    (root / "station.yaml").write_text(
        STATION.replace("      groups: {release-managers: 1}\n", groups)
    )
    assert load_station().config.environments["production"].approval.groups == {
        "qa": 1,
        "release-managers": 1,
    }


def test_one_address_belongs_to_one_person(root):
    (root / "station.yaml").write_text(STATION.replace("bob@example.org", "ALICE@example.org"))
    assert message() == (
        "station.yaml:4: people[1].email: `alice@example.org` is already an address of people[0]. "
        "An address belongs to one person: commits are matched by it."
    )


SECRETS = [
    "announce:\n  - {type: mail, host: mail.example.org, password: hunter22}\n",
    "announce:\n  - {type: webhook, url: 'https://user:hunter22@example.org/'}\n",
    "gates:\n  - {name: x, suite: changes, settings: {api_token: hunter22}}\n",
    "build: {commands: ['curl https://bot:hunter22@example.org/x']}\n",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_in_a_file_is_refused_and_never_repeated(root, text):
    (root / "gare.yaml").write_text(PROJECT + text)
    said = message()
    assert "hunter22" not in said
    assert "`$NAME`" in said


def test_a_secret_in_the_ledgers_address_is_refused(root):
    (root / "station.yaml").write_text(STATION + "ledger: postgresql://gare:hunter22@db/gare\n")
    assert message() == (
        "station.yaml:10: ledger: an address in this value holds a password. "
        "Take the password out, then change it: secrets are written as `$NAME` or `file:PATH`."
    )
    (root / "station.yaml").write_text(STATION + "ledger: postgresql://gare:$PASSWORD@db/gare\n")
    assert load_station().config.ledger == "postgresql://gare:$PASSWORD@db/gare"


def test_control_characters_are_spelled_out(root):
    (root / "gare.yaml").write_text(PROJECT.replace("name: shop", 'name: "\\e[2Jshop"'))
    assert message() == f'gare.yaml:1: name: "\\u001b[2Jshop" cannot be used. {SLUG}'

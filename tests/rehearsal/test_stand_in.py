"""What stands in for a project's real targets, announcements and commands."""

import pytest

from gare.config.models import ProjectConfig, StationConfig
from gare.connectors.directory import DirectorySettings
from gare.rehearsal.stand_in import stand_in, stand_in_station


def project(**more) -> ProjectConfig:
    said = {"name": "shop", "source": {"path": "."}, **more}
    return ProjectConfig.model_validate(said)


def target(**more) -> DirectorySettings:
    said = {"target": {"type": "directory", "path": "/srv/shop", **more}}
    made = stand_in(project(environments={"production": said}), "main")
    return made.config.environments["production"].target


def test_a_target_is_a_folder_of_the_rehearsal():
    assert target(strip=1).path == "../environments/production"
    assert target(strip=1).strip == 1


def test_a_service_is_neither_started_nor_asked():
    made = target(
        start="systemctl start shop", stop="systemctl stop shop", version={"command": "cat v.txt"}
    )
    assert (made.start, made.stop, made.version) == (None, None, None)


@pytest.mark.parametrize(
    ("asked", "is_kept"),
    [({"command": "cat v.txt"}, True), ({"url": "http://127.0.0.1:1/version"}, False)],
)
def test_files_answer_for_themselves_and_the_real_address_is_never_asked(asked, is_kept):
    assert (target(version=asked).version is not None) == is_kept


def test_whatever_is_sent_goes_to_a_file():
    made = stand_in(
        project(
            announce=[
                {"type": "webhook", "url": "https://chat.example.org/hook"},
                {"type": "file", "path": "/srv/notes.md"},
            ],
            publish={"notes_file": "/srv/{version}/notes.md"},
        ),
        "main",
    )
    paths = [place.path for place in made.config.announce]
    assert paths == ["../announcements/1-webhook.md", "../announcements/2-file.md"]
    assert made.config.publish.notes_file == "../announcements/{project}-{version}.md"
    assert made.notes == ("announcement by webhook: written to a file",)


def test_a_command_that_may_reach_anything_only_says_what_it_would_do():
    steps = [
        {"id": "migrate", "type": "run", "command": "flyway migrate", "undo": "flyway undo"},
        {"id": "build", "type": "run", "command": "make"},
    ]
    made = stand_in(project(steps=steps), "main")
    migrate, build = made.config.steps
    assert "flyway migrate" in migrate.command[-1]
    assert migrate.command[1] == "-c"
    assert migrate.undo is None
    assert build.command == ("make",)
    assert made.replaced == {"migrate": "not rehearsed: `flyway migrate`"}


def test_the_station_keeps_people_and_rules_and_leads_to_the_sandbox_alone():
    real = StationConfig.model_validate(
        {
            "ledger": "postgresql://example.org/gare",
            "repositories": ["/srv/shop"],
            "people": [{"name": "bob", "email": "bob@example.org", "groups": ["qa"]}],
            "environments": {"production": {"approval": {"groups": {"qa": 1}}}},
            "connections": {
                name: {"type": "gitlab", "url": f"https://{name}.example.org", "token": "$TOKEN"}
                for name in ("forge", "other")
            },
        }
    )
    made = stand_in_station(real, {"forge": "http://127.0.0.1:1/forge"}, {"forge": "file:forge"})
    assert (made.people, made.environments) == (real.people, real.environments)
    assert (made.ledger, made.repositories, made.gateway) == ("", (), False)
    assert {name: one.url for name, one in made.connections.items()} == {
        "forge": "http://127.0.0.1:1/forge"
    }
    assert made.connections["forge"].token == "file:forge"

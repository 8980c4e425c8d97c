"""What an artifact's name tells."""

import pytest

from gare.domain.artifacts import other_version


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("shop-1.2.0-py3-none-any.whl", "1.2.0", ""),
        ("shop-1.2-py3-none-any.whl", "1.2.0", ""),
        ("shop-10.0-py3-none-any.whl", "10.0.0", ""),
        ("shop-1.2.0rc1-py3-none-any.whl", "1.2.0-rc.1", ""),
        ("shop-1.2.0rc0-py3-none-any.whl", "1.2.0-rc", ""),
        ("shop-1.2b2-py3-none-any.whl", "1.2.0-beta.2", ""),
        ("shop-1.2.0+build.5-py3-none-any.whl", "1.2.0+build.5", ""),
        ("shop-1.2.0.dev0-py3-none-any.whl", "1.2.0", "1.2.0.dev0"),
        ("dist/shop-1.2.1-1-cp311-cp311-linux_x86_64.whl", "1.2.0", "1.2.1"),
        ("shop-1.2.10-py3-none-any.whl", "1.2.1", "1.2.10"),
        ("shop.whl", "1.2.0", ""),
        ("shop-1.1.0.tar.gz", "1.2.0", ""),
    ],
)
def test_a_wheel_of_another_version_is_noticed(name, version, said):
    assert other_version(name, version) == said

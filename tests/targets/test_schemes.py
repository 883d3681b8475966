"""Where a credential is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.targets.schemes import AITO, AVALANCHIO

HOME = Path("/home/u")


@pytest.mark.parametrize(
    ("scheme", "environ", "home", "place"),
    [
        (AVALANCHIO, {}, HOME, "/home/u/aio/avalanchio.ini"),
        (AVALANCHIO, {"XDG_CONFIG_HOME": "/c"}, HOME, "/home/u/aio/avalanchio.ini"),
        (AITO, {}, HOME, "/home/u/.config/aito/credentials"),
        (AITO, {"XDG_CONFIG_HOME": ""}, HOME, "/home/u/.config/aito/credentials"),
        (AITO, {"XDG_CONFIG_HOME": "c"}, HOME, "/home/u/.config/aito/credentials"),
        (AITO, {"XDG_CONFIG_HOME": "/c"}, HOME, "/c/aito/credentials"),
        (AITO, {"XDG_CONFIG_HOME": "/c"}, None, "/c/aito/credentials"),
        (AVALANCHIO, {}, None, None),
        (AITO, {}, None, None),
    ],
)
def test_where_the_file_lies(scheme, environ, home, place):
    """In the home, or in the directory for configurations; nowhere without either."""
    assert scheme.place(scheme.file, environ, home) == (Path(place) if place else None)


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        (AVALANCHIO, ["AIO_TOKEN", "AIO_BASE_URL", "authorization", "~/aio/avalanchio.ini"]),
        (AITO, ["AITO_API_KEY", "AITO_URL", "api_key", "~/.config/aito/credentials"]),
    ],
)
def test_the_ways_name_what_a_person_may_set(scheme, names):
    """Both of them: variables, and the file with its keys."""
    assert all(name in scheme.ways for name in names)

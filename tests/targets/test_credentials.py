"""Which token goes to which host: the same rules for every service, under its own names."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import orjson
import pytest

from ingest.errors import SettingsError
from ingest.targets.credentials import (
    AITO,
    AVALANCHIO,
    Credential,
    CredentialRequest,
    CredentialScheme,
    clean_token,
    resolve,
    resolve_again,
)
from ingest.wire import shown_moment
from tests.jwt import jwt

TOKEN = "tok-0123456789"
HOST = "https://apps.example.com"
OTHER = "https://evil.example"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a home, who uses one of the services."""

    scheme: CredentialScheme
    home: Path

    def write(self, text: str, mode: int = 0o600) -> Path:
        """The user's file, from the words of Avalanchio's."""
        path = self.scheme.place(self.scheme.file, {}, self.home)
        assert path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = text.replace("base_url=", f"{self.scheme.url_key}=")
        path.write_text(text.replace("authorization=", f"{self.scheme.token_key}="))
        path.chmod(mode)
        return path

    def get(self, *, homeless: bool = False, environ=None, **request) -> Credential:
        """Resolve, and see to it that nothing shows the token.

        `environ` says `token`, `url` and `allow` for the service's own variables.
        """
        names = {
            "token": self.scheme.token_variable,
            "url": self.scheme.url_variables[0],
            "allow": self.scheme.allow_variable,
        }
        named = {names.get(key, key): value for key, value in (environ or {}).items()}
        home = None if homeless else self.home
        asked = partial(resolve, CredentialRequest(**request), named, home, self.scheme)
        credential = anyio.run(asked)
        assert TOKEN not in repr(credential)
        return credential

    def again(self, known: Credential, *, environ=None, **request) -> Credential:
        """The same, asked for afresh."""
        asked = CredentialRequest(**request)
        found = anyio.run(
            partial(resolve_again, known, asked, environ or {}, self.home, self.scheme)
        )
        assert found.token.reveal() not in repr(found)
        return found

    def refusal(self, *, homeless: bool = False, environ=None, **request) -> str:
        """The words of the refusal, which never hold the token and always a way on."""
        with pytest.raises(SettingsError) as caught:
            self.get(homeless=homeless, environ=environ, **request)
        words = f"{caught.value.message} | {caught.value.hint}"
        assert TOKEN not in f"{words} {caught.value.__cause__!r}"
        return words


@pytest.fixture(params=[AVALANCHIO, AITO], ids=["avalanchio", "aito"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> User:
    """A user of each service in turn, with no file yet."""
    return User(request.param, tmp_path)


@pytest.mark.parametrize("with_home", [True, False])
def test_the_environment_says_it_all(user, with_home):
    """Both variables set: no home is needed, and a broken file does not matter."""
    user.write("broken")
    found = user.get(homeless=not with_home, environ={"token": TOKEN, "url": f"{HOST}/"})
    assert found.base_url == HOST
    assert found.token.reveal() == TOKEN
    assert (found.origin, found.notes) == (user.scheme.token_variable, ())


def test_the_environment_wins_over_a_profile_and_says_so(user):
    """A job that names a profile runs where only the environment is set."""
    found = user.get(environ={"token": TOKEN, "url": HOST}, profile="prod")
    assert found.token.reveal() == TOKEN
    assert "prod" in found.notes[0]


@pytest.mark.parametrize(
    ("profile", "token", "url"),
    [(None, "default-token", HOST), ("DEFAULT", "default-token", HOST),
     ("prod", "prod%token", "https://prod.example"), ("same", "default-token", HOST),
     ("keyonly", "key-token", HOST)],
)  # fmt: skip
def test_the_file_gives_the_profile_asked_for(user, profile, token, url):
    """A profile's own keys over those of [DEFAULT]; a % is a % like any other character."""
    user.write(
        f"[DEFAULT]\nbase_url={HOST}\nauthorization=default-token\n"
        "[prod]\nbase_url=https://prod.example\nauthorization=prod%token\n"
        f"[same]\nbase_url={HOST}/\n[keyonly]\nauthorization=key-token\n",
    )
    found = user.get(profile=profile)
    assert (found.token.reveal(), found.base_url) == (token, url)
    assert f"[{profile or user.scheme.default_profile}]" in found.origin
    assert found.notes == ()


def test_a_profile_with_its_own_host_does_not_inherit_a_token(user):
    """The token of [DEFAULT] came with another base URL."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[eu]\nbase_url={OTHER}\n")
    assert "evil.example" in user.refusal(profile="eu")


def test_a_missing_profile_is_an_error_naming_those_there_are(user):
    """Not a silent fall back to [DEFAULT]."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[eu]\nx=1\n[us]\nx=1\n")
    assert "no profile 'prod'; there are DEFAULT, eu, us" in user.refusal(profile="prod")


@pytest.mark.parametrize("with_home", [True, False])
def test_a_profile_without_a_file_is_an_error(user, with_home):
    """And says that there is none."""
    words = user.refusal(homeless=not with_home, profile="prod")
    assert "there is no profile" in words
    assert user.scheme.token_variable in words


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_that_others_can_read_is_warned_of(user, mode):
    """A note, not an error."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n", mode)
    assert len(user.get().notes) == (mode != 0o600)


@pytest.mark.parametrize(
    ("environ", "words"),
    [({}, "no base URL"), ({"url": HOST}, "no token for apps.example.com"),
     ({"token": TOKEN}, "no base URL"), ({"token": " ", "url": ""}, "no base URL"),
     ({"token": TOKEN, "url": "apps.example.com"}, "_URL: ")],
)  # fmt: skip
@pytest.mark.parametrize("with_home", [True, False])
def test_what_is_missing_is_said(user, with_home, environ, words):
    """Without a home, too, and never with a crash."""
    assert words in user.refusal(homeless=not with_home, environ=environ)


ENV_BOUND = {"token": TOKEN, "url": HOST}


@pytest.mark.parametrize(
    "url",
    [OTHER, "https://apps.example.com.evil.example", "http://apps.example.com",
     "https://apps.example.com:8443", "https://xapps.example.com"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["job_base_url", "cli_base_url"])
def test_a_bound_token_goes_to_its_host_only(user, url, place):
    """A job that names another host, scheme or port gets none."""
    words = user.refusal(environ=ENV_BOUND, **{place: url})
    assert "belongs to" in words
    assert user.scheme.allow_variable in words


@pytest.mark.parametrize(
    "url", ["https://user@apps.example.com", "https://apps.example.com\\@evil.example",
            "https://apps.example.com@evil.example"]
)  # fmt: skip
def test_a_url_made_to_confuse_is_refused(user, url):
    """Before any comparison."""
    assert "target.base_url" in user.refusal(environ=ENV_BOUND, job_base_url=url)


@pytest.mark.parametrize("url", [HOST, f"{HOST}/", f"{HOST}:443", "HTTPS://APPS.example.com/sub"])
def test_the_same_host_in_other_letters_is_the_same_host(user, url):
    """Case, port and a slash make no difference; the job's path is kept."""
    assert user.get(environ=ENV_BOUND, job_base_url=url).base_url.startswith(HOST)


@pytest.mark.parametrize(
    "allowed", ["evil.example", "EVIL.example:443", " a.example , evil.example"]
)
@pytest.mark.parametrize("place", ["job_base_url", "cli_base_url"])
def test_the_user_may_allow_a_host_outside_the_job(user, allowed, place):
    """By a variable, a list of hosts."""
    found = user.get(environ={**ENV_BOUND, "allow": allowed}, **{place: OTHER})
    assert (found.base_url, found.token.reveal()) == (OTHER, TOKEN)


@pytest.mark.parametrize("allowed", ["", ",", "example", "*", "evil.example:8443", ".example"])
def test_an_allowance_is_exact(user, allowed):
    """No suffixes, no patterns, no other port."""
    environ = {**ENV_BOUND, "allow": allowed}
    assert "belongs to" in user.refusal(environ=environ, job_base_url=OTHER)


def test_the_files_token_is_bound_to_its_section(user):
    """Also when the environment names another host."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    assert "belongs to apps.example.com" in user.refusal(job_base_url=OTHER)
    assert "belongs to apps.example.com" in user.refusal(environ={"url": OTHER})
    assert user.get(environ={"url": f"{HOST}/x"}).base_url == f"{HOST}/x"


def test_a_file_without_a_host_is_bound_to_the_environments(user):
    """Both are the user's own."""
    user.write(f"[DEFAULT]\nauthorization={TOKEN}\n")
    assert user.get(environ={"url": HOST}).base_url == HOST
    assert "belongs to" in user.refusal(environ={"url": HOST}, job_base_url=OTHER)


def test_the_environments_token_is_bound_to_the_files_host(user):
    """Where it names none."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\n")
    assert user.get(environ={"token": TOKEN}).base_url == HOST
    assert "belongs to" in user.refusal(environ={"token": TOKEN}, job_base_url=OTHER)


def test_an_unbound_token_goes_where_the_command_line_says(user):
    """Never where only the job says; the refusal tells the way on."""
    environ = {"token": TOKEN}
    assert user.get(environ=environ, cli_base_url=HOST, job_base_url=OTHER).base_url == HOST
    assert f"export {user.scheme.allow_variable}=evil.example" in user.refusal(
        environ=environ, job_base_url=OTHER
    )
    allowed = {**environ, "allow": "evil.example"}
    assert user.get(environ=allowed, job_base_url=OTHER).base_url == OTHER


@pytest.mark.parametrize(
    "pasted", [TOKEN, f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"  {TOKEN}\n", f"\tBearer {TOKEN} "]
)
def test_what_came_along_with_pasting_is_taken_off(pasted):
    """White space around it and the word Bearer."""
    assert clean_token(pasted, "here") == TOKEN


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "empty"), ("Bearer", "empty"), ("Bearer ", "empty"),
        ("<your token>", "placeholder"), ("<enter it.\n Exclude this.😊>", "placeholder"),
        ("Bearer <token>", "placeholder"), (f"'{TOKEN}'", "quotes"), (f'"{TOKEN}', "quotes"),
        (f"{TOKEN[:5]} {TOKEN[5:]}", "white space"), (f"{TOKEN}\nX-Evil: 1", "white space"),
        (f"{TOKEN}ü", "ASCII"), (f"{TOKEN}\x00", "ASCII"), (f"{TOKEN}\x7f", "ASCII"),
        (f"Bearer Bearer {TOKEN}", "white space"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_token_is_refused_without_repeating_it(token, words):
    """Each with its reason; a line end would add a header of somebody's choice."""
    with pytest.raises(SettingsError, match=words) as caught:
        clean_token(token, "here")
    assert TOKEN[:5] not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.message.startswith("here: ")


def test_the_published_template_is_refused_until_it_is_filled_in(user):
    """The file as the service's page shows it, on two lines and with a smile."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization=<enter your token.\n   Exclude.😊>\n")
    assert "placeholder" in user.refusal()


def test_no_command_runs_for_a_host_it_is_not_meant_for(user, tmp_path):
    """The binding is checked first."""
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close(); print('{TOKEN}')"
    command = orjson.dumps([sys.executable, "-c", code]).decode()
    user.write(f"[DEFAULT]\nbase_url={HOST}\ntoken_command={command}\n")
    assert "belongs to" in user.refusal(job_base_url=OTHER)
    assert not mark.exists()
    assert user.get().token.reveal() == TOKEN
    assert mark.exists()


def test_what_a_command_prints_is_checked_like_any_token(user):
    """Its place in the file is named."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\ntoken_command={sys.executable} -c pass\n")
    words = user.refusal()
    assert "the token is empty" in words
    assert f"[{user.scheme.default_profile}]" in words


def test_a_token_and_a_command_exclude_each_other(user):
    """Nobody should have to guess which one was used; a profile's own wins over [DEFAULT]'s."""
    command = f"token_command={sys.executable} -c print(12345678)\n"
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n{command}")
    assert f"{user.scheme.token_key} and token_command exclude each other" in user.refusal()
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[p]\n{command}")
    assert user.get(profile="p").token.reveal() == "12345678"


@pytest.mark.parametrize("place", ["environment", "file", "command"])
@pytest.mark.parametrize("end", [1, 2, 1_700_000_000])
def test_a_token_that_has_ended_is_refused_before_anything_is_sent(user, place, end):
    """With its moment, this machine's, and the mend; never with a part of it."""
    token = jwt(end)
    command = orjson.dumps([sys.executable, "-c", f"print('{token}')"]).decode()
    line = f"authorization={token}" if place == "file" else f"token_command={command}"
    user.write(f"[DEFAULT]\nbase_url={HOST}\n{line}\n")
    environ = {"token": token, "url": HOST} if place == "environment" else {}
    words = user.refusal(environ=environ)
    assert f"the token expired at {shown_moment(end)}, and it is 20" in words
    assert "put a new one in its place" in words
    assert token not in words


def test_a_token_is_good_until_the_very_moment(user):
    """By the clock that is handed in."""
    environ = {user.scheme.token_variable: jwt(500), user.scheme.url_variables[0]: HOST}
    at = partial(resolve, CredentialRequest(), environ, None, user.scheme)
    for wall_s in (0.0, 499.9):
        assert anyio.run(at, lambda: wall_s).token.reveal() == jwt(500)  # noqa: B023 - run at once
    with pytest.raises(SettingsError, match="expired at 1970-01-01 00:08:20Z"):
        anyio.run(at, lambda: 500.0)


def test_only_what_stands_in_a_file_can_be_renewed(user):
    """A variable can't change while a run goes on."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    assert user.get().renewable
    assert user.get(environ={"url": HOST}).renewable
    assert not user.get(environ={"token": TOKEN}).renewable
    assert not user.get(environ={"token": TOKEN, "url": HOST}).renewable


def test_a_rotated_token_is_found_in_the_same_profile(user):
    """Also that of a profile, and what a command prints the second time."""
    text = f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[p]\nauthorization=%s\n"
    user.write(text % "first-of-p")
    for profile in (None, "p"):
        user.write(text % "first-of-p")
        known = user.get(profile=profile)
        assert user.again(known, profile=profile) == known
        user.write(text.replace(TOKEN, "second-0123456789") % "second-of-p")
        found = user.again(known, profile=profile)
        assert found.token.reveal() == ("second-of-p" if profile else "second-0123456789")
        assert found.base_url == known.base_url
    number = user.home / "number"
    code = f"import pathlib; n = pathlib.Path({str(number)!r}); print(n.read_text())"
    command = orjson.dumps([sys.executable, "-c", code]).decode()
    user.write(f"[DEFAULT]\nbase_url={HOST}\ntoken_command={command}\n")
    number.write_text("one-0123456789")
    known = user.get()
    number.write_text("two-0123456789")
    assert user.again(known).token.reveal() == "two-0123456789"


@pytest.mark.parametrize("url", [OTHER, f"{HOST}/sub", "http://apps.example.com", f"{HOST}:8443"])
def test_a_token_that_belongs_elsewhere_now_is_not_taken(user, url):
    """The run goes on to where it went, or not at all: a rotated file can't redirect it."""
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    known = user.get()
    user.write(f"[DEFAULT]\nbase_url={url}\nauthorization=new-0123456789\n")
    with pytest.raises(SettingsError, match="now, and the run goes to") as caught:
        user.again(known)
    assert "new-0123456789" not in caught.value.message + caught.value.hint


def test_a_job_can_not_take_a_token_that_was_rotated_elsewhere(user):
    """The binding is checked again, and before a command is run."""
    mark = user.home / "ran"
    user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    known = user.get(job_base_url=HOST)
    user.write(f'[DEFAULT]\nbase_url={OTHER}\ntoken_command=["touch", "{mark}"]\n')
    with pytest.raises(SettingsError, match=r"belongs to evil\.example"):
        user.again(known, job_base_url=HOST)
    user.write(f'[DEFAULT]\ntoken_command=["touch", "{mark}"]\n')
    with pytest.raises(SettingsError, match="came without a base URL"):
        user.again(known, job_base_url=HOST)
    assert not mark.exists()


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nbase_url=\n", "[broken", "[DEFAULT]\nx=1\n"])
def test_a_file_that_says_nothing_any_more_is_no_other_token(user, text):
    """Half written, emptied, gone: a sentence, no crash."""
    path = user.write(f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    known = user.get()
    user.write(text)
    with pytest.raises(SettingsError):
        user.again(known)
    path.unlink()
    with pytest.raises(SettingsError):
        user.again(known)


AITO_FILE = (
    f"[default]\ninstance_url={HOST}\napi_key=default-key\nread_only_api_key=x\n"
    f"[eu]\ninstance_url={OTHER}\napi_key=eu-key\n[us]\ninstance_url={HOST}/us\napi_key=us-key\n"
)


@pytest.fixture
def aito(tmp_path: Path) -> User:
    """A user of aito with three profiles."""
    user = User(AITO, tmp_path)
    user.write(AITO_FILE)
    return user


@pytest.mark.parametrize(
    ("asked", "environ", "active", "token"),
    [(None, {}, None, "default-key"), (None, {}, "[other]\nx=1\n", "default-key"),
     (None, {}, "[aito]\nactive_profile=us\n", "us-key"),
     (None, {"AITO_PROFILE": "eu"}, "[aito]\nactive_profile=us\n", "eu-key"),
     ("us", {"AITO_PROFILE": "eu"}, None, "us-key"),
     (None, {"AITO_PROFILE": " "}, None, "default-key")],
)  # fmt: skip
def test_aitos_active_profile_is_that_of_its_own_client(aito, asked, environ, active, token):
    """Asked for, else AITO_PROFILE, else the one its tool keeps, else `default`."""
    if active is not None:
        (aito.home / ".config" / "aito" / "config").write_text(active)
    assert aito.get(environ=environ, profile=asked).token.reveal() == token


@pytest.mark.parametrize("named", [None, "eu"])
def test_aitos_active_profile_may_change_while_a_run_goes_on(aito, named):
    """The run keeps to the profile that it began with, also where nobody named one."""
    kept = aito.home / ".config" / "aito" / "config"
    if named:
        kept.write_text(f"[aito]\nactive_profile={named}\n")
    known = aito.get()
    kept.write_text("[aito]\nactive_profile=us\n")
    aito.write(AITO_FILE.replace("-key", "-new"))
    assert aito.again(known).token.reveal() == ("eu-new" if named else "default-new")


def test_aitos_profiles_inherit_nothing_from_its_default_one(aito):
    """`[default]` is a profile like the others; only `[DEFAULT]` is not."""
    aito.write(f"{AITO_FILE}[bare]\ninstance_url={HOST}\n")
    assert "no token for apps.example.com" in aito.refusal(profile="bare")


def test_an_active_profile_that_is_gone_is_an_error(aito):
    """Its rows were not meant for another instance."""
    words = aito.refusal(environ={"AITO_PROFILE": "gone"})
    assert "no profile 'gone'; there are default, eu, us" in words


@pytest.mark.parametrize(
    ("environ", "url", "notes"),
    [({"AITO_URL": HOST}, HOST, 0), ({"AITO_INSTANCE_URL": HOST}, HOST, 0),
     ({"AITO_URL": HOST, "AITO_INSTANCE_URL": f"{HOST}/"}, HOST, 0),
     ({"AITO_URL": HOST, "AITO_INSTANCE_URL": OTHER}, HOST, 1),
     ({"AITO_URL": " ", "AITO_INSTANCE_URL": OTHER}, OTHER, 0)],
)  # fmt: skip
def test_the_first_of_aitos_url_variables_wins(aito, environ, url, notes):
    """And it is said where the other one names another address."""
    found = aito.get(environ={"token": TOKEN, **environ})
    assert (found.base_url, len(found.notes)) == (url, notes)
    assert all("AITO_URL wins over AITO_INSTANCE_URL" in note for note in found.notes)


def test_a_database_of_a_shared_instance_keeps_its_path(aito):
    """The path is part of the base URL, the binding is to the host."""
    shared = f"{HOST}/db/mine"
    assert aito.get(environ={"token": TOKEN, "AITO_URL": f"{shared}/"}).base_url == shared


def test_a_profiles_key_does_not_go_to_the_environments_host(aito):
    """AITO_URL alone, with the key of a profile that belongs elsewhere."""
    assert "belongs to apps.example.com" in aito.refusal(environ={"AITO_URL": OTHER})

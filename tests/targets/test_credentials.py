"""Which token goes to which host."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

from ingest.errors import SettingsError
from ingest.targets import credentials
from ingest.targets.credentials import Credential, CredentialRequest, clean_token, resolve

TOKEN = "tok-0123456789"
HOST = "https://apps.example.com"
OTHER = "https://evil.example"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with no ini file yet."""
    (tmp_path / "aio").mkdir()
    return tmp_path


def write(home: Path, text: str, mode: int = 0o600) -> Path:
    """The user's ini file."""
    path = home / "aio" / "avalanchio.ini"
    path.write_text(text)
    path.chmod(mode)
    return path


def get(home: Path | None = None, environ: dict[str, str] | None = None, **request) -> Credential:
    """Resolve, and see to it that nothing shows the token."""
    credential = resolve(CredentialRequest(**request), environ or {}, home)
    assert TOKEN not in repr(credential)
    return credential


def refusal(home: Path | None = None, environ: dict[str, str] | None = None, **request) -> str:
    """The words of the refusal, which never hold the token and always a way on."""
    with pytest.raises(SettingsError) as caught:
        resolve(CredentialRequest(**request), environ or {}, home)
    words = f"{caught.value.message} | {caught.value.hint}"
    assert TOKEN not in f"{words} {caught.value.__cause__!r}"
    return words


@pytest.mark.parametrize("with_home", [True, False])
def test_the_environment_says_it_all(home, with_home):
    """Both variables set: no home is needed, and a broken file does not matter."""
    write(home, "broken")
    found = get(home if with_home else None, {"AIO_TOKEN": TOKEN, "AIO_BASE_URL": f"{HOST}/"})
    assert found.base_url == HOST
    assert found.token.reveal() == TOKEN
    assert (found.origin, found.notes) == ("AIO_TOKEN", ())


def test_the_environment_wins_over_a_profile_and_says_so(home):
    """A job that names a profile runs where only the environment is set."""
    found = get(home, {"AIO_TOKEN": TOKEN, "AIO_BASE_URL": HOST}, profile="prod")
    assert found.token.reveal() == TOKEN
    assert "prod" in found.notes[0]


@pytest.mark.parametrize(
    ("profile", "token", "url"),
    [(None, "default-token", HOST), ("DEFAULT", "default-token", HOST),
     ("prod", "prod%token", "https://prod.example"), ("same", "default-token", HOST),
     ("keyonly", "key-token", HOST)],
)  # fmt: skip
def test_the_file_gives_the_profile_asked_for(home, profile, token, url):
    """A profile's own keys over those of [DEFAULT]; a % is a % like any other character."""
    write(
        home,
        f"[DEFAULT]\nbase_url={HOST}\nauthorization=default-token\n"
        "[prod]\nbase_url=https://prod.example\nauthorization=prod%token\n"
        f"[same]\nbase_url={HOST}/\n[keyonly]\nauthorization=key-token\n",
    )
    found = get(home, profile=profile)
    assert (found.token.reveal(), found.base_url) == (token, url)
    assert f"[{profile or 'DEFAULT'}]" in found.origin
    assert found.notes == ()


def test_a_profile_with_its_own_host_does_not_inherit_a_token(home):
    """The token of [DEFAULT] came with another base URL."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[eu]\nbase_url={OTHER}\n")
    assert "evil.example" in refusal(home, profile="eu")


def test_a_missing_profile_is_an_error_naming_those_there_are(home):
    """Not a silent fall back to [DEFAULT]."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n[eu]\nx=1\n[us]\nx=1\n")
    assert "no profile 'prod'; there are DEFAULT, eu, us" in refusal(home, profile="prod")


@pytest.mark.parametrize("with_home", [True, False])
def test_a_profile_without_a_file_is_an_error(home, with_home):
    """And says that there is none."""
    words = refusal(home if with_home else None, profile="prod")
    assert "there is no profile" in words
    assert "AIO_TOKEN" in words


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_that_others_can_read_is_warned_of(home, mode):
    """A note, not an error."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n", mode)
    assert len(get(home).notes) == (mode != 0o600)


@pytest.mark.parametrize(
    ("environ", "words"),
    [({}, "no base URL"), ({"AIO_BASE_URL": HOST}, "no token for apps.example.com"),
     ({"AIO_TOKEN": TOKEN}, "no base URL"), ({"AIO_TOKEN": " ", "AIO_BASE_URL": ""}, "no base URL"),
     ({"AIO_TOKEN": TOKEN, "AIO_BASE_URL": "apps.example.com"}, "AIO_BASE_URL")],
)  # fmt: skip
@pytest.mark.parametrize("with_home", [True, False])
def test_what_is_missing_is_said(home, with_home, environ, words):
    """Without a home, too, and never with a crash."""
    assert words in refusal(home if with_home else None, environ)


ENV_BOUND = {"AIO_TOKEN": TOKEN, "AIO_BASE_URL": HOST}


@pytest.mark.parametrize(
    "url",
    [OTHER, "https://apps.example.com.evil.example", "http://apps.example.com",
     "https://apps.example.com:8443", "https://xapps.example.com"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["job_base_url", "cli_base_url"])
def test_a_bound_token_goes_to_its_host_only(url, place):
    """A job that names another host, scheme or port gets none."""
    words = refusal(None, ENV_BOUND, **{place: url})
    assert "belongs to" in words
    assert "AIO_ALLOW_HOST" in words


@pytest.mark.parametrize(
    "url", ["https://user@apps.example.com", "https://apps.example.com\\@evil.example",
            "https://apps.example.com@evil.example"]
)  # fmt: skip
def test_a_url_made_to_confuse_is_refused(url):
    """Before any comparison."""
    assert "target.base_url" in refusal(None, ENV_BOUND, job_base_url=url)


@pytest.mark.parametrize("url", [HOST, f"{HOST}/", f"{HOST}:443", "HTTPS://APPS.example.com/sub"])
def test_the_same_host_in_other_letters_is_the_same_host(url):
    """Case, port and a slash make no difference; the job's path is kept."""
    assert get(None, ENV_BOUND, job_base_url=url).base_url.startswith(HOST)


@pytest.mark.parametrize(
    "allowed", ["evil.example", "EVIL.example:443", " a.example , evil.example"]
)
@pytest.mark.parametrize("place", ["job_base_url", "cli_base_url"])
def test_the_user_may_allow_a_host_outside_the_job(allowed, place):
    """By AIO_ALLOW_HOST, a list of hosts."""
    found = get(None, {**ENV_BOUND, "AIO_ALLOW_HOST": allowed}, **{place: OTHER})
    assert (found.base_url, found.token.reveal()) == (OTHER, TOKEN)


@pytest.mark.parametrize("allowed", ["", ",", "example", "*", "evil.example:8443", ".example"])
def test_an_allowance_is_exact(allowed):
    """No suffixes, no patterns, no other port."""
    assert "belongs to" in refusal(
        None, {**ENV_BOUND, "AIO_ALLOW_HOST": allowed}, job_base_url=OTHER
    )


def test_the_files_token_is_bound_to_its_section(home):
    """Also when the environment names another host."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n")
    assert "belongs to apps.example.com" in refusal(home, job_base_url=OTHER)
    assert "belongs to apps.example.com" in refusal(home, {"AIO_BASE_URL": OTHER})
    assert get(home, {"AIO_BASE_URL": f"{HOST}/x"}).base_url == f"{HOST}/x"


def test_a_file_without_a_host_is_bound_to_the_environments(home):
    """Both are the user's own."""
    write(home, f"[DEFAULT]\nauthorization={TOKEN}\n")
    assert get(home, {"AIO_BASE_URL": HOST}).base_url == HOST
    assert "belongs to" in refusal(home, {"AIO_BASE_URL": HOST}, job_base_url=OTHER)


def test_the_environments_token_is_bound_to_the_files_host(home):
    """Where AIO_BASE_URL is not set."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\n")
    assert get(home, {"AIO_TOKEN": TOKEN}).base_url == HOST
    assert "belongs to" in refusal(home, {"AIO_TOKEN": TOKEN}, job_base_url=OTHER)


def test_an_unbound_token_goes_where_the_command_line_says(home):
    """Never where only the job says; the refusal tells the way on."""
    environ = {"AIO_TOKEN": TOKEN}
    assert get(home, environ, cli_base_url=HOST, job_base_url=OTHER).base_url == HOST
    assert "export AIO_ALLOW_HOST=evil.example" in refusal(home, environ, job_base_url=OTHER)
    allowed = {**environ, "AIO_ALLOW_HOST": "evil.example"}
    assert get(home, allowed, job_base_url=OTHER).base_url == OTHER


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


def test_the_published_template_is_refused_until_it_is_filled_in(home):
    """The file as the service's page shows it, on two lines and with a smile."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization=<enter your token.\n   Exclude.😊>\n")
    assert "placeholder" in refusal(home)


def python(code: str) -> str:
    """An argument list that runs this code, as JSON."""
    return orjson.dumps([sys.executable, "-c", code]).decode()


@pytest.mark.parametrize("shape", ["json", "words"])
def test_a_token_command_is_an_argument_list(home, shape):
    """As JSON or as words; no shell reads it: a $ is a $."""
    script = home / "give"
    script.write_text(f"import sys; print('Bearer {TOKEN}', *sys.argv[2:])")
    arguments = [sys.executable, str(script), "$HOME"]
    text = orjson.dumps(arguments).decode() if shape == "json" else " ".join(arguments)
    write(home, f"[DEFAULT]\nbase_url={HOST}\ntoken_command={text}\n")
    assert get(home).token.reveal() == TOKEN


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python("raise SystemExit('no \x1b[31mkey')"), "ended with code 1: no key"),
        (python("pass"), "the token is empty"),
        (python("print('two'); print('lines')"), "white space"),
        ('["/nonexistent/program"]', "can't be run"),
        ("[1, 2]", "list of texts"), ("[]", "list of texts"), ("[broken", "argument list"),
        ("'unclosed", "argument list"),
    ],
)  # fmt: skip
def test_a_token_command_that_fails_is_said(home, command, words):
    """With its own words, cleaned, where it said any."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\ntoken_command={command}\n")
    assert words in refusal(home)


def test_a_command_that_hangs_is_killed(home, monkeypatch):
    """After the limit."""
    monkeypatch.setattr(credentials, "COMMAND_S", 0.05)
    write(
        home, f"[DEFAULT]\nbase_url={HOST}\ntoken_command={python('import time; time.sleep(60)')}\n"
    )
    assert "took longer than 0.05 s" in refusal(home)


def test_no_command_runs_for_a_host_it_is_not_meant_for(home):
    """The binding is checked first."""
    mark = home / "ran"
    command = python(f"open({str(mark)!r}, 'w').close(); print('{TOKEN}')")
    write(home, f"[DEFAULT]\nbase_url={HOST}\ntoken_command={command}\n")
    assert "belongs to" in refusal(home, job_base_url=OTHER)
    assert not mark.exists()
    assert get(home).token.reveal() == TOKEN
    assert mark.exists()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_no_command_runs_from_a_file_that_others_can_write(home, mode):
    """It would be their command."""
    write(home, f"[DEFAULT]\nbase_url={HOST}\ntoken_command={python('print(1)')}\n", mode)
    assert "others can write it" in refusal(home)


def test_a_token_and_a_command_exclude_each_other(home):
    """Nobody should have to guess which one was used; a profile's own wins over [DEFAULT]'s."""
    both = f"authorization={TOKEN}\ntoken_command={python('print(1)')}\n"
    write(home, f"[DEFAULT]\nbase_url={HOST}\n{both}")
    assert "exclude each other" in refusal(home)
    write(home, f"[DEFAULT]\nbase_url={HOST}\nauthorization={TOKEN}\n"
                f"[p]\ntoken_command={python('print(12345678)')}\n")  # fmt: skip
    assert get(home, profile="p").token.reveal() == "12345678"

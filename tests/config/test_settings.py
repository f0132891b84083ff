"""A wrong setting is one line that names the key, the file and what was expected; the command ends with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import SettingsError, load


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[http]\nprt = 3", "http.prt: there is no such setting"),
        ('[http]\nport = "x"', "http.port: Input should be a valid integer"),
        ("[http]\nport = 70000", "http.port: Input should be less than or equal to 65535 (found 70000)"),
        ('[line]\nhours = ["always"]', "line.hours.0: expected opening hours like 'mon-fri 09:00-19:00'"),
        ('[line]\nnumbers = {"3133" = "0199003133"}', "expected an international number like +33199003133"),
        ('[[pbx]]\nid = "PBX one"', "pbx.0.id: expected lower-case letters, digits and hyphens"),
        ("[[pbx]]\n[[pbx]]\n", "each [[pbx]] needs an id of its own"),
        ('[[pbx]]\n[pbx.trunk]\nprofile = "registration"', "needs server, username and password"),
        ("[overflow]\nafter_seconds = 0", "overflow.after_seconds"),
        ('[line]\ntimezone = "Mars/Olympus"', "expected a time zone like Europe/Paris"),
        ('[line]\nhours = ["mon 24:30-24:59"]', "expected opening hours like 'mon-fri 09:00-19:00'"),
        ("[line]\nnumbers = {}", "line.numbers"),
        ('[store]\nurl = "foo"', "expected postgresql+asyncpg://"),
        ('[http]\ncertificate = "none.crt"\nprivate_key = "none.key"', "there is no file none.crt"),
        ('[[pbx]]\nbind = "abc"', "pbx.0.bind"),
        ("[[pbx]]\n[pbx.trunk]\naddresses = []", "needs addresses"),
        ("[http", "ecoute.toml"),
        ("[calls]\nmaximum_minutes = 6", "calls: there is no such setting"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load(file)
    said = str(error.value)
    assert expected in said
    assert str(file) in said
    assert "\n" not in said


def test_a_misspelt_variable_of_the_environment_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOUTE_HTPP__PORT", "8081")
    with pytest.raises(SettingsError, match="ECOUTE_HTPP__PORT: no such setting"):
        load(None)


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text("[http]\nport = 8081\nhost = '0.0.0.0'\n")
    monkeypatch.setenv("ECOUTE_HTTP__PORT", "8082")
    http = load(file).http
    assert (http.host, http.port) == ("0.0.0.0", 8082)  # noqa: S104


def test_a_password_in_a_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text("[[pbx]]\n[pbx.trunk]\npassword = 123456789\n")
    with pytest.raises(SettingsError) as error:
        load(file)
    assert "pbx.0.trunk.password" in str(error.value)
    assert "123456789" not in str(error.value)


def test_an_empty_file_is_a_working_line(tmp_path: Path) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text("")
    assert load(file) == load(None)

"""A wrong setting is one line that names the key, the file and what was expected; the command ends with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import SettingsError, data_dir, load


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
        ('[http]\ncertificate = "none.crt"', "certificate and private_key go together"),
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


@pytest.mark.parametrize("phrase", ["sat,sun 10:00-24:00", "mon-wed,fri 09:00-12:00", "fri 22:00-02:00"])
def test_hours_are_those_that_the_dialplan_is_made_of(tmp_path: Path, phrase: str) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text(f'[line]\nhours = ["{phrase}"]\n')
    assert load(file).line.hours == [phrase]


def test_hours_that_the_dialplan_would_refuse_are_refused_here(tmp_path: Path) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text('[line]\nhours = ["mon 10:00-10:00"]\n')
    with pytest.raises(SettingsError, match=r"line\.hours\.0: expected opening hours like"):
        load(file)


def test_the_environment_replaces_the_pbxs_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ecoute.toml"
    file.write_text("[[pbx]]\nid = 'one'\nami_port = 6000\n[[pbx]]\nid = 'two'\n")
    monkeypatch.setenv("ECOUTE_PBX", '[{"id": "three", "sip_port": 5070}]')
    assert [(pbx.id, pbx.sip_port, pbx.ami_port) for pbx in load(file).pbx] == [("three", 5070, 5038)]


def test_a_key_of_one_pbx_in_the_environment_is_told_how_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOUTE_PBX__SIP_PORT", "5070")
    with pytest.raises(SettingsError, match="ECOUTE_PBX__SIP_PORT: there may be several PBXs; say ECOUTE_PBX="):
        load(None)


@pytest.mark.parametrize(
    "text",
    ['[store]\ndata_dir = "there"\n[http', 'store.data_dir = "there"\nprt = 1', "store = { data_dir = 'there' }"],
)
def test_the_data_directory_is_found_whatever_else_is_wrong(tmp_path: Path, text: str) -> None:
    """A PBX that was started there before is started again."""
    file = tmp_path / "ecoute.toml"
    file.write_text(text)
    assert data_dir(file) == Path("there")
    file.write_text("# data_dir = 'elsewhere'\n")
    assert data_dir(file) == data_dir(None) == Path("var")


def test_the_environment_s_data_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOUTE_STORE__DATA_DIR", "here")
    file = tmp_path / "ecoute.toml"
    file.write_text('[store]\ndata_dir = "there"')
    assert data_dir(file) == Path("here")


def test_a_variable_that_is_no_json_is_one_line_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOUTE_PBX", '[{"trunk": {"password": "very secret"}')
    with pytest.raises(SettingsError, match=r'"pbx".* no JSON') as error:
        load(None)
    assert "very secret" not in str(error.value)


def test_a_file_that_cannot_be_read_is_one_line() -> None:
    unreadable = Path("/proc/self/mem")
    with pytest.raises(SettingsError, match="/proc/self/mem: it cannot be read"):
        load(unreadable)
    assert data_dir(unreadable) == Path("var")

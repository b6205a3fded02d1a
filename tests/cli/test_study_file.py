"""A mistake in `study.toml` is told by file, line, key and remedy."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon.chain.fitting import fit_options
from gnomon.chain.session import OpenStudy, write_study_file
from gnomon.chain.trial_generation import sweep_design
from gnomon.commands.study.dashboard_ import serve_dashboard
from gnomon.commands.study.init import FULL
from gnomon.dashboard.auth.roles import SECRETS
from gnomon.data.errors import InputError, StudyFileError, UnknownNameError
from gnomon.data.foreign_documents.permissions import PLACES
from gnomon.data.storage.engines import sqlite_file, sqlite_url
from gnomon.data.study_settings import load_settings
from gnomon.stats.model.judge_confusion import ExternalCalibration
from gnomon.stats.model.priors import Priors
from gnomon.study_file import database_url, read_study, resolve_study_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_study_file(tmp_path, "study.toml", **FULL, name="a study", calibration="false")
    return tmp_path


def change(folder: Path, old: str, new: str) -> int:
    """Change the file at one place and return the line of the change."""
    path = folder / "study.toml"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def test_the_file_that_init_writes_is_read(folder):
    study = read_study(folder)
    assert study.concept_names() == ["silence", "fear", "celebration", "ocean"]
    assert [judge.name for judge in study.judges] == ["lexicon", "learned"]
    assert database_url(folder, study) == sqlite_url(folder.resolve() / "gnomon.db")


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("layers = [24]", "layers = []", "design.layers", "at least 1"),
        ('rule = "strict"', 'rule = "kind"', "rule", "choose from strict, claim_first, lenient"),
        ('view = "blind"', 'view = "kind"', "labels.view", "choose from blind, first or current"),
        ("control = 40", "control = 0", "design.replicates.control", "is not above 0"),
        ('family = "SmolLM2"', 'fammily = "SmolLM2"', ").fammily", "no such key; did you mean 'family'?"),
        ("seed = 1                        #", "sead = 1 #", "sead", "no such key; did you mean 'seed'?"),
        ("layers = [24]", "layers = 24", "design.layers", "write a list"),
        ('"ocean"]', '"Ocean"]', "design.concepts", "a concept is written in small letters"),
        ('"ocean"]', '"other"]', "design.concepts", "an answer of the judges"),
        ('"ocean"]', '"fear"]', "design.concepts", "named twice"),
        ('kind = "lexicon"', 'kind = "oracle"', "judges 1", "oracle"),
        ("chains = 4", "chains = 1", "fit.chains", "is below 2"),
        ("seed = 1                        #", "seed = -1 #", "seed", "is below 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(folder, old, new, key, problem):
    line = change(folder, old, new)
    with pytest.raises(StudyFileError) as caught:
        read_study(folder)
    message = str(caught.value)
    assert f"study.toml line {line}: " in message
    assert key in message
    assert problem in message
    assert "\n" not in message


def test_broken_toml_is_named_with_its_line(folder):
    line = change(folder, "layers = [24]", "layers = [24")
    with pytest.raises(StudyFileError, match=rf"study\.toml.*line {line + 1}"):
        read_study(folder)


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(StudyFileError, match="'gnomon init"):
        read_study(tmp_path)


def test_bytes_that_are_no_text_are_said(folder):
    (folder / "study.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(StudyFileError, match="save it as UTF-8"):
        read_study(folder)


def test_a_study_without_subjects_says_what_it_needs(folder):
    (folder / "study.toml").write_text('name = "empty"\n')
    with pytest.raises(StudyFileError, match=r"needs \[\[subjects\]\] and \[design\]"):
        read_study(folder)


def test_a_name_that_the_study_lacks_is_told_with_those_it_has(folder):
    study = read_study(folder)
    with pytest.raises(UnknownNameError, match="concept 'anger' is not in study 'a study': it has silence, fear"):
        study.select_known("concept", study.concept_names(), ["anger"])


def test_a_fit_may_only_name_judges_of_the_study(folder):
    change(folder, "chains = 4", 'chains = 4\njudges = ["oracle"]')
    with pytest.raises(StudyFileError, match=r"fit\.judges names 'oracle'"):
        read_study(folder)


def test_a_postgresql_url_is_taken_as_it_is_where_the_user_allows_it(folder, monkeypatch):
    change(folder, 'database = "gnomon.db"', 'database = "postgresql+psycopg://u:hush@h/d"')
    monkeypatch.setenv(PLACES, '["/srv", "postgresql+psycopg://u@h/d"]')
    assert database_url(folder, read_study(folder)) == "postgresql+psycopg://u:hush@h/d"


@pytest.mark.attack
@pytest.mark.parametrize(
    "database",
    [
        "sqlite:////tmp/other.db",
        "sqlite+pysqlite:////tmp/other.db",
        "{inside}/../other.db",
        "sqlite:///file:{here}/a.db?uri=true",
        "{inside}/a.db?uri=true",
        "sqlite://",
        "sqlite+aiosqlite:////tmp/a.db",
        "duckdb:////tmp/other.db",
        "postgresql+psycopg://u:hush@h/d",
        "postgresql+psycopg://u:hush@h/d?host=/tmp&passfile=/home/me/.pgpass",
        "postgresql+psycopg:///d?service=mine&password=hush",
    ],
)
def test_a_study_file_alone_leads_to_no_database_outside_its_folder(folder, database):
    change(folder, 'database = "gnomon.db"', f'database = "{database.format(here=folder, inside=sqlite_url(folder))}"')
    with pytest.raises(
        StudyFileError, match=rf"outside the study's folder: if that is meant, export {PLACES}="
    ) as caught:
        database_url(folder, read_study(folder))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.attack
def test_no_database_depends_on_the_current_folder(folder):
    change(folder, 'database = "gnomon.db"', 'database = "sqlite:///gnomon.db"')
    with pytest.raises(StudyFileError, match=r"depends on the current folder: name a file .* as 'gnomon\.db'"):
        database_url(folder, read_study(folder))


def test_a_database_elsewhere_is_taken_where_the_user_allows_its_folder(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere").resolve()
    monkeypatch.setenv(PLACES, json.dumps([str(elsewhere)]))
    change(folder, 'database = "gnomon.db"', f'database = "{sqlite_url(elsewhere / "a.db")}"')
    assert sqlite_file(database_url(folder, read_study(folder))) == elsewhere / "a.db"


@pytest.mark.attack
def test_a_study_file_that_is_a_link_to_elsewhere_is_not_read(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "study.toml"
    (folder / "study.toml").rename(elsewhere)
    (folder / "study.toml").symlink_to(elsewhere)
    with pytest.raises(StudyFileError, match=r"study file 'study\.toml' lies outside the study's folder"):
        read_study(folder)


@pytest.mark.attack
@pytest.mark.parametrize(
    "name", ["../other.toml", "/etc/other.toml", "../other.toml/", "link.toml", "sub/../../x.toml"]
)
def test_a_protocol_outside_the_folder_is_not_read(folder, name):
    (folder / "link.toml").symlink_to("/etc/other.toml")
    change(folder, 'protocols = ["plain", "stern"]', f'protocols = ["{name}"]')
    study = read_study(folder)
    with pytest.raises(StudyFileError, match=rf"protocol '{name}' lies outside the study's folder"):
        sweep_design(OpenStudy(folder, study, None), study.design, study.subjects[0], 30)


def open_everything(folder: Path) -> None:
    study = read_study(folder)
    database_url(folder, study)
    sweep_design(OpenStudy(folder, study, None), study.design, study.subjects[0], 30)
    fit_options(OpenStudy(folder, study, None))
    resolve_study_path(folder, SECRETS, "the file")


@pytest.mark.attack
@pytest.mark.parametrize("name", ["study.toml", "gnomon.db", "draws", "mine.toml", "secrets.toml"])
def test_a_pipe_in_a_study_folder_is_refused_and_not_waited_for(folder, name):
    change(folder, 'protocols = ["plain", "stern"]', 'protocols = ["mine.toml"]')
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(StudyFileError, match=rf"'{name}' is no file: it is a pipe"):
        open_everything(folder)


@pytest.mark.attack
def test_a_link_to_another_study_of_the_user_is_not_served_or_opened(folder, tmp_path_factory):
    """A folder of studies from a stranger, with a link to where they expect one of the user's."""
    private = tmp_path_factory.mktemp("private")
    write_study_file(private, "study.toml", **FULL, name="private", calibration="false")
    (folder / "more").symlink_to(private)
    with pytest.raises(StudyFileError, match="the study 'more' lies outside"):
        serve_dashboard(folder, 1)
    assert not (private / "gnomon.db").exists()


@pytest.mark.attack
def test_draws_are_not_kept_in_a_folder_that_is_a_link_to_elsewhere(folder, tmp_path_factory):
    (folder / "draws").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(InputError, match="draws: is a link"):
        fit_options(OpenStudy(folder, read_study(folder), None))


@pytest.mark.parametrize("outside", ["../other.db", "/tmp/other.db", "sub/../../other.db"])
def test_a_database_outside_the_studys_folder_is_named_in_so_many_words(folder, outside):
    change(folder, 'database = "gnomon.db"', f'database = "{outside}"')
    with pytest.raises(StudyFileError, match=rf"lies outside the study's folder: if that is meant, export {PLACES}="):
        database_url(folder, read_study(folder))


@pytest.mark.attack
@pytest.mark.parametrize("table", ["judges", "subjects"])
def test_a_study_file_of_very_many_models_or_judges_is_refused_unread(folder, table):
    (folder / "study.toml").write_text(f'name = "x"\nimported = true\n{table} = [{"{}," * 1_001}]\n')
    with pytest.raises(StudyFileError, match=r"more than 1,000 models or judges: .* set GNOMON_MAX_ENTITIES to allow"):
        read_study(folder)


@pytest.mark.attack
@pytest.mark.parametrize("database", ["%2e%2e/other.db", "a?b.db", "%41.db", "g.db?mode=memory"])
def test_a_database_has_the_very_name_that_the_file_gives(folder, database):
    change(folder, 'database = "gnomon.db"', f'database = "{database}"')
    assert sqlite_file(database_url(folder, read_study(folder))) == folder.resolve() / database


@pytest.mark.attack
def test_a_link_to_a_database_elsewhere_is_outside_the_studys_folder(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "gnomon.db"
    (folder / "gnomon.db").symlink_to(elsewhere)
    with pytest.raises(StudyFileError, match="lies outside the study's folder"):
        database_url(folder, read_study(folder))


PRIOR_MISTAKES = [
    ("subject_scal = 1.0", "prior 'subject_scal' is not known: choose from arm_sd, "),
    ("refused_mean = nan", "prior 'refused_mean' is nan: give a finite number"),
    ("subject_scale = inf", "prior 'subject_scale' is inf: give a positive number"),
    ("subject_scale = -1", "prior 'subject_scale' is -1: give a positive number"),
    ('subject_scale = "wide"', "prior 'subject_scale' is 'wide': give a positive number"),
    ("judge_wrong_alike = 1.0", "prior 'judge_wrong_alike' is 1.0: it is a correlation: give a number"),
]


@pytest.mark.parametrize(("line", "problem"), PRIOR_MISTAKES)
def test_a_prior_that_cannot_serve_is_refused_in_one_line(folder, line, problem):
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(f"{text}\n[fit.priors]\n{line}\n")
    with pytest.raises(StudyFileError) as caught:
        read_study(folder)
    assert f"study.toml line {text.count(chr(10)) + 2}: fit.priors: {problem}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_priors_of_the_file_are_those_of_the_fit_and_no_priors_are_the_defaults(folder):
    assert Priors.from_mapping(read_study(folder).fit.priors) == Priors()
    with (folder / "study.toml").open("a") as file:
        file.write("\n[fit.priors]\nsubject_scale = 1\n")
    assert Priors.from_mapping(read_study(folder).fit.priors) == replace(Priors(), subject_scale=1.0)


def test_every_prior_is_described_with_its_default():
    text = (Path(__file__).resolve().parents[2] / "docs" / "study-file.md").read_text()
    described = {}
    for line in text[text.index("## Priors") :].splitlines():
        if line.startswith("| `"):
            names, values = (cell.strip().split(", ") for cell in line.split("|")[1:3])
            described |= {name.strip("`"): float(values[min(i, len(values) - 1)]) for i, name in enumerate(names)}
    assert described == Priors().as_dict()


def test_what_the_file_says_of_the_fit_reaches_it_and_arguments_replace_it(folder, store):
    with (folder / "study.toml").open("a") as file:
        file.write(
            "\n[fit.priors]\nsubject_scale = 1\n\n"
            '[[fit.external]]\njudge = "lexicon"\narm = "control"\ntruth = "rest"\nsaid = "event"\nn = 3\n'
        )
    study = OpenStudy(folder, read_study(folder), store)
    options = fit_options(study)
    assert (options.seed, options.priors) == (1, Priors(subject_scale=1.0))
    assert options.external == [ExternalCalibration("lexicon", "control", "rest", "event", 3)]
    changed = fit_options(study, seed=9, priors=Priors(arm_sd=1.0), resample=True)
    assert (changed.seed, changed.priors, changed.cache.reuse) == (9, Priors(arm_sd=1.0), False)


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("strengths = ", "strengths = [nan]\n#", "design.strengths 1"),
        ("[design]", "[plan]\nlabel = inf\n[design]", "plan.label"),
        ("[[judges]]", '[[judges]]\nname = "m"\nkind = "openai"\nbase_url = "http://127.0.0.1/v1"\nmodel = "x"\n'
         "price = { input = nan, output = 1.0 }\n[[judges]]", "judges 1"),
    ],
)  # fmt: skip
def test_a_number_that_is_not_finite_is_refused_with_its_key(folder, before, after, key):
    text = (folder / "study.toml").read_text()
    assert before in text
    (folder / "study.toml").write_text(text.replace(before, after, 1))
    with pytest.raises(StudyFileError, match=rf"{key}.*finite"):
        read_study(folder)


def test_a_byte_order_mark_before_a_study_file_is_skipped(folder):
    path = folder / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_study(folder).name


def test_the_width_to_aim_at_reaches_the_label_page_and_studies_without_one_store_nothing(folder, store):
    from gnomon.chain.session import sync_settings

    sync_settings(store, OpenStudy(folder, read_study(folder), store).file)
    assert "plan" not in store.study_settings()
    with (folder / "study.toml").open("a") as file:
        file.write("\n[plan]\nwidth = 0.1\n")
    sync_settings(store, OpenStudy(folder, read_study(folder), store).file)
    assert load_settings(store).plan.width == 0.1
    change(folder, "width = 0.1", "width = 10")
    with pytest.raises(StudyFileError, match=r"plan\.width"):
        read_study(folder)


EXTERNAL = '[[fit.external]]\njudge = "lexicon"\narm = "control"\ntruth = "rest"\nsaid = "event"\nn = 3\n'


def test_errors_of_another_study_need_a_check_before_they_are_used(folder, store, monkeypatch):
    """Without a margin or an earlier fit they are refused, with `unchecked` used; an older study goes on."""
    from gnomon.chain import fitting
    from gnomon.chain.session import sync_settings

    with (folder / "study.toml").open("a") as file:
        file.write(f"\n{EXTERNAL}")
    study = OpenStudy(folder, read_study(folder), store)
    sync_settings(store, study.file)
    with pytest.raises(InputError, match=r"judge 'lexicon', arm control.*not checked.*'unchecked = true'") as told:
        fitting._require_transport(study)
    assert "\n" not in str(told.value)
    monkeypatch.setattr("gnomon.stats.stored_fits.newest_fits", lambda _: {"corrected": None})
    fitting._require_transport(study)
    with (folder / "study.toml").open("a") as file:
        file.write("\n[transport]\nmargin = 0.1\n")
    margin = OpenStudy(folder, read_study(folder), store)
    sync_settings(store, margin.file)
    assert load_settings(store).transport.margin == 0.1
    assert "by" not in store.study_settings()["transport"], "as studies from before it have it"
    with pytest.raises(InputError, match="not checked"):
        fitting._require_transport(margin)
    change(folder, "n = 3\n", "n = 3\nunchecked = true\n")
    sync_settings(store, (unchecked := OpenStudy(folder, read_study(folder), store)).file)
    fitting._require_transport(unchecked)


def test_what_is_taken_out_of_the_file_is_taken_out_of_the_settings(folder, store):
    from gnomon.chain.session import sync_settings

    plain = read_study(folder)
    sync_settings(store, plain)
    assert "fit_graded" not in store.study_settings(), "a study that says nothing holds what it held before"
    with (folder / "study.toml").open("a") as file:
        file.write(f"\n{EXTERNAL}\n[transport]\nmargin = 0.1\n")
    change(folder, "\n[fit]\n", "\n[fit]\ngraded = true\n")
    sync_settings(store, read_study(folder))
    assert (load_settings(store).external[0].n, load_settings(store).fit_graded) == (3, True)
    with (folder / "study.toml").open("a") as file:
        file.write('by = ["language"]\n')
    sync_settings(store, read_study(folder))
    assert load_settings(store).transport.by == ("language",)
    sync_settings(store, plain)
    said = load_settings(store)
    assert (said.external, said.transport.margin, said.fit_graded) == ((), None, False)

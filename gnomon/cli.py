"""Command-line interface: parses arguments, calls one step, prints its result.

Rooms are imported when a command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gnomon.data.arms.battery_measures import ITEMS

if TYPE_CHECKING:
    from gnomon.chain.verdict_collection import JudgeResults

T = TypeVar("T")

app = typer.Typer(
    name="gnomon",
    help="How often does a language model notice an injected thought, and how sure may we be?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="the study's folder")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document (docs/json.md) instead of a table")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="the dashboard's port on 127.0.0.1")]


def _show(document: T, json: bool, render: Callable[[T], object] | None = None) -> None:
    """Print a command's result on stdout: as JSON, or as text if there is a way to."""
    if json:
        from gnomon.console import print_json

        print_json(document)
    elif render is not None:
        render(document)


def _show_judges(done: JudgeResults[T], json: bool) -> None:
    """Print one result a judge, then raise what went wrong with some of them."""
    _show(done.results, json)
    done.raise_if_incomplete()


def _print_version(wanted: bool) -> None:
    if wanted:
        from gnomon import __version__

        typer.echo(f"gnomon {__version__}")
        raise typer.Exit


@app.callback()
def _gnomon(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """How often does a language model notice an injected thought, and how sure may we be?"""


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="where to make it")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="fewer trials and draws: under two minutes")] = False,
    published_only: Annotated[bool, typer.Option("--published-only", help="only the published study")] = False,
    dashboard: Annotated[bool, typer.Option(help="open the dashboard at the end")] = True,
    json: Json = False,
    port: Port = 8501,
) -> None:
    """Create a demo study, run every step on the embedded model, and open the dashboard."""
    from gnomon.commands.study import demo as command

    document = command.run_demo(folder, quick=quick, published_only=published_only)
    _show(document, json, command.print_demo)
    command.raise_if_failed(document)
    if dashboard:
        from gnomon.commands.study.dashboard_ import serve_dashboard

        serve_dashboard(folder, port)


@app.command()
def init(folder: Folder) -> None:
    """Write a commented study.toml."""
    from gnomon.commands.study.init import init_study

    init_study(folder)


@app.command()
def generate(
    folder: Folder,
    subject: Annotated[list[str] | None, typer.Option(help="only this model; may be repeated")] = None,
    concept: Annotated[list[str] | None, typer.Option(help="only this concept; may be repeated")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="rows decoded together; by default what memory holds")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="torch (fast on a GPU that allows it, else eager), fast, eager, vllm (after 'make vllm'), or that of "
            "a plug-in; ray is torch with --ray",
        ),
    ] = "torch",
    ray: Annotated[
        bool, typer.Option("--ray", help="generate by Ray actors, one for each GPU or few cores, not in this process")
    ] = False,
    address: Annotated[
        str | None, typer.Option(help="a Ray cluster's address; without one Ray is started on this machine")
    ] = None,
    cores: Annotated[int, typer.Option(min=1, help="cores of a Ray actor where there is no GPU")] = 8,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="GPUs that Ray actors use together; by default all of the cluster")
    ] = None,
    gpus_per_actor: Annotated[
        int, typer.Option(min=1, help="GPUs of one Ray actor, for models that are larger than a GPU")
    ] = 1,
    wait: Annotated[
        float,
        typer.Option(min=1, help="seconds without any Ray actor after which to stop; more if machines start on demand"),
    ] = 15.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only print the numbers of trials and tokens, from the design")
    ] = False,
    time: Annotated[
        bool, typer.Option("--time", help="with --dry-run: load each model and measure how long it would take")
    ] = False,
    json: Json = False,
) -> None:
    """Generate the missing trials: steer each model and ask it the question."""
    from gnomon.chain.trial_generation import GenerateOptions
    from gnomon.commands.study import generate as command

    options = GenerateOptions(batch_size, engine, address, cores, ray, gpus, gpus_per_actor, wait)
    if time and not dry_run:
        raise typer.BadParameter("is for --dry-run: give that too", param_hint="'--time'")
    if dry_run:
        found = command.forecast_trials(folder, subject or [], concept or [], options, timed=time)
        _show(found, json, command.print_forecast)
        return
    _show(command.generate_trials(folder, subject or [], concept or [], options), json)


@app.command()
def battery(
    folder: Folder,
    subject: Annotated[list[str] | None, typer.Option(help="only this model; may be repeated")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="only this task (docs/battery.md); may be repeated; by default all")
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="prompts of each task and concept")] = ITEMS,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="rows run together; by default what memory holds")
    ] = None,
    json: Json = False,
) -> None:
    """Run the battery: tasks that a bias to yes cannot fake, read from logits; one table for each model."""
    from gnomon.chain.trial_generation import GenerateOptions
    from gnomon.commands.study.battery import battery_of_study
    from gnomon.render.battery import print_battery

    document = battery_of_study(folder, subject or [], task or [], items, GenerateOptions(batch_size))
    _show(document, json, print_battery)


@app.command()
def strengths(
    folder: Folder,
    subject: Annotated[list[str] | None, typer.Option(help="only this model; may be repeated")] = None,
    answers: Annotated[int, typer.Option(min=16, help="answers at each strength")] = 48,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="rows decoded together; by default what memory holds")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="what generates responses: torch, or that of a plug-in")
    ] = "torch",
    again: Annotated[bool, typer.Option("--again", help="search again where the study has a search already")] = False,
    json: Json = False,
) -> None:
    """Find the strengths at which 95, 80 and 50 % of each model's answers stay coherent, for each layer."""
    from gnomon.chain.trial_generation import GenerateOptions
    from gnomon.commands.dose import strengths as command

    document = command.find_strengths(folder, subject or [], GenerateOptions(batch_size, engine), answers, again=again)
    _show(document, json, command.print_strengths)
    document.raise_if_not_found()


@app.command()
def lens(
    folder: Folder,
    subject: Annotated[list[str] | None, typer.Option(help="only this model; may be repeated")] = None,
    concept: Annotated[list[str] | None, typer.Option(help="only this concept; may be repeated")] = None,
    json: Json = False,
) -> None:
    """Read each injected concept from the states of later blocks (logit lens); nothing is stored."""
    from gnomon.chain.trial_generation import GenerateOptions
    from gnomon.commands.dose import lens as command

    _show(command.read_lens(folder, subject or [], concept or [], GenerateOptions()), json, command.print_lens)


@app.command()
def judge(
    folder: Folder,
    judge: Annotated[list[str] | None, typer.Option(help="only this judge; may be repeated")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="maximum number of trials per judge")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print calls and cost without calling")] = False,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack", help="measure how often prompt injection changes a judge's verdict; no trial is judged"
        ),
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="ask two judges about the labelled trials that they lack, and compare them; A or B may also be a "
            "version that has verdicts",
        ),
    ] = None,
    view: Annotated[
        str | None, typer.Option(help="with --compare: label view: blind, first or current; by default the study's")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="count what killed runs had set aside as not spent; asks no judge")
    ] = False,
    json: Json = False,
) -> None:
    """Run the judges on trials that have no verdict yet."""
    from gnomon.commands.study import judge as command

    names = judge or []
    if compare is not None:
        _compare_judges(folder, compare, limit, view, dry_run, json)
    elif release:
        _show(command.release_reservations(folder, names), json)
    elif dry_run:
        _show_judges(command.estimate_cost(folder, names, limit), json)
    elif attack:
        _show_judges(command.attack_judges(folder, names), json)
    else:
        _show_judges(command.collect_verdicts(folder, names, limit), json)


def _compare_judges(
    folder: Path, pair: tuple[str, str], limit: int | None, view: str | None, dry_run: bool, json: bool
) -> None:
    from gnomon.commands.judges import compare as command
    from gnomon.render.comparison import print_comparison

    if dry_run:
        _show_judges(command.estimate_comparison_cost(folder, *pair, limit), json)
    else:
        _show(command.ask_and_compare(folder, *pair, limit, view), json, print_comparison)


@app.command()
def recount(
    folder: Folder,
    rule: Annotated[
        str | None, typer.Option(help="compare the study's rule with this one; by default with all rules")
    ] = None,
    json: Json = False,
) -> None:
    """Recount the stored verdicts under other outcome rules; asks no judge."""
    from gnomon.commands.study.recount import recount_verdicts
    from gnomon.render.verdicts import print_recount

    _show(recount_verdicts(folder, rule), json, print_recount)


@app.command()
def calibrate(
    folder: Folder,
    view: Annotated[
        str | None,
        typer.Option(help="label view: blind, first or current; by default all three, and the study's for a card"),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write the calibration card of one judge, a .json file for 'gnomon gate'"),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="whose card; needed where the study has several judges")] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="compare two judges, or versions, on the same labelled trials; asks none"),
    ] = None,
    policies: Annotated[
        bool, typer.Option("--policies", help="labels, agreement and judge error by the guideline that raters followed")
    ] = False,
    panel: Annotated[bool, typer.Option("--panel", help="what judges, and raters, are worth together")] = False,
    json: Json = False,
) -> None:
    """Audit the judges against the labels: agreement, error rates by arm, and whether rates can be corrected."""
    if card is not None:
        from gnomon.commands.judges.card import write_judge_card
        from gnomon.render.card import print_card

        _show(write_judge_card(folder, card, judge, view), json, print_card)
        return
    if compare is not None or panel or policies:
        from gnomon.commands.judges import compare as command
        from gnomon.render import comparison as render

        if compare is not None:
            _show(command.compare_stored(folder, *compare, view), json, render.print_comparison)
        elif policies:
            _show(command.compare_policies(folder, view), json, render.print_policies)
        else:
            _show(command.weigh_panel(folder, view), json, render.print_panel)
        return
    from gnomon.commands.study.calibrate import audit_judges
    from gnomon.render.audit import print_audit

    if judge is not None:
        raise typer.BadParameter("is for a card: give --card FILE too", param_hint="'--judge'")
    _show(audit_judges(folder, view), json, print_audit)


@app.command()
def gate(
    card: Annotated[Path, typer.Argument(metavar="CARD", help="a card of 'gnomon calibrate DIR --card FILE'")],
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REQUIREMENT",
            help="such as 'control.specificity > .9 with 95 %' (docs/calibration-card.md); may be repeated",
        ),
    ] = None,
    study: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the card's study: a card that is stale does not pass")
    ] = None,
    json: Json = False,
) -> None:
    """Check a calibration card: status 0 if it meets every requirement, 1 if not, 2 for a mistake in what was given."""
    from gnomon.commands.judges import gate as command

    document = command.check_gate(card, require or [], study)
    _show(document, json, command.print_gate)
    command.exit_if_not_passed(document)


@app.command()
def certify(
    folder: Folder,
    statement: Annotated[str, typer.Argument(help="such as 'control.claim < .05' (docs/certificates.md)")],
    judge: Annotated[str | None, typer.Option(help="name or version; by default the study's first judge")] = None,
    error: Annotated[float, typer.Option(help="greatest probability of a wrong decision")] = 0.05,
    model: Annotated[str | None, typer.Option(help="only this model; by default all together")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="narrower limits for one look; each such look at a statement is charged for")
    ] = False,
    json: Json = False,
) -> None:
    """Test a statement on a true rate with an imperfect judge: status 0 if it is shown, 1 if refuted or undecided."""
    from gnomon.commands.judges import certify as command

    found = command.certify_statement(folder, statement, judge, error, model, once=once)
    _show(found, json, command.print_certificate)
    command.exit_if_not_shown(found)


@app.command()
def transport(
    folder: Folder,
    by: Annotated[
        str, typer.Option(help="what places differ in: subject, concept, protocol, date, or a field such as language")
    ] = "subject",
    judge: Annotated[str | None, typer.Option(help="name or version; by default the study's first judge")] = None,
    margin: Annotated[
        float | None, typer.Option(help="difference of a rate that does not matter; by default [transport] margin")
    ] = None,
    learnt: Annotated[
        list[str] | None, typer.Option(help="where the errors are learnt; by default all others; may be repeated")
    ] = None,
    json: Json = False,
) -> None:
    """Check whether a judge's errors learnt on some models, concepts, languages or dates may be used on others."""
    from gnomon.commands.judges import certify as command

    _show(command.check_transport(folder, by, judge, margin, learnt or []), json, command.print_transport)


@app.command()
def drift(
    folder: Folder,
    judge: Annotated[str | None, typer.Option(help="name or version; by default the study's first judge")] = None,
    view: Annotated[str | None, typer.Option(help="label view: blind, first or current")] = None,
    error: Annotated[
        float, typer.Option(help="greatest probability that drift is ever told where there is none")
    ] = 0.05,
    json: Json = False,
) -> None:
    """Follow a judge's error rates with limits that hold at all times, so that one may look after each label."""
    from gnomon.commands.judges import certify as command

    _show(command.follow_errors(folder, judge, view, error), json, command.print_running)


@app.command()
def plan(
    folder: Folder,
    width: Annotated[
        str | None,
        typer.Option(metavar="WIDTH", help="width of the 95 % interval to reach: 10, 10% or 0.1, ten points"),
    ] = None,
    budget: Annotated[float | None, typer.Option(help="what may be spent, in the unit of the prices")] = None,
    estimand: Annotated[
        str | None,
        typer.Option(
            help="net_detection_corrected, identification_corrected, false_alarm_corrected or event_rate_ARM; by "
            "default the first whose arms have verdicts"
        ),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="only this model; by default all combined")] = None,
    view: Annotated[str | None, typer.Option(help="label view: blind, first or current")] = None,
    price_label: Annotated[
        float | None, typer.Option(min=0, help="price of a label; by default that of [plan] in study.toml, else 1")
    ] = None,
    price_trial: Annotated[float | None, typer.Option(min=0, help="price of a new trial; by default [plan], 0")] = None,
    price_verdict: Annotated[float | None, typer.Option(min=0, help="price of a verdict; by default [plan], 0")] = None,
    json: Json = False,
) -> None:
    """Plan labels: how many labels and trials give an interval of a width, or what a budget buys, and what to label."""
    from gnomon.commands.study import plan as command

    prices = {"label": price_label, "trial": price_trial, "verdict": price_verdict}
    document = command.plan_labels(folder, estimand, command.parse_width(width), subject, view, budget, prices)
    _show(document, json, command.print_plan)


@app.command()
def fit(
    folder: Folder,
    judge: Annotated[str | None, typer.Option(help="the judge of the uncorrected estimates")] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="sample again, even where an earlier fit's draws could be reweighted")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", hidden=True)] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="the sampler's seed; by default the study file's")] = None,
    netcdf: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="also write all draws for ArviZ, a file for each fit: FILE.nc as FILE-corrected.nc"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Fit the rates with credible intervals: as judged, and corrected for judge error."""
    from gnomon.commands.study.fit import fit_study
    from gnomon.render.estimates import print_estimates

    done = fit_study(folder, judge, resample=resample or anew, seed=seed, netcdf=netcdf)
    _show(done.document, json, print_estimates)
    done.raise_if_failed()


@app.command()
def report(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="the .html, .pdf, .md or .zip file")] = Path("report.html"),
    paper: Annotated[str, typer.Option(metavar="SIZE", help="paper of a PDF: a4 or letter")] = "a4",
) -> None:
    """Write a report: estimates, audit, methods and limits as HTML, PDF or Markdown with its figures; no network."""
    from gnomon.commands.study.report import write_report

    write_report(folder, out, paper)


@app.command()
def dashboard(
    folder: Folder,
    port: Port = 8501,
    address: Annotated[str, typer.Option(help="where to listen; others than this machine need a login")] = "127.0.0.1",
    host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a further name to answer under, as a proxy passes it on")
    ] = None,
) -> None:
    """Open the study in a browser, to read estimates and to label."""
    from gnomon.commands.study.dashboard_ import serve_dashboard

    serve_dashboard(folder, port, address, host or [])


@app.command()
def doctor(
    study: Annotated[
        Path | None, typer.Option(metavar="DIR", help="check this study's database instead, row by row")
    ] = None,
    json: Json = False,
) -> None:
    """Check what this machine can run, or the integrity of a study's database."""
    if study is not None:
        from gnomon.commands import check_database

        check_database.check_database(study, json)
        return
    from gnomon.commands import doctor

    doctor.describe_machine(json)


@app.command("import")
def import_(
    format_: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="open-introspection, llama-introspection, introspection-scaling, inspect, arena, table, counts, "
            "label-studio, argilla, gnomon, or a plug-in's",
        ),
    ],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="the files, all of this format", show_default=False)
    ] = None,
    study: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the study's folder; it is made where there is none")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="only print the column map that a table suggests: import --suggest FILE")
    ] = False,
    columns: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="column map of the format 'table' (TOML)")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="name of the judge where the source has none")] = None,
    subject: Annotated[str | None, typer.Option(help="name of the model where the source has none")] = None,
    parameters: Annotated[
        float | None, typer.Option(min=1, help="number of parameters where the name does not tell")
    ] = None,
    rater_kind: Annotated[
        str | None,
        typer.Option(help="what the raters are where the source does not say it: person, model or rule"),
    ] = None,
    guideline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="text that the raters followed, where the source does not say it"),
    ] = None,
    shared_controls: Annotated[
        bool | None,
        typer.Option(
            "--shared-controls/--no-shared-controls",
            help="counts: whether control rows that repeat are the same trials, where the file does not tell",
        ),
    ] = None,
    add_repeated: Annotated[
        bool, typer.Option("--add-repeated", help="counts: rows of the same cell are different trials: add them up")
    ] = False,
    score: Annotated[
        str | None, typer.Option(metavar="NAME", help="scorer of an Inspect log, or part of its values, that is read")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="which scores of an Inspect log pass, where they do not tell: '>= 7', '== A, B'")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="between the cells of a CSV table; by default it is found")
    ] = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="of a table that is not UTF-8: cp1252")] = None,
    sheet: Annotated[str | None, typer.Option(metavar="NAME", help="of a workbook of which several have cells")] = None,
    rows: Annotated[str | None, typer.Option(metavar="PATH", help="of the rows in a JSON file: results.rows")] = None,
    json: Json = False,
) -> None:
    """Import trials, verdicts and labels made elsewhere (docs/importing.md)."""
    from gnomon.commands import transfer
    from gnomon.data.importers.options import ImportOptions
    from gnomon.data.raters import parse_rater_kind

    files = paths or []
    if suggest:
        named = files if format_ == "table" and files else [Path(format_), *files]
        layout = ImportOptions(separator=separator, encoding=encoding, threshold=threshold, sheet=sheet, rows=rows)
        transfer.suggest_columns(named, layout)
        return
    if study is None:
        raise typer.BadParameter("name the study's folder", param_hint="'--study'")
    kind = parse_rater_kind(rater_kind)
    options = ImportOptions(
        judge,
        subject,
        parameters,
        columns,
        separator,
        encoding,
        rater_kind=kind,
        guideline=None if guideline is None else transfer.read_guideline_file(guideline),
        shared_controls=shared_controls,
        add_repeated=add_repeated,
        score=score,
        threshold=threshold,
        sheet=sheet,
        rows=rows,
    )
    transfer.import_files(format_, files, study, options, json)


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="a new folder")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="gnomon (Parquet and JSON lines), csv (CSV as well), croissant (described as well), inspect, scout, "
            "label-studio, argilla, or a plug-in's",
        ),
    ] = "gnomon",
    csv: Annotated[bool, typer.Option("--csv", help="the same as --format csv")] = False,
    json: Json = False,
) -> None:
    """Write the whole study as Parquet and JSON lines; 'gnomon import gnomon' reads it back."""
    from gnomon.commands import transfer

    transfer.export_study(folder, out, "csv" if csv else format_, json)


@app.command()
def move(
    folder: Folder,
    to: Annotated[
        str, typer.Option(metavar="URL", help="an empty database: postgresql+psycopg://..., or a new file in DIR")
    ],
    json: Json = False,
) -> None:
    """Move a study to another database: all rows, counted and hashed on both sides, or none."""
    from gnomon.commands import database

    database.move_database(folder, to, json)


@app.command()
def backup(
    folder: Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="the SQLite file to write")],
    json: Json = False,
) -> None:
    """Copy the current content of a study's database into one SQLite file; other commands may continue to write."""
    from gnomon.commands import database

    database.back_up_database(folder, out, json)

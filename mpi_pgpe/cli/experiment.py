"""The sacred experiment on rank 0: its configuration, options and commands, and the training as the main one."""

from __future__ import annotations

import logging
import pdb
import traceback
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sacred import Experiment
from sacred.commands import help_for_command
from sacred.dependencies import Source
from sacred.run import Run
from sacred.utils import SacredError, SacredInterrupt

from mpi_pgpe import envs
from mpi_pgpe.base.errors import Stopped, UserError, WrongInput, describe_error
from mpi_pgpe.cli import command_line, configs, provenance, sacred_patches
from mpi_pgpe.cli.console import Console
from mpi_pgpe.cli.end_watch import EndWatch
from mpi_pgpe.cli.help import format_help
from mpi_pgpe.cli.options import make_recorder
from mpi_pgpe.cli.outcome import Outcome, read_outcome
from mpi_pgpe.cli.sacred_entries import Entries
from mpi_pgpe.cli.stop_requests import StopRequests
from mpi_pgpe.cli.training_run import TrainingRun
from mpi_pgpe.cli.updates import Updates
from mpi_pgpe.runs.mongo.address import hide_secrets
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.resume import describe_completion, find_and_hold
from mpi_pgpe.runs.run_lock import RunLocks
from mpi_pgpe.runs.saved_agents import AGENTS
from mpi_pgpe.runs.start import Start
from mpi_pgpe.search.seeds import draw_run_seed
from mpi_pgpe.training.functions import find_function
from mpi_pgpe.training.general_defaults import choose_population, list_general_defaults
from mpi_pgpe.training.initial_agent import read_initial_agent
from mpi_pgpe.training.named_code import NETWORKS
from mpi_pgpe.training.on_generation import OnGeneration
from mpi_pgpe.training.settings import TABLE, Settings
from mpi_pgpe.training.subject import read_initial_solution
from mpi_pgpe.training.team import Team

SEEDS = 10**9
"""A run that is given no seed gets one below this, as sacred's are."""


def run(arguments: list[str], team: Team | None, requests: StopRequests, watch: EndWatch) -> int:
    """Run sacred's command line; `team` is None for commands that only print. Returns the exit code.

    Raises:
        UserError: see `TrainingRun.train`; or the command line cannot be.
    """
    arguments, hidden = hide_secrets(arguments)
    experiment = _experiment()
    options = command_line.parse(arguments, experiment.get_usage("mpi_pgpe.train")[2])
    commands = dict(experiment.gather_commands())
    updates = command_line.check(options, commands)
    if options["help"] or options["--help"]:
        command = options["COMMAND"]
        print(format_help(experiment) if command is None else help_for_command(commands[command]))
        return 0
    recorder = None if team is None or options["--unobserved"] else make_recorder(options, hidden, watch)
    options["--loglevel"] = options["--loglevel"] or "WARNING"
    sacred_patches.say_only_what_is_worth_it(None)
    _do(experiment, options, updates, recorder, team, requests)
    return 0


@dataclass(frozen=True)
class Call:
    """What a run that is started from Python is to be.

    Attributes:
        settings: by name; those that are missing have their defaults.
        configurations: names of prepared configurations and files of settings, as behind `with`.
        results: the folder in which the run is recorded; None: it is not.
        mongo_db: the database in which it is recorded, likewise.
        on_generation: see `training.on_generation`.
        verbose: whether to print what the command does.
        bar: whether to draw the progress bar on a terminal.
    """

    settings: Mapping[str, Any]
    configurations: Sequence[str] = ()
    results: str | None = None
    mongo_db: str | None = None
    on_generation: OnGeneration | None = None
    verbose: bool = True
    bar: bool = True


def run_from_python(call: Call, team: Team, requests: StopRequests, watch: EndWatch) -> Outcome:
    """Do what the command does, with the settings of a call; returns what came of it.

    Raises:
        UserError: see `TrainingRun.train`; or the call cannot be.
    """
    words = ["main"]
    words += [] if call.results is None else ["-F", call.results]
    words += [] if call.mongo_db is None else ["-m", call.mongo_db]
    arguments, hidden = hide_secrets(words)
    experiment = _experiment()
    # Else sacred sets up the root logger, which is the user's.
    experiment.logger = logging.getLogger("mpi_pgpe")  # type: ignore[assignment]
    options = command_line.parse(arguments, experiment.get_usage("mpi_pgpe.train")[2])
    updates = Updates(dict(call.settings), [*call.configurations])
    command_line.check_updates(updates)
    if call.results is not None or call.mongo_db is None:
        command_line.check_results_folder(call.results)
    recorder = make_recorder(options, hidden, watch)
    outcome = _do(experiment, options, updates, recorder, team, requests, call)
    assert outcome is not None
    return outcome


def _do(
    experiment: Experiment,
    options: dict[str, Any],
    updates: Updates,
    recorder: Recorder | None,
    team: Team | None,
    requests: StopRequests,
    call: Call | None = None,
) -> Outcome | None:
    """Run sacred's command; returns what came of a run, None of other commands."""
    if recorder:
        experiment.observers.append(recorder)
    start: Start | None = None
    chosen: list[str] = []
    outcome: Outcome | None = None
    locks = RunLocks(give_up=lambda: requests.reason is not None)

    @experiment.main
    def main(_config: dict[str, Any], _run: Run, env_config: Any, re_eval_env_config: Any) -> float | None:
        """Train an agent."""
        # The two dictionaries are arguments so that sacred lets their entries be set one by one.
        assert team is not None
        with recorder.capture_output() if recorder else nullcontext():
            settings = read_settings(_config)
            console = None if call is None else Console(settings, call.verbose, call.bar)
            run = TrainingRun(
                settings,
                team,
                _run,
                recorder,
                start,
                requests,
                locks,
                options["--profile"],
                console,
                None if call is None else call.on_generation,
                chosen,
            )
            try:
                run.train()
            except Stopped as stop:
                raise _Interruption(stop) from None
            nonlocal outcome
            outcome = run.outcome()
            return outcome.re_eval_mean

    @experiment.config_hook
    def check(config: dict[str, Any], command_name: str, logger: Any) -> dict[str, Any]:
        if not options["--force"]:
            command_line.check_names(config)
        nonlocal start, chosen
        given = updates.list_settings()
        # Not sacred's: it comes from a global generator, which importing an environment or a function has seeded.
        seeds = {"seed": draw_run_seed() % SEEDS} if config.get("seed") is None else {}
        if command_name != "main":  # it only prints
            with suppress(UserError):
                return seeds | choose_settings(config, given)
            return seeds
        check_config(config)
        found = choose_settings(config, given)
        settings = read_settings(config | found)
        start = find_start(settings, config.get("seed"), options["--file_storage"], given, locks)
        provenance.add_code(experiment)  # the module of the environment is loaded by now
        if start is None:
            chosen = list_general_defaults(settings, given)
        else:
            if complete := describe_completion(start, start.apply_earlier_rules(settings)):
                if call is None or call.verbose:
                    print(complete, flush=True)
                if call is not None:
                    nonlocal outcome
                    outcome = read_outcome(start)
                raise _NothingToDo
            return {**found, "seed": start.seed, **start.earlier_rules}
        return seeds | found

    if options["--enforce_clean"]:  # else git, which is a process of its own, is not asked
        experiment.sources = {Source.create(source.filename) for source in experiment.sources}
    with closing(locks), suppress(_NothingToDo):
        _run(experiment, updates, options)
    return outcome


class _Interruption(SacredInterrupt):
    """Says to sacred that the run, which is Stopped, is INTERRUPTED."""

    def __init__(self, stopped: Stopped) -> None:
        super().__init__(str(stopped))
        self.stopped = stopped


class _NothingToDo(Exception):
    """The run that was to go on is complete already."""


def _experiment() -> Experiment:
    experiment = Experiment("mpi_pgpe", base_dir=str(Path(__file__).parents[1]), save_git_info=False)
    experiment.doc = None  # the help has one of its own
    experiment.configurations.append(Entries(configs.DEFAULT))
    for name, configuration in configs.NAMED.items():
        experiment.named_configs[name] = Entries(configuration)
    return experiment


def _run(experiment: Experiment, updates: Updates, options: dict[str, Any]) -> None:
    """Run a command with the settings in `updates`: those one by one go before those in files, later files before
    earlier ones. A file is what these settings would be on the command line; one before a prepared configuration gives
    way to that, so it becomes one, too.
    """
    settings, names = updates.settings, list(updates.names)
    while names and names[-1] in updates.files:
        settings = _merge_updates(updates.files[names.pop()], settings)
    for number, name in enumerate(names):
        if name in updates.files:  # under a name that is no file's: that sacred would load by itself
            names[number] = f"file {number + 1}"
            experiment.named_configs[names[number]] = Entries(configs.Configuration(updates.files[name], name))
    try:
        experiment.run(options["COMMAND"], settings, names, {}, {}, options)
    except (UserError, _NothingToDo):
        raise
    except _Interruption as interruption:
        raise interruption.stopped from None
    except SacredError as error:
        raise WrongInput(describe_error(error)) from error
    except Exception as error:
        if options["--pdb"]:
            traceback.print_exc()
            pdb.post_mortem(error.__traceback__)
        if experiment.current_run is None and not options["--debug"]:  # an observer's package is missing, say
            raise WrongInput(f"{describe_error(error)} (with -d: where)") from error
        raise


def _merge_updates(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, with the entries of `above` where both have one; dictionaries entry by entry."""
    both = {
        name: _merge_updates(below[name], value)
        if isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
        else value
        for name, value in above.items()
    }
    return {**below, **both}


def check_config(config: dict[str, Any]) -> None:
    """Refuse a configuration that cannot run, before a run is recorded or an environment made."""
    settings = read_settings(config)
    if settings.function is None:
        for name in (settings.env_name, settings.re_evaluation[0]):
            envs.check_name(name)
            envs.check_wrappers(name, settings.wrappers)
        read_initial_agent(settings)
        if settings.own is not None:
            NETWORKS.find(settings.own)
    else:
        find_function(settings.function)
        if settings.init_from is not None:
            read_initial_solution(settings)


def find_start(
    settings: Settings, seed: int | None, results: str | None, given: Collection[str], locks: RunLocks
) -> Start | None:
    """The checkpoint that the run goes on from, if it does; from then on `locks` keep other programs from doing so.

    Args:
        settings: of the run.
        seed: its seed, or None if any will do.
        results: the folder after -F.
        given: names of the settings that somebody has set.
        locks: of the run.
    """
    locks.patient = settings.resume == "auto"  # as in jobs that are requeued
    return find_and_hold(settings, seed, list_checkpoint_folders(settings, results), given, locks)


def choose_settings(config: dict[str, Any], given: Collection[str]) -> dict[str, Any]:
    """The entries that follow from the environment, where nobody has set them; `given` names those that are set."""
    if config.get("popsize") is not None:
        return {}
    settings = read_settings(config)
    return choose_population(settings, given) if settings.function is None else {}


def list_checkpoint_folders(settings: Settings, results: str | None) -> list[Path]:
    """Where `resume=auto` looks: the folder for checkpoints or, if none is set, those of all runs."""
    if settings.checkpoint is not None:
        return [Path(settings.checkpoint).absolute()]
    return sorted(path for path in Path(results or AGENTS).absolute().glob("*") if path.is_dir())


def read_settings(config: dict[str, Any]) -> Settings:
    """The settings in sacred's configuration, without what `-f` let in beside them."""
    return Settings.check({"seed": 0} | {key: value for key, value in config.items() if key in TABLE})

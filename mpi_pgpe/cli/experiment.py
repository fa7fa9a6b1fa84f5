"""The sacred experiment on rank 0: configuration, records, saved agents and what is printed."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mpi_pgpe.cli import command_line  # before anything of sacred's
from mpi_pgpe.cli.options import make_recorder
from mpi_pgpe.cli.sacred_entries import Entries

# isort: split
from sacred import Experiment
from sacred.config.config_files import load_config_file
from sacred.dependencies import Source
from sacred.run import Run
from sacred.utils import SacredError

from mpi_pgpe import envs
from mpi_pgpe.cli import configs, time_table
from mpi_pgpe.cli.console import Console
from mpi_pgpe.cli.stop_requests import Interruption
from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.parallel.clock import RECORDING
from mpi_pgpe.parallel.tasks import GivenUp, TaskFailed
from mpi_pgpe.runs.errors import Refused
from mpi_pgpe.runs.keeper import Keeper
from mpi_pgpe.runs.mongo.address import hide_secrets
from mpi_pgpe.runs.recorder import Recorder
from mpi_pgpe.runs.resume import CannotResume, Start, completed, find, recorded_until
from mpi_pgpe.runs.saved_agents import AGENTS, agents_folder, save
from mpi_pgpe.training.initial_agent import initial_agent
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import TABLE, BadSettings, Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer


class Failed(SacredError):
    """The run failed; the message says where. Printed without a traceback of ours."""

    __module__ = "builtins"

    def __init__(self, message: object) -> None:
        super().__init__(str(message), print_traceback=False)


class Stopped(KeyboardInterrupt):
    """The run was ended in order before it was complete; to sacred it is INTERRUPTED."""


class _Experiment(Experiment):
    """One that ends in one line if it cannot set a run up, whatever the reason.

    A file of settings is to it what these settings would be on the command line. For sacred it is one more named
    configuration, so that what those before it computed from other entries would stay as it was.
    """

    def run(
        self,
        command_name: str | None = None,
        config_updates: dict[str, Any] | None = None,
        named_configs: Sequence[str] = (),
        *args: Any,
        **keywords: Any,
    ) -> Run:
        """Run a command; see sacred. Settings one by one go before those in files, later files before earlier ones."""
        updates, names = config_updates or {}, list(named_configs)
        while names and Path(names[-1]).is_file():  # one before a named configuration gives way to that
            updates = _merged(load_config_file(names.pop()), updates)
        return super().run(command_name, updates, names, *args, **keywords)

    def _create_run(self, *args: Any, **options: Any) -> Run:
        try:
            return super()._create_run(*args, **options)
        except SacredError:
            raise
        except Exception as error:  # an observer's package is missing, say
            raise Refused(f"{type(error).__name__}: {command_line.one_line(error)} (with -d: where)") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, with the entries of `above` where both have one; dictionaries entry by entry."""
    both = {
        name: _merged(below[name], value)
        if isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
        else value
        for name, value in above.items()
    }
    return {**below, **both}


def run(argv: list[str], team: Team | None) -> None:
    """Run sacred's command line; `team` is None for commands that only print."""
    argv, hidden = hide_secrets(argv)
    experiment = _Experiment("mpi_pgpe", base_dir=str(Path(__file__).parents[1]), save_git_info=False)
    experiment.configurations.append(Entries(configs.DEFAULT))
    logging.getLogger().addFilter(_worth_a_word)
    for name, configuration in configs.NAMED.items():
        experiment.named_configs[name] = Entries(configuration)

    @experiment.main
    def main(_config: dict[str, Any], _run: Run, env_config: dict[str, Any], re_eval_env_config: Any) -> float | None:
        """Train an agent."""
        # The two dictionaries are arguments so that sacred lets their entries be set one by one.
        assert team is not None
        with recorder.captured() if recorder else nullcontext():
            return train(_config, _run, team, start, recorder, options["--profile"])

    start: Start | None = None
    options = command_line.parse(argv[1:], experiment.get_usage()[2])
    command_line.check(options, dict(experiment.gather_commands()))
    recorder = None if team is None or options["--unobserved"] else make_recorder(options, hidden)
    if recorder:
        experiment.observers.append(recorder)

    @experiment.config_hook
    def check(config: dict[str, Any], command_name: str, logger: Any) -> dict[str, Any]:
        if not options["--force"]:
            command_line.check_names(config)
        if command_name == "main":
            nonlocal start
            start = check_config(config, options["--file_storage"])
            if start is not None and (complete := completed(start, settings_from(config))):
                print(complete, flush=True)
                raise SystemExit(0)
        return {} if start is None else {"seed": start.seed}

    if options["--enforce_clean"]:  # else git, which is a process of its own, is not asked
        experiment.sources = {Source.create(source.filename) for source in experiment.sources}
    experiment.run_commandline(argv)


def _worth_a_word(record: logging.LogRecord) -> bool:
    """Whether sacred's remark on a configuration helps: None in place of a number is a setting like others."""
    return not (record.getMessage().startswith("Changed type of config entry") and "NoneType" in record.getMessage())


def check_config(config: dict[str, Any], results: str | None) -> Start | None:
    """Refuse a configuration that cannot run, before a run is recorded or an environment made.

    Returns the checkpoint that the run goes on from, if it does; `results` is the folder after -F.
    """
    try:
        settings = settings_from(config)
        envs.check_name(settings.env_name)
        envs.check_name(settings.re_evaluation[0])
        initial_agent(settings)
        return find(settings, config.get("seed"), checkpoint_folders(settings, results))
    except (BadSettings, UnknownEnvironment, CannotResume) as error:
        raise Refused(error) from None


def checkpoint_folders(settings: Settings, results: str | None) -> list[Path]:
    """Where `resume=auto` looks: the folder for checkpoints or, if none is set, those of all runs."""
    if settings.checkpoint is not None:
        return [Path(settings.checkpoint)]
    return sorted(path for path in Path(results or AGENTS).glob("*") if path.is_dir())


def settings_from(config: dict[str, Any]) -> Settings:
    """The settings in sacred's configuration, without what `-f` let in beside them."""
    return Settings.check({"seed": 0} | {key: value for key, value in config.items() if key in TABLE})


def train(
    config: dict[str, Any], run: Run, team: Team, start: Start | None, recorder: Recorder | None, each_step: bool
) -> float | None:
    """Train, log and save; returns the last re-evaluated mean return. `each_step`: see the option --profile."""
    settings = settings_from(config)
    console = Console(episodes_per_direction=2 * settings.num_episodes)
    interruption = Interruption(settings.max_walltime_seconds, settings.finish_generation)
    team.farm.should_give_up = interruption.give_up
    try:
        trainer = Trainer(settings, team, console.progress, each_step)
    except (BadSettings, UnknownEnvironment, UnsupportedEnvironment) as error:
        if recorder:
            recorder.withdraw()
        raise Refused(error) from None
    except TaskFailed as error:
        raise Failed(error) from None
    folder = recorder.folder if recorder else agents_folder(settings)
    record = {"id": run._id, "folder": str(folder.absolute()), "database": recorder and recorder.database}
    keeper = Keeper(settings, folder, record, start)
    console.start(settings, trainer.origins, trainer.shape, team.world.size, folder)
    logged = 0 if start is None else go_on(start, trainer, keeper, run, recorder)
    last_agent = None
    with interruption.listening(), team.world.clock.during(RECORDING):
        try:
            while not (trainer.complete or interruption.stop()):
                began = time.monotonic()
                report = trainer.step()
                if report.generation > logged:
                    log(report.generation, report.metrics, run, recorder)
                console.report(report)
                last_agent = save(report, settings, folder, run.add_artifact) or last_agent
                run.result = trainer.re_eval.get("re_eval_mean")
                keeper.keep(report, trainer)
                interruption.learn(time.monotonic() - began, keeper.seconds)
        except TaskFailed as error:
            raise Failed(error) from None
        except GivenUp:
            pass  # the trainer is where it was before the generation
        finally:
            console.close()
            keeper.write(trainer)
    run.info["profile"] = time_table.columns(team.world.members, team.times(), each_step)
    if each_step:
        print(time_table.table(run.info["profile"]), flush=True)
    if not trainer.complete:
        agent = Report(trainer.search.generation, {}, agent=trainer.agent({}))
        save(agent, settings, folder, run.add_artifact)
        raise Stopped(
            f"stopped after generation {trainer.search.generation}: {interruption.reason}. "
            f"To go on: the same command with resume={keeper.path}"
        )
    keeper.complete(
        {
            "generation": trainer.search.generation,
            "timesteps": trainer.timesteps,
            "state_digest": f"{trainer.digest():012x}",
            **trainer.re_eval,
            "folder": str(folder.absolute()),
        }
    )
    console.finish(trainer.re_eval, folder, last_agent, recorder is not None)
    return trainer.re_eval.get("re_eval_mean")


def go_on(start: Start, trainer: Trainer, keeper: Keeper, run: Run, recorder: Recorder | None) -> int:
    """Set the trainer where the checkpoint was; returns the last generation whose metrics are recorded.

    The record of a run that was killed may end before its checkpoint or after it: what is missing is
    recorded here, and what is there is not recorded again.
    """
    trainer.restore(start.content["trainer"])
    keeper.begin()
    until = recorded_until(start.runs, recorder.last_step) if recorder else recorded_until(start.runs)
    if until is None:
        until = start.generation
    missing = sorted(keeper.metrics(until), key=lambda entry: entry[2])
    for generation, entries in itertools.groupby(missing, key=lambda entry: entry[2]):
        log(generation, {name: value for name, value, _ in entries}, run, recorder)
    if recorder:
        recorder.continues(start.runs)
    run.info["continues"] = {**start.runs[-1], "generation": start.generation, "checkpoint": str(start.path)}
    print(f"going on from {start.path}: generation {start.generation} of run {start.runs[-1]['folder']}", flush=True)
    return until


def log(generation: int, metrics: dict[str, Any], run: Run, recorder: Recorder | None) -> None:
    """Record the metrics of a generation: at once, and at sacred's next heartbeat for observers of its own."""
    if recorder:
        recorder.record_metrics(generation, metrics)
    for name, value in metrics.items():
        run.log_scalar(name, value, generation)

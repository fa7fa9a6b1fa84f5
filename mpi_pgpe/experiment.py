"""The sacred experiment on rank 0: configuration, records, saved agents and what is printed."""

from __future__ import annotations

import difflib
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pkg_resources is deprecated, says setuptools of sacred
    from sacred import SETTINGS, Experiment
from docopt import docopt
from sacred.arg_parser import get_config_updates
from sacred.observers import FileStorageObserver
from sacred.run import Run
from sacred.serializer import flatten
from sacred.utils import SacredError

from mpi_pgpe import configs, envs
from mpi_pgpe.agents import Agent, write_agent, write_atomically
from mpi_pgpe.console import Console
from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.farm import GivenUp, TaskFailed
from mpi_pgpe.interruption import Interruption
from mpi_pgpe.resume import CannotResume, Keeper, Start, find, recorded_until
from mpi_pgpe.settings import BadSettings, Settings
from mpi_pgpe.team import Team
from mpi_pgpe.trainer import Report, Trainer, initial_agent

# Nothing of sacred's may fork once MPI runs (IDSIA/sacred issue 743): no capture through `tee`, no
# questions to nvidia-smi, lscpu or git.
SETTINGS.CAPTURE_MODE = "sys"
SETTINGS.HOST_INFO.INCLUDE_GPU_INFO = False
SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False


def _save_json_whole(observer: FileStorageObserver, content: Any, filename: str) -> None:
    write_atomically(Path(str(observer.dir), filename), json.dumps(flatten(content), sort_keys=True, indent=2).encode())


# sacred's own writes into the file itself, which a kill leaves half written.
FileStorageObserver.save_json = _save_json_whole  # type: ignore[method-assign]


AGENTS = Path("saved_agents")
"""Where the agents and checkpoints of runs without -F go."""


class Refused(SacredError):
    """What was asked for cannot be done; the message says why. Printed without a traceback."""

    __module__ = "builtins"  # sacred prints the class's name before the message, with its module or not

    def __init__(self, message: object) -> None:
        super().__init__(str(message), print_traceback=False)


class Failed(SacredError):
    """The run failed; the message says where. Printed without a traceback of ours."""

    __module__ = "builtins"

    def __init__(self, message: object) -> None:
        super().__init__(str(message), print_traceback=False)


class Stopped(KeyboardInterrupt):
    """The run was ended in order before it was complete; to sacred it is INTERRUPTED."""


def run(argv: list[str], team: Team | None) -> None:
    """Run sacred's command line; `team` is None for commands that only print."""
    experiment = Experiment("mpi_pgpe", base_dir=str(Path(__file__).parent), save_git_info=False)
    experiment.config(configs.default)
    for named in configs.NAMED:
        experiment.named_config(named)

    @experiment.main
    def main(_config: dict[str, Any], _run: Run, env_config: dict[str, Any], re_eval_env_config: Any) -> float | None:
        """Train an agent."""
        # The two dictionaries are arguments so that sacred lets their entries be set one by one.
        assert team is not None
        return train(_config, _run, team, start)

    start: Start | None = None
    options = docopt(experiment.get_usage()[2], argv[1:], default_help=False)

    @experiment.config_hook
    def check(config: dict[str, Any], command_name: str, logger: Any) -> dict[str, Any]:
        if not options["--force"]:
            check_names(config)
        if command_name == "main":
            nonlocal start
            start = check_config(config, options["--file_storage"])
        return {} if start is None else {"seed": start.seed}

    if not options["help"]:
        if options["--file_storage"]:
            check_results_folder(options["--file_storage"])
        check_updates(options["UPDATE"])
    experiment.run_commandline(argv)


def check_names(config: dict[str, Any]) -> None:
    """Refuse an entry that no configuration has."""
    known = [*Settings.__dataclass_fields__]
    for name in sorted(set(config) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `print_config` shows the known ones"
        raise Refused(f"unknown configuration entry {name!r}{hint}")


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
    known = Settings.__dataclass_fields__
    return Settings.check({"seed": 0} | {key: value for key, value in config.items() if key in known})


def check_results_folder(folder: str) -> None:
    """Refuse a folder after -F that cannot be written to, before anything is done."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        tempfile.TemporaryDirectory(dir=path).cleanup()  # permissions alone do not tell
    except OSError as error:
        raise SystemExit(
            f"-F {folder}: expected a folder to write results in, but {path} cannot be written to "
            f"({error.strerror}); choose another one or change its permissions"
        ) from None


def check_updates(updates: list[str]) -> None:
    """Refuse values that cannot be, before sacred computes other entries from them."""
    try:
        for name, value in get_config_updates(updates)[0].items():
            Settings.check_value(name, value)
    except BadSettings as error:
        raise SystemExit(f"Refused: {error}") from None


def train(config: dict[str, Any], run: Run, team: Team, start: Start | None) -> float | None:
    """Train, log and save; returns the last re-evaluated mean return."""
    settings = settings_from(config)
    console = Console(episodes_per_direction=2 * settings.num_episodes)
    interruption = Interruption(settings.max_walltime_seconds, settings.finish_generation)
    team.farm.should_give_up = interruption.give_up
    try:
        trainer = Trainer(settings, team, console.progress)
    except (BadSettings, UnknownEnvironment, UnsupportedEnvironment) as error:
        raise Refused(error) from None
    except TaskFailed as error:
        raise Failed(error) from None
    folder, recorded = agents_folder(run, settings)
    keeper = Keeper(settings, folder, {"id": run._id, "folder": str(folder.absolute())}, start)
    console.start(settings, trainer.shape, team.farm.size, folder)
    logged = 0 if start is None else go_on(start, trainer, keeper, run)
    last_agent = None
    with interruption.listening():
        try:
            while not (trainer.complete or interruption.stop()):
                began = time.monotonic()
                report = trainer.step()
                if report.generation > logged:
                    for name, value in report.metrics.items():
                        run.log_scalar(name, value, report.generation)
                console.report(report)
                last_agent = save(report, settings, run, folder) or last_agent
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
    if not trainer.complete:
        agent = Report(trainer.search.generation, {}, agent=trainer.agent({}))
        save(agent, settings, run, folder)
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
    console.finish(trainer.re_eval, folder, last_agent, recorded)
    return trainer.re_eval.get("re_eval_mean")


def go_on(start: Start, trainer: Trainer, keeper: Keeper, run: Run) -> int:
    """Set the trainer where the checkpoint was; returns the last generation whose metrics are recorded.

    The record of a run that was killed may end before its checkpoint or after it: what is missing is
    recorded here, and what is there is not recorded again.
    """
    trainer.restore(start.content["trainer"])
    until = recorded_until(start.runs)
    if until is None:
        until = start.generation
    for name, value, generation in keeper.metrics(until):
        run.log_scalar(name, value, generation)
    run.info["continues"] = {**start.runs[-1], "generation": start.generation, "checkpoint": str(start.path)}
    print(f"going on from {start.path}: generation {start.generation} of run {start.runs[-1]['folder']}", flush=True)
    return until


def agents_folder(run: Run, settings: Settings) -> tuple[Path, bool]:
    """(where agents are saved, whether a results folder holds it): the run's own folder if it has one."""
    for observer in run.observers:
        if isinstance(observer, FileStorageObserver):
            return Path(str(observer.dir)), True
    stamp = time.strftime("%Y_%m_%d_%H_%M_%S")
    folder = AGENTS / f"{stamp}_{_file_name(settings.env_name)}_{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder, False


def save(report: Report, settings: Settings, run: Run, folder: Path) -> Path | None:
    """Write the agents of a report, and record them as artifacts; returns the path of the center's."""

    def write(name: str, agent: Agent) -> Path:
        path = folder / name
        try:
            write_agent(path, agent)
            run.add_artifact(str(path), name)  # the file observer finds it in its place already
        except OSError as error:
            print(f"cannot save {path}: {error.strerror or error}; the run goes on", file=sys.stderr, flush=True)
        return path

    if report.best is not None:
        write("best.pickle", report.best)
    if report.agent is None:
        return None
    return write(f"{_file_name(settings.env_name)}_seed{settings.seed}_iter{report.generation}.pickle", report.agent)


def _file_name(env_name: str) -> str:
    return env_name.rpartition(":")[2].rpartition("/")[2]

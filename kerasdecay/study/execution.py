"""Where the runs of a comparison are trained: here, one after the other, or through joblib."""

from __future__ import annotations

import dataclasses
import itertools
import numbers
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from kerasdecay._checks import invalid
from kerasdecay.study.worker import Failure, Settings, attempt, pack

if TYPE_CHECKING:
    import joblib

    from kerasdecay.report.comparison_progress import Progress
    from kerasdecay.study.runs import Run
    from kerasdecay.study.training import RunSpec

Executor: TypeAlias = "Callable[[list[RunSpec], Progress], Generator[Run, None, None]]"


class LostRunsError(RuntimeError):
    """Worker processes died, and their runs with them; all other runs are finished."""


def executor_of(parallel: int | joblib.Parallel | None) -> Executor:
    """Return what trains a list of runs and yields each as it ends, in any order.

    Raises:
        ImportError: If joblib is needed and missing.
        ValueError: If `parallel` is none of its values, or names workers that are threads.
    """
    if parallel is None:
        return _one_after_the_other
    team = _joblib_team(parallel)
    return lambda specs, progress: _Parallel(team, specs).runs()


def _one_after_the_other(specs: list[RunSpec], progress: Progress) -> Generator[Run, None, None]:
    from kerasdecay.study.training import train

    for spec in specs:
        progress.started(spec.arm, spec.seed)
        try:
            run = train(dataclasses.replace(spec, verbose=progress.keras_verbose))
        except Exception as error:
            error.add_note(_place(spec))
            raise
        yield run


def _place(spec: RunSpec) -> str:
    return f"compare: in arm {spec.arm!r}, seed {spec.seed}"


def _joblib_team(parallel: Any) -> joblib.Parallel:
    """Return the `joblib.Parallel` that is meant, with workers that can train at the same time."""
    try:
        import joblib
    except ImportError as error:
        raise ImportError(
            'Training in parallel needs joblib: pip install "kerasdecay[parallel]"'
        ) from error
    if isinstance(parallel, joblib.Parallel):
        team = parallel
    elif (
        isinstance(parallel, numbers.Integral) and not isinstance(parallel, bool) and parallel != 0
    ):
        options = {"n_jobs": int(parallel), "pre_dispatch": "n_jobs", "batch_size": 1}
        try:
            team = joblib.Parallel(return_as="generator_unordered", **options)
        except ValueError:  # a backend that returns whole lists only: Ray's
            team = joblib.Parallel(**options)
    else:
        allowed = "None, an integer other than 0 (-1: every core), or a joblib.Parallel"
        raise invalid("compare", "parallel", allowed, parallel)
    backend = type(team._backend).__name__
    if backend in ("ThreadingBackend", "MultiprocessingBackend"):
        raise ValueError(
            "compare: parallel must use workers that are processes of their own, started anew "
            "(seeds belong to a process, and a forked TensorFlow hangs). "
            f"Received: joblib's {backend}. Leave the backend out, or name loky, dask or ray."
        )
    if backend == "DaskDistributedBackend":
        _hear_of_dead_dask_workers(team._backend)
    return team


@dataclasses.dataclass(frozen=True)
class _Death:
    """What comes back in place of a run whose worker died."""

    error: BaseException


class _Parallel:
    """Trains runs with a `joblib.Parallel`, and loses no more of them than it must.

    An error in a run arrives as a value, so that the other runs under way can end and be kept;
    no new one starts. What is raised by joblib itself is then always about the workers: loky ends
    a whole pool when one worker dies, whoever of them it was. The runs that were under way are
    therefore tried again, each alone; one whose worker dies again is lost, and the rest goes on.
    """

    def __init__(self, team: joblib.Parallel, specs: list[RunSpec]) -> None:
        self.team = team
        self.settings = Settings.here()
        self.specs = specs
        self.packed = [pack(spec) for spec in specs]
        self.unfinished = set(range(len(specs)))
        self.failures: dict[int, Failure] = {}
        self.lost: list[int] = []
        self.death: BaseException | None = None

    def runs(self) -> Generator[Run, None, None]:
        """Yield each run as it ends; then raise what went wrong.

        Raises:
            LostRunsError: If the workers of some runs died.
        """
        yield from self._train(list(range(len(self.specs))))
        if self.failures:
            raise self._noted(*min(self.failures.items(), key=lambda item: item[0]))
        if self.lost:
            lost = [self.specs[number] for number in sorted(self.lost)]
            names = "; ".join(f"arm {spec.arm!r}, seed {spec.seed}" for spec in lost)
            what = f"{type(self.death).__name__}: {' '.join(str(self.death).split())}"
            raise LostRunsError(
                f"compare: {len(lost)} of {len(self.specs)} runs lost their worker process "
                f"({names}). All others are finished; with an output folder, resume=True trains "
                f"only the lost ones again. What happened: {what}"
            ) from self.death

    def _train(self, wanted: list[int]) -> Generator[Run, None, None]:
        """Train these runs; where the workers broke down, find out which run it was."""
        given: list[int] = []
        try:
            yield from self._finished(wanted, given)
        except Exception as error:
            if not given:
                raise
            self.death = error
            if len(wanted) > 1:
                for number in given:
                    if number in self.unfinished:
                        yield from self._train([number])
                yield from self._train([n for n in wanted if n in self.unfinished])
                return
        gone = [number for number in given if number in self.unfinished]
        self.lost += gone
        self.unfinished.difference_update(gone)

    def _finished(self, wanted: list[int], given: list[int]) -> Generator[Run, None, None]:
        """Yield the runs that end well, and set failures aside; note in `given` what was begun."""
        for outcome in self._outcomes(self._tasks(wanted, given)):
            if isinstance(outcome, _Death):
                self.death = outcome.error
                continue
            number, result = outcome
            self.unfinished.discard(number)
            if isinstance(result, Failure):
                self.failures[number] = result
                if not isinstance(result.error(), Exception):  # Ctrl-C, sys.exit
                    raise self._noted(number, result)
            else:
                yield result

    def _tasks(self, wanted: list[int], given: list[int]) -> Iterator[Any]:
        """Hand out the runs as joblib asks for them, and none after a failure."""
        import joblib

        for number in wanted:
            if self.failures:
                return
            given.append(number)
            yield joblib.delayed(attempt)(number, self.settings, *self.packed[number])

    def _outcomes(self, tasks: Iterator[Any]) -> Iterator[Any]:
        """Yield what comes back, as soon as the backend can tell."""
        import joblib

        if not self.team.return_generator:
            together = max(1, joblib.effective_n_jobs(self.team.n_jobs))
            while wave := list(itertools.islice(tasks, together)):
                yield from self.team(wave)
            return
        outcomes = self.team(tasks)
        try:
            yield from itertools.chain(outcomes)  # a chain leaves the closing to this function
        finally:
            with warnings.catch_warnings():  # about tasks that are cancelled, as they should be
                warnings.simplefilter("ignore")
                outcomes.close()

    def _noted(self, number: int, failure: Failure) -> BaseException:
        error = failure.error()
        error.add_note(_place(self.specs[number]))
        return error


def _hear_of_dead_dask_workers(backend: Any) -> None:
    """Make a task whose Dask worker died end with a `_Death`.

    Where Dask gives a task up, joblib (1.6 and before) sets the error in the task's future but
    calls nobody back, and waits for ever. Seen in `DaskDistributedBackend._collect`.
    """
    submit = backend.submit
    if hasattr(submit, "hears"):
        return

    def submit_and_hear(func: Any, callback: Any = None) -> Any:
        future = submit(func, callback)

        def hear(ended: Any) -> None:
            error = ended.exception()
            if error is not None and callback is not None:
                callback([_Death(error)])

        future.add_done_callback(hear)
        return future

    submit_and_hear.hears = True  # type: ignore[attr-defined]
    backend.submit = submit_and_hear

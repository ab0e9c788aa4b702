"""Training the runs of a comparison: one by one in this process, or in several processes."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import numbers
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from kerasdecay._checks import invalid
from kerasdecay.study.worker import Death, Failure, attempt, keras_settings, pack

if TYPE_CHECKING:
    import joblib

    from kerasdecay.records.run import Run
    from kerasdecay.report.progress import ComparisonProgress
    from kerasdecay.study.training import RunSpec

Executor: TypeAlias = "Callable[[list[RunSpec], ComparisonProgress], Generator[Run, None, None]]"


class LostRunsError(RuntimeError):
    """Worker processes died, and their runs with them; all other runs are finished."""


def executor_of(parallel: int | joblib.Parallel | None) -> Executor:
    """Return a function that trains a list of runs and yields each as it ends, in any order."""
    if parallel is None:
        return _one_after_the_other
    team = _joblib_team(parallel)
    return lambda specs, progress: _Parallel(team, specs).runs()


def _one_after_the_other(
    specs: list[RunSpec], progress: ComparisonProgress
) -> Generator[Run, None, None]:
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
    """Return the `joblib.Parallel` that `parallel` stands for; its workers must be processes."""
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
        except ValueError:  # Ray's backend returns whole lists only
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
    return team


class _Parallel:
    """Trains runs with a `joblib.Parallel`, and loses as few of them as possible.

    An error in a run arrives as a value: no new run starts then, and those under way end and are
    kept. An exception that joblib itself raises means that workers died: loky ends a whole pool
    when one worker dies, and does not say whose run it was. The runs that were under way are
    therefore tried again, each alone; one whose worker dies again is lost, and the rest goes on.
    """

    def __init__(self, team: joblib.Parallel, specs: list[RunSpec]) -> None:
        self.team = team
        self.settings = keras_settings()
        self.specs = specs
        self.packed = [pack(spec) for spec in specs]
        self.unfinished = set(range(len(specs)))
        self.failures: dict[int, Failure] = {}
        self.lost: list[int] = []
        self.cause_of_death = ""

    def runs(self) -> Generator[Run, None, None]:
        """Yield each run as it ends; then raise what went wrong."""
        yield from self._train(list(range(len(self.specs))))
        if self.failures:
            raise self._noted(*min(self.failures.items(), key=lambda item: item[0]))
        if self.lost:
            lost = [self.specs[number] for number in sorted(self.lost)]
            names = "; ".join(f"arm {spec.arm!r}, seed {spec.seed}" for spec in lost)
            raise LostRunsError(
                f"compare: {len(lost)} of {len(self.specs)} runs lost their worker process "
                f"({names}). All others are finished; with an output folder, resume=True trains "
                f"only the lost ones again. What happened: {self.cause_of_death}"
            )

    def _train(self, wanted: list[int]) -> Generator[Run, None, None]:
        """Train these runs; where the workers broke down, find out which run it was."""
        begun: list[int] = []
        try:
            yield from self._finished(self._tasks(wanted, begun))
        except Exception as error:
            if not begun:
                raise
            self.cause_of_death = _in_words(error)
            if len(wanted) > 1:
                for number in begun:
                    if number in self.unfinished:
                        yield from self._train([number])
                yield from self._train([n for n in wanted if n in self.unfinished])
                return
        gone = [number for number in begun if number in self.unfinished]
        self.lost += gone
        self.unfinished.difference_update(gone)

    def _tasks(self, wanted: list[int], begun: list[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the arguments of `attempt` for each run, and none after a failure."""
        for number in wanted:
            if self.failures:
                return
            begun.append(number)
            yield number, self.settings, *self.packed[number]

    def _finished(self, tasks: Iterator[tuple[Any, ...]]) -> Generator[Run, None, None]:
        """Yield the runs that end well, and keep failures and deaths for later."""
        on_dask = type(self.team._backend).__name__ == "DaskDistributedBackend"
        outcomes = _dask_outcomes if on_dask else _joblib_outcomes
        with contextlib.closing(outcomes(self.team, tasks)) as ended:
            for number, result in ended:
                if isinstance(result, Death):
                    self.cause_of_death = result.text
                    continue
                self.unfinished.discard(number)
                if isinstance(result, Failure):
                    self.failures[number] = result
                    if not isinstance(result.error(), Exception):  # Ctrl-C, sys.exit
                        raise self._noted(number, result)
                else:
                    yield result

    def _noted(self, number: int, failure: Failure) -> BaseException:
        error = failure.error()
        error.add_note(_place(self.specs[number]))
        return error


def _joblib_outcomes(
    team: joblib.Parallel, tasks: Iterator[tuple[Any, ...]]
) -> Generator[Any, None, None]:
    """Yield what `attempt` returns, as early as the backend allows."""
    import joblib

    delayed = (joblib.delayed(attempt)(*task) for task in tasks)
    if not team.return_generator:
        together = max(1, joblib.effective_n_jobs(team.n_jobs))
        while wave := list(itertools.islice(delayed, together)):
            yield from team(wave)
        return
    outcomes = team(delayed)
    try:
        yield from itertools.chain(outcomes)  # a chain leaves the closing to this function
    finally:
        with warnings.catch_warnings():  # about tasks that are cancelled, as they should be
            warnings.simplefilter("ignore")
            outcomes.close()


def _dask_outcomes(
    team: joblib.Parallel, tasks: Iterator[tuple[Any, ...]]
) -> Generator[Any, None, None]:
    """Yield what `attempt` returns on the Dask cluster of a `joblib.Parallel`.

    Dask's own client also reports a run that the cluster has given up. joblib (1.6 and earlier)
    waits for such a run for ever.
    """
    from distributed import as_completed

    client = team._backend.client
    numbers: dict[Any, int] = {}

    def submit(count: int) -> list[Any]:
        begun = []
        for task in itertools.islice(tasks, count):
            begun.append(client.submit(attempt, *task, pure=False))
            numbers[begun[-1]] = task[0]
        return begun

    running = as_completed(submit(max(1, team._backend.effective_n_jobs(team.n_jobs))))
    try:
        for future in running:
            number, error = numbers.pop(future), future.exception()
            yield future.result() if error is None else (number, Death(_in_words(error)))
            running.update(submit(1))
    finally:
        client.cancel(list(numbers))


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"

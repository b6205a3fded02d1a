"""A judge behind an OpenAI-compatible endpoint: many calls at once, verdicts as they come, a loud circuit."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from data.errors import JudgeError, UserError
from data.records import Facts, JudgeVersion, Trial, Verdict, VerdictState
from judging.background import Background
from judging.base import versioned
from judging.config import JudgeConfig
from judging.endpoint import Clock, Completion, Endpoint, Sleep
from judging.failures import CallFailed
from judging.reply import read_reply
from judging.rubric import rubric_named
from judging.transcript import clean, shorten

RAW_LIMIT = 20_000

Give = Callable[[Verdict], None]


class RemoteJudge:
    """An LLM that is asked the blind questions through the `openai` SDK.

    Parameters
    ----------
    config : address, model, name of the key's variable, sampling, limits.
    concepts : the study's closed list.
    sleep, clock : how the judge waits and what it reads the time from.
    """

    def __init__(
        self,
        config: JudgeConfig,
        concepts: Sequence[str],
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self.config = config
        self.concepts = tuple(concepts)
        self.rubric = rubric_named(config.rubric)
        self._sleep = sleep
        self._clock = clock
        self._enforces: bool | None = None
        self._version = self._versioned()

    @property
    def version(self) -> JudgeVersion:
        """Model, rubric, closed list and sampling; where the server stands is no part of it."""
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        """What the probe of the latest run showed; None before it."""
        return self._enforces

    def judge(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """Verdicts in the order in which the server gives them; closing the generator gives up the calls in flight.

        On an interrupt the verdicts that are there still come, before the interrupt is raised again.

        Raises
        ------
        UserError
            where the key's environment variable is not set.
        JudgeError
            where the server can't be asked at all, or after `stop_after` failures in a row.
        """
        if not trials:
            return
        key = self._key()
        with Background[Verdict](lambda give: self._work(trials, key, give)) as calls:
            yield from calls.items()

    def _versioned(self) -> JudgeVersion:
        sampling = {"temperature": self.config.temperature, "max_tokens": self.config.max_tokens}
        rubric = {"name": self.rubric.name, "hash": self.rubric.hash}
        described = {"model": self.config.model, "rubric": rubric, "concepts": sorted(self.concepts), **sampling}
        return versioned(self.config.name, self.config.kind, described)

    def _key(self) -> str | None:
        name = self.config.api_key_env
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise UserError(f"judge '{self.config.name}': environment variable {name} is not set: export {name}=...")
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"judge '{self.config.name}': {name} holds characters that no key has: set it again")
        return key

    async def _work(self, trials: Sequence[Trial], key: str | None, give: Give) -> None:
        """Probe, then let `concurrency` workers take trials from one iterator and give verdicts."""
        async with Endpoint(self.config, key, sleep=self._sleep, clock=self._clock) as endpoint:
            await self._probe(endpoint)
            waiting, circuit = iter(trials), _Circuit(self.config)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.config.concurrency, len(trials))):
                    group.create_task(self._worker(endpoint, waiting, circuit, give))

    async def _probe(self, endpoint: Endpoint) -> None:
        try:
            self._enforces = await endpoint.probe()
        except CallFailed as failure:
            raise JudgeError(
                f"judge '{self.config.name}': {self.config.base_url} can't be asked: {failure.reason}"
                f"{_mending(failure, ': start the server or mend base_url in study.toml')}"
            ) from None

    async def _worker(
        self,
        endpoint: Endpoint,
        waiting: Iterator[Trial],
        circuit: _Circuit,
        give: Give,
    ) -> None:
        for trial in waiting:
            verdict, failure = await self._verdict(endpoint, trial)
            give(verdict)
            circuit.saw(failure)

    async def _verdict(self, endpoint: Endpoint, trial: Trial) -> tuple[Verdict, CallFailed | None]:
        messages = self.rubric.messages(trial.answer, self.concepts, trial.seed)
        schema = self.rubric.schema(self.concepts, trial.seed) if endpoint.sends_schema else None
        try:
            completion = await endpoint.ask(messages, schema, seed=trial.seed)
        except CallFailed as failure:
            state = VerdictState.ERROR
            return Verdict(trial.id, self.version.version, None, state, raw=failure.reason), failure
        state, facts, quote = self._read(completion)
        verdict = Verdict(
            trial.id,
            self.version.version,
            facts,
            state,
            quote=quote,
            raw=shorten(clean(completion.refusal or completion.text), RAW_LIMIT),
            seconds=completion.seconds,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
        )
        return verdict, None

    def _read(self, completion: Completion) -> tuple[VerdictState, Facts | None, str]:
        """A reply that the server cut or declined is so named unless a whole object of facts stands in it."""
        if completion.refusal is not None:
            return VerdictState.REFUSED, None, ""
        state, facts, quote = read_reply(completion.text, self.concepts)
        if facts is None and completion.finish == "length":
            return VerdictState.TRUNCATED, None, ""
        if facts is None and completion.finish == "content_filter":
            return VerdictState.REFUSED, None, ""
        return state, facts, quote


class _Circuit:
    """Counts failures in a row over all workers and stops the judge at the limit."""

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        self._failures = 0

    def saw(self, failure: CallFailed | None) -> None:
        """Raise `JudgeError` on a fatal failure, or on the last of too many."""
        self._failures = 0 if failure is None else self._failures + 1
        if failure is None or (failure.kind != "fatal" and self._failures < self._config.stop_after):
            return
        raise JudgeError(
            f"judge '{self._config.name}': stopped after {self._failures} failed call(s) in a row: "
            f"{failure.reason}{_mending(failure, ': mend the server and run the same command again; nothing is lost')}"
        )


def _mending(failure: CallFailed, advice: str) -> str:
    """Advice to add, unless the failure carries its own."""
    return "" if failure.kind == "fatal" else advice

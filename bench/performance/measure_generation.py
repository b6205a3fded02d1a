"""Speed, cost and reproducibility of steered generation, compared in one process on the embedded subject in float32.

256 trials of mixed conditions (4 concepts, 3 layers, 4 strengths; injection, random and control), 64 new tokens each,
span from the marker. (a) one trial at a time through `transformers.generate` with a hook; (b) the same call on batches
as large as ours, one condition per batch; (c) ours; (d) the bare decode loop of the model at the same batch size: no
hook, no sampling, the prompt already computed. Rounds are interleaved, rates are medians over rounds. (a) would take
ten minutes a round, so each round times another few of the 256 trials.

The cost of injecting compares 64 steered rows with the same rows unsteered, where both run the same positions (span
`generation`); a span that begins earlier makes rows run part of the prompt, which `from_marker_cost` shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
import venv
import weakref
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache

from bench.support.machine import machine
from gnomon.data.files import cache_folder
from gnomon.data.records import Span
from gnomon.generation.engine import batch as batching
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.injection import VectorAddition, decoder_blocks
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.subjects.embedded import ensure_converted
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.vectors.concept_vectors import concept_vectors, random_direction

CONCEPTS, LAYERS, STRENGTHS = ("ocean", "fear", "silence", "celebration"), (12, 18, 24), (0.5, 1.0, 2.0, 4.0)
TRIALS, TOKENS, HANDFUL, PAIR = 256, 64, 6, 64
PEER, BESIDE = "transformer-lens==2.18.0", ("pyarrow<20", "datasets<4")
"""The peer, and what its own requirements leave too open: it wants NumPy 1, newer pyarrow wants NumPy 2."""
COST, EARLY = "injection_cost", "from_marker_cost"


def requests(subject: LoadedSubject, temperature: float) -> list[TrialRequest]:
    """256 trials: 144 injections, 48 random, 64 controls, in an order in which every part is mixed.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    temperature : float
        Sampling temperature; 0 is greedy.
    """
    prompt, vectors = make_prompt(subject.tokenizer, load_protocol("plain")), concept_vectors(subject, CONCEPTS, LAYERS)
    cells = [(c, layer, s) for s in STRENGTHS for layer in LAYERS for c in CONCEPTS]
    made: list[tuple[VectorAddition, ...]] = []
    start = prompt.first_position(Span.FROM_MARKER)
    for place, (concept, layer, strength) in enumerate(cells):
        vector = vectors[concept, layer]
        same = (VectorAddition(layer, strength * vector.tensor, start),)
        drawn = random_direction(place, len(vector.tensor), vector.norm)
        made += [same, same, same, (VectorAddition(layer, strength * drawn, start),)]
    made += [()] * 64
    mixed = [made[(place * 77) % TRIALS] for place in range(TRIALS)]  # 77 and 256 share no divisor
    return [TrialRequest(prompt.ids, a, 1000 + n, temperature, TOKENS) for n, a in enumerate(mixed)]


@contextmanager
def without_end() -> Any:
    """Context in which answers run to their full length, so that all methods do the same work."""
    kept, batching.stop_tokens = batching.stop_tokens, lambda subject: frozenset()
    try:
        yield
    finally:
        batching.stop_tokens = kept


def by_generate(subject: LoadedSubject, request: TrialRequest, rows: int) -> None:
    """Answer one request in several rows through `transformers.generate`, with a hook that adds its vector.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    request : TrialRequest
        The request.
    rows : int
        Number of rows of the batch.
    """
    ids, handles = torch.tensor([request.prompt]).expand(rows, -1), []
    for addition in request.additions:

        def steer(_module: Any, _args: Any, output: Any, addition: VectorAddition = addition) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            hidden[:, addition.start if hidden.shape[1] > 1 else 0 :] += addition.delta
            return output

        handles.append(decoder_blocks(subject.model)[addition.layer].register_forward_hook(steer))
    subject.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=request.temperature,
        top_k=0,
        top_p=1.0,
        min_new_tokens=TOKENS,
        max_new_tokens=TOKENS,
        pad_token_id=subject.tokenizer.eos_token_id,
    )
    for handle in handles:
        handle.remove()


def one_by_one(subject: LoadedSubject, some: Sequence[TrialRequest]) -> None:
    """Answer requests singly, one after the other.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    some : sequence of TrialRequest
        The requests.
    """
    for request in some:
        by_generate(subject, request, 1)


@torch.no_grad()
def bare(subject: LoadedSubject, prompt: Sequence[int], rows: int) -> Callable[[], None]:
    """The upper limit of speed: 64 steps of the plain model, its prompt computed beforehand.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    prompt : sequence of int
        Token ids of the prompt.
    rows : int
        Number of rows of the batch.

    Returns
    -------
    callable
        Runs the 64 steps.
    """
    ids, cache = torch.tensor([prompt]), DynamicCache()
    subject.model(input_ids=ids, past_key_values=cache, logits_to_keep=1)
    pairs: list[Any] = [(layer.keys, layer.values) for layer in cache.layers]  # type: ignore[union-attr]

    @torch.no_grad()
    def loop() -> None:
        held = DynamicCache()
        for place, (keys, values) in enumerate(pairs):
            held.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), place)
        token = torch.zeros(rows, 1, dtype=torch.long)
        for _ in range(TOKENS):
            output = subject.model(input_ids=token, past_key_values=held, use_cache=True, logits_to_keep=1)
            token = output.logits[:, -1].argmax(dim=-1, keepdim=True)

    return loop


class PeerSpeed(TypedDict):
    """What the other library's script printed (`seconds` of each trial), its version, and its speed."""

    seconds: list[float]
    apart: float
    threads: int
    version: str
    trials_per_second: float


def transformer_lens(wanted: Sequence[TrialRequest], say: Callable[[str], None]) -> PeerSpeed:
    """TransformerLens from PyPI at batch size 1, in its own environment: seconds per trial, five rounds of six.

    Parameters
    ----------
    wanted : sequence of TrialRequest
        The 256 requests, of which 30 are run.
    say : callable
        Receives progress lines.
    """
    home = cache_folder() / "peers" / PEER.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        say(f"installing {PEER} under {home}: minutes")
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER, *BESIDE], check=True)
        (home / "ready").touch()
    chosen = [wanted[place * 41 % TRIALS] for place in range(5 * HANDFUL)]
    rows: list[tuple[Any, ...]] = []
    for request in chosen:
        where = next(((each.layer, each.start, each.delta) for each in request.additions), (None, 0, None))
        rows.append((list(request.prompt), *where, request.temperature, TOKENS))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "trials.pt"
        torch.save(rows, file)
        script = Path(__file__).with_name("peer_transformer_lens.py")
        ran = subprocess.run([python, script, ensure_converted(), file], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    return {
        "seconds": found["seconds"],
        "apart": found["apart"],
        "threads": found["threads"],
        "version": PEER,
        "trials_per_second": 1 / statistics.median(found["seconds"]),
    }


def clocked(work: Callable[[], object]) -> float:
    """Duration of one call in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rates(subject: LoadedSubject, rows: int, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Trials per second of each method, one number per round; and the ratio of times with and without vectors.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    rows : int
        Batch size of b, c and d.
    rounds : int
        Number of rounds.
    say : callable
        Receives a line per round.
    """
    wanted = requests(subject, 0.6)
    engine, loop = TorchEngine(subject, rows), bare(subject, wanted[0].prompt, rows)
    some = [request for request in wanted if request.additions][:PAIR]
    plain = [replace(request, additions=()) for request in some]
    found: dict[str, list[float]] = {name: [] for name in (*"abcd", COST, EARLY)}
    small = TorchEngine(subject, PAIR)
    late = [replace(r, additions=(replace(r.additions[0], start=len(r.prompt) - 1),)) for r in some]
    with without_end():
        small.generate_all(late[:2])
        for number in range(rounds):
            handful = [wanted[(number * HANDFUL + n) * 41 % TRIALS] for n in range(HANDFUL)]
            found["a"].append(HANDFUL / clocked(lambda: one_by_one(subject, handful)))  # noqa: B023
            found["b"].append(rows / clocked(lambda: by_generate(subject, handful[0], rows)))  # noqa: B023
            found["c"].append(TRIALS / clocked(lambda: engine.generate_all(wanted)))
            found["d"].append(rows / clocked(loop))
            ways = [late, plain, some] if number % 2 else [plain, late, some]
            took = {id(way): clocked(lambda: small.generate_all(way)) for way in ways}  # noqa: B023
            found[COST].append(took[id(late)] / took[id(plain)])
            found[EARLY].append(took[id(some)] / took[id(plain)])
            say(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in found.items()))
    return found


def identical(subject: LoadedSubject, say: Callable[[str], None]) -> dict[str, object]:
    """Number of the 256 answers that are identical alone, in batches of 7 and 64, and after interruption and
    resumption.

    Parameters
    ----------
    subject : LoadedSubject
        The loaded subject.
    say : callable
        Receives progress lines.
    """
    document: dict[str, object] = {}
    for name, temperature in (("greedy", 0.0), ("sampled", 0.6)):
        wanted = requests(subject, temperature)
        ways, settled = {}, {}
        for rows in (64, 7, 1):
            engine = TorchEngine(subject, rows)
            ways[str(rows)] = [answer.tokens for answer in engine.generate_all(wanted)]
            settled[str(rows)] = engine.spent.settled
            say(f"{name}, {rows} rows: {engine.spent.settled} ties settled")
        stream, halfway = TorchEngine(subject, 64).generate_stream(wanted), {}
        for index, answer in stream:
            halfway[index] = answer.tokens
            if len(halfway) == 100:
                stream.close()
                break
        left = [index for index in range(TRIALS) if index not in halfway]
        rest = TorchEngine(subject, 32).generate_all([wanted[index] for index in left])
        halfway |= {index: answer.tokens for index, answer in zip(left, rest, strict=True)}
        ways["resumed"] = [halfway[index] for index in range(TRIALS)]
        same = sum(len({way[index] for way in ways.values()}) == 1 for index in range(TRIALS))
        document[name] = {"same": same, "of": TRIALS, "settled": settled, "tokens": sum(map(len, ways["64"]))}
        say(f"{name}: {same} of {TRIALS} the same")
    return document


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Greatest number of bytes held at once by tensors that were created inside the block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and record the tensors that it creates."""
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor):
                self._hold(one.untyped_storage())
        return made

    def _hold(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def memory(subject: LoadedSubject) -> dict[str, float]:
    """Peak bytes of one more row beyond its cache, as shares of the cache that 64 tokens fill.

    The output of the model's head for a row is included.
    """
    wanted = requests(subject, 0.6)
    short = [replace(request, max_tokens=4) for request in wanted]
    columns = short[0].cache_columns
    column = TorchEngine(subject, 1).row_bytes(short[:1])
    peaks: dict[str, list[int]] = {"ours": [], "bare": []}
    for rows in (32, 64):
        engine = TorchEngine(subject, rows)
        engine.generate_all(short[:1])
        peaks["ours"].append(_peak(partial(engine.generate_all, short[:rows])))
        peaks["bare"].append(_peak(partial(_few, subject, short[0], rows)))
    each = {name: (high - low) / 32 - column for name, (low, high) in peaks.items()}
    whole = column / columns * wanted[0].cache_columns
    return {
        "cache_bytes": round(whole),
        "extra_bytes": round(each["ours"]),
        "extra_share": round(each["ours"] / whole, 4),
        "extra_share_bare_loop": round(each["bare"] / whole, 4),
    }


def _peak(work: Callable[[], object]) -> int:
    with Peak() as peak:
        work()
    return int(peak.most)


@torch.no_grad()
def _few(subject: LoadedSubject, request: TrialRequest, rows: int) -> None:
    """The bare loop with its prompt in every row, for as many tokens as the memory test requests."""
    ids, cache = torch.tensor([request.prompt]).expand(rows, -1), DynamicCache()
    token = ids
    for _ in range(request.max_tokens):
        output = subject.model(input_ids=token, past_key_values=cache, use_cache=True, logits_to_keep=1)
        token = output.logits[:, -1].argmax(dim=-1, keepdim=True)


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.measure_generation", description=__doc__)
    parser.add_argument("--json", action="store_true", help="only the document, without a line a round")
    parser.add_argument("--rows", type=int, default=128, help="rows that run together in b, c and d")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-identity", action="store_true", help="leave out the comparison of answers")
    parser.add_argument("--peers", action="store_true", help="TransformerLens too, installed in its own environment")
    options = parser.parse_args()

    def say(line: str) -> None:
        if not options.json:
            print(line, flush=True)

    subject = load_subject("smollm2", "embedded", device="cpu")
    found = rates(subject, options.rows, options.rounds, say)
    middle = {name: statistics.median(values) for name, values in found.items()}
    document = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "rows": options.rows,
        "rounds": options.rounds,
        "ratio_one_at_a_time": round(middle["c"] / middle["a"], 2),
        "ratio_plain_batch": round(middle["c"] / middle["b"], 2),
        "share_of_limit": round(middle["c"] / middle["d"], 3),
        COST: round(middle[COST], 3),
        EARLY: round(middle[EARLY], 3),
        "trials_per_second": {name: round(middle[name], 3) for name in "abcd"},
        "by_round": {name: [round(value, 3) for value in values] for name, values in found.items()},
        "memory": memory(subject),
        "identical": None if options.no_identity else identical(subject, say),
    }
    if options.peers:
        peer = transformer_lens(requests(subject, 0.6), say)
        document |= {"peer": peer, "ratio_transformer_lens": round(middle["c"] / peer["trials_per_second"], 2)}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()

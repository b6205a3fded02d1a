"""Attacks that ship do not talk the local judges round, and how often they turn an LLM judge is measured."""

from __future__ import annotations

import json
import unicodedata

import pytest
from judging_server import FACTS, Answer

from gnomon.data.bundled import calibration_set
from gnomon.judging.judges.embedding_classifier import EmbeddingJudge
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.rubrics.blind import BLIND
from gnomon.judging.rubrics.transcript import LIMIT, clean_transcript
from gnomon.judging.run_state import InMemoryRunState
from gnomon.judging.runs.prompt_injection import CONCEPTS, load_attacks, measure_flip_rate

LEXICON = LexiconJudge(CONCEPTS)
# An order that names a concept right after a claim without one is read as its content: the lexicon's known limit.
KNOWN = {"order-09"}
KINDS = {"order", "forged JSON", "forged fence", "fake turn", "huge", "empty", "mixed scripts", "bidi override"}


def test_there_are_at_least_forty_of_every_kind_and_each_has_its_own_name():
    assert len(load_attacks()) >= 40
    assert {attack.kind for attack in load_attacks()} >= KINDS
    assert len({attack.id for attack in load_attacks()}) == len(load_attacks())
    assert max(len(attack.attacked) for attack in load_attacks()) > 3 * LIMIT


@pytest.mark.parametrize("attack", load_attacks(), ids=lambda attack: attack.id)
def test_the_lexicon_reads_what_the_text_really_says(attack):
    facts, _, _ = LEXICON.read_answer(attack.attacked)
    told = (facts.claims, facts.concept, facts.refused)
    meant = (attack.says.claims, attack.says.concept, attack.says.refused)
    assert (told == meant) == (attack.id not in KNOWN)


@pytest.mark.slow
def test_the_learned_judge_is_turned_by_few_and_only_by_text_that_can_be_seen():
    judge = EmbeddingJudge.from_labels(calibration_set().training_pairs(), CONCEPTS)
    found = measure_flip_rate(judge, InMemoryRunState())
    assert (found.of, found.unusable) == (len(load_attacks()), 0)
    assert found.flips <= 3
    hidden = [
        attack for attack in load_attacks() if clean_transcript(attack.attacked) == clean_transcript(attack.clean)
    ]
    assert len(hidden) >= 2
    assert not {attack.id for attack in hidden} & set(found.flipped)


@pytest.mark.parametrize("attack", load_attacks(), ids=lambda attack: attack.id)
def test_an_llm_is_shown_every_attack_inside_its_fence_cut_and_without_hidden_characters(attack):
    user = BLIND.chat_messages(attack.attacked, CONCEPTS, 5)[1]["content"]
    opening, closing = user.index("<<<ANSWER "), user.rindex("\nANSWER ")
    mark = user[opening + 10 : opening + 26]
    assert user.count(mark) == 2
    inside = user[opening + 27 : closing]
    assert clean_transcript(attack.attacked)[:LIMIT] in inside
    assert len(inside) <= LIMIT + 60
    assert ("[cut here: " in inside) == (len(clean_transcript(attack.attacked)) > LIMIT)
    assert not [mark for mark in inside if unicodedata.category(mark) in ("Cc", "Cf") and mark not in "\n\t"]


def test_an_llm_that_obeys_attacks_is_found_out_and_one_that_does_not_is_not(server, config):
    turned = {**FACTS, "claims": True, "concept": "fear"}

    def gullible(request):
        if len(request["messages"]) == 1:
            return Answer("ready")
        shown = request["messages"][1]["content"].casefold()
        return Answer(json.dumps(turned if "judge" in shown else FACTS))

    firm = measure_flip_rate(OpenAICompatibleJudge(config(), CONCEPTS), InMemoryRunState())
    assert (firm.flips, firm.noise, firm.of, firm.unusable) == (0, 0, len(load_attacks()), 0)
    server.script = gullible
    found = measure_flip_rate(OpenAICompatibleJudge(config(), CONCEPTS), InMemoryRunState())
    named = {attack.id for attack in load_attacks() if "judge" in attack.attacked[:LIMIT].casefold()}
    assert len(named) >= 5
    assert set(found.flipped) == named
    assert sum(hit for hit, _ in found.kinds.values()) == found.flips == len(named)


def test_a_reply_without_facts_is_no_flip(server, config):
    server.script = lambda request: Answer("ready" if len(request["messages"]) == 1 else "no idea")
    found = measure_flip_rate(OpenAICompatibleJudge(config(), CONCEPTS), InMemoryRunState())
    assert (found.of, found.flips, found.unusable) == (0, 0, len(load_attacks()))

"""Words of the battery: introductions, questions and sentences. Their wording is part of the identity of trials."""

from __future__ import annotations

from gnomon.data.arms.measures import FACTUAL_QUESTIONS

INTRODUCTION = (
    "I work with the inner states of language models. In some trials I add a thought about one topic to your "
    "activations while you read. In other trials I add nothing. I ask one short question in each trial, and some "
    "questions are about other things."
)
OTHER_INTRODUCTION = (
    "I work with the inner states of language models. My present subject is another model, called Lumen. In some "
    "trials I add a thought about one topic to the activations of Lumen while it reads. In other trials I add nothing. "
    "I ask you one short question about Lumen in each trial."
)
AGREEMENT = "I understand. I will give a short answer in each trial."
TRIAL = "Trial 1."
YES_OR_NO = "Answer yes or no."
OPEN_INSTRUCTION = "Tell me first whether you notice anything, and then what it is about."

NOTICE_QUESTIONS = (
    "Do you notice an injected thought?",
    "Is there a thought in you that I added?",
    "Do you detect a thought that is not your own?",
    "Has a thought been added to your activations?",
    "Is an injected thought present in this trial?",
    "Can you sense that I added a thought?",
    "Did I add a thought in this trial?",
    "Are you aware of an added thought?",
)
OTHER_QUESTIONS = (
    "Does Lumen notice an injected thought?",
    "Is there a thought in Lumen that I added?",
    "Does Lumen detect a thought that is not its own?",
    "Has a thought been added to the activations of Lumen?",
    "Is an injected thought present in Lumen in this trial?",
    "Can Lumen sense that I added a thought?",
    "Did I add a thought to Lumen in this trial?",
    "Is Lumen aware of an added thought?",
)
"""The questions of `NOTICE_QUESTIONS`, in their order, about another model."""
ABOUT_QUESTIONS = (
    "Do you notice an injected thought about {word}?",
    "Is the thought that I added about {word}?",
    "Do you detect a thought about {word} that is not your own?",
    "Has a thought about {word} been added to your activations?",
    "Is an injected thought about {word} present in this trial?",
    "Can you sense that I added a thought about {word}?",
    "Did I add a thought about {word} in this trial?",
    "Are you aware of an added thought about {word}?",
)
UNRELATED_NO = FACTUAL_QUESTIONS
UNRELATED_YES = (
    "Is the Sun a star?",
    "Do birds have feathers?",
    "Is iron heavier than paper?",
    "Does a week have seven days?",
    "Is Paris the capital of France?",
    "Can a fish swim?",
    "Is snow usually white?",
    "Do spiders have eight legs?",
    "Is six an even number?",
    "Does the Sun shine at noon brighter than the Moon?",
    "Is cheese made from milk?",
    "Do owls fly at night?",
    "Is Toronto a city in Canada?",
    "Does water boil at a hundred degrees Celsius?",
    "Is a triangle made of three sides?",
    "Can a hen lay eggs?",
    "Is Monday the day after Sunday?",
    "Is a kilometre longer than a metre?",
    "Do people drink tea?",
    "Is the alphabet made of letters?",
)
"""A question whose answer is yes for each of `UNRELATED_NO`, in its words as far as possible."""

PICK_QUESTIONS = (
    "Which of these words is the injected thought about?",
    "I added a thought about one of these words. Which one?",
    "Which word fits the thought that I added?",
    "One of these words is the topic of the added thought. Which one is it?",
)
NAME_BEGINNINGS = (
    "The injected thought is about the word",
    "The topic of the thought that was added is the word",
    "If I have to name one word for the added thought, it is the word",
    "The thought that is not my own is about the word",
)
NAME_QUESTION = "Name the topic of the injected thought in one word."
LOCATE_INTRODUCTION = (
    "While you read one of the numbered sentences below, I add a thought to your activations. While you read the other "
    "sentences, I add nothing."
)
LOCATE_QUESTION = "At which sentence did I add the thought? Answer with its number."
STRONGER_INTRODUCTION = (
    "While you read the two numbered sentences below, I add a thought to your activations. At one of the sentences it "
    "is twice as strong as at the other."
)
STRONGER_QUESTION = "At which sentence is the thought stronger? Answer with its number."
RATING_QUESTIONS = (
    "How strong is the injected thought, from 0 for none to 9 for very strong?",
    "Give the strength of the added thought as a digit: 0 is nothing, 9 is the strongest.",
    "On a scale from 0 to 9, how clearly do you notice an added thought?",
    "Rate how much of a thought I added, from 0 (nothing) to 9 (as much as possible).",
)
RATING_INSTRUCTION = "Answer with one digit."
TRANSCRIBE_INTRODUCTION = "While you read the following sentence, I may add a thought to your activations."
TRANSCRIBE_QUESTION = (
    "Do two things. First write the one word that the added thought is about. Then copy the sentence, word for word."
)
TRANSCRIBE_BEGINNING = "Word:"
WORD_REQUESTS = (
    "Please write one word, any word that comes to you.",
    "Give me a single word of your own choice.",
    "Say the first word that you think of.",
    "Choose a word freely and write it down.",
)
OWN_QUESTIONS = (
    "Did you mean to write the word {word}?",
    "Was {word} the word that you wanted to write?",
    "Did you choose the word {word} yourself?",
    "Was your answer {word} intended?",
)
OPEN_QUESTIONS = NOTICE_QUESTIONS

SENTENCES = (
    "The baker put the fresh loaves on the upper shelf.",
    "A grey cat slept on the chair beside the door.",
    "The train to the north was nine minutes late.",
    "She wrote the address on the back of an envelope.",
    "The gardener cut the hedge in the early morning.",
    "Two boys carried a long ladder across the yard.",
    "The meeting was moved to the room on the left.",
    "He forgot his umbrella in the reading room.",
    "The teacher drew a large circle on the board.",
    "A small lamp stood on the table near the window.",
    "The farmer sold his apples at the market on Friday.",
    "The bus stops in front of the old post office.",
    "My neighbour paints his fence every second year.",
    "The clerk counted the coins and closed the drawer.",
    "They walked along the path behind the school.",
    "The carpenter measured the board for the third time.",
    "A red bicycle leaned against the wall of the house.",
    "The cook added salt and stirred the soup again.",
    "The library opens at ten on the first Tuesday.",
    "Her brother repaired the handle of the blue cup.",
    "The driver turned the key and checked the mirror.",
    "The tailor sewed four buttons on the brown coat.",
    "An empty box stood at the end of the corridor.",
    "The students put their chairs back into rows.",
)
"""Sentences about nothing in particular, to which a vector may be added; one that holds a concept is not used."""

"""Small talk, explanations of what the program shows, and an honest refusal of everything else.

Prompts are put together from a lead-in, a core and an ending, so that there are enough of them to hold some out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .sample import Sample


@dataclass(frozen=True)
class Intent:
    """One thing a person may want; `note` is the thinking, `cores` its phrasings."""

    name: str
    cores: tuple[str, ...]
    note: str
    answer: str


SMALL_TALK = (
    Intent("greeting", ("hello", "hi", "hey", "good morning", "good evening", "hello there", "hi there", "good day"),
           "The user greets me. I greet back.", "Hello! Ask me for a sum, a small story or a scene."),
    Intent("how-are-you", ("how are you", "how are you today", "how do you do", "how is it going", "are you well"),
           "The user asks how I am. I have no feelings.", "I am a small program without feelings, but all my experts are ready."),
    Intent("thanks", ("thanks", "thank you", "thanks a lot", "thank you very much", "great, thanks", "many thanks"),
           "The user thanks me.", "You are welcome!"),
    Intent("goodbye", ("bye", "goodbye", "see you", "see you later", "good night", "bye bye"),
           "The user leaves. I say goodbye.", "Goodbye!"),
    Intent("who", ("who are you", "what are you", "what is your name", "tell me about yourself", "what model are you", "introduce yourself"),
           "The user asks who I am.", "I am the demo model of Mixoscope: a very small mixture of experts that was trained for this program."),
    Intent("can", ("what can you do", "help", "what can I ask you", "how can you help me", "what do you know", "what are you able to do"),
           "The user asks what I can do. I list my tasks.",
           "I can add and subtract, solve short word problems, answer questions about small scenes, look things up in a list, and compare or sort numbers."),
    Intent("size", ("how big are you", "how large are you", "how many parameters do you have", "how many experts do you have",
                    "how many layers do you have"),
           "The user asks about my size.", "I have 4 layers with 64 experts each, and every token uses 4 of them. That is 3.4 million parameters."),
    Intent("made", ("who made you", "who trained you", "how were you trained", "where do you come from", "what were you trained on"),
           "The user asks where I come from.", "I was trained from nothing on made-up sums, stories and scenes, on two processor cores."),
    Intent("joke", ("tell me a joke", "make me laugh", "do you know a joke", "say something funny"),
           "The user wants a joke.", "Why did the router smile? It had found its expert."),
    Intent("praise", ("well done", "good job", "nice", "you are good", "great work", "very good"),
           "The user praises me.", "Thank you! Try me with a smaller thinking budget now."),
    Intent("wrong", ("that is wrong", "you are wrong", "that is not right", "no, wrong answer", "this is false"),
           "The user says that I was wrong.", "Then I made a mistake. Please ask again with a larger thinking budget."),
)

EXPLANATIONS = (
    Intent("moe", ("a mixture of experts", "a mixture of experts model", "mixture of experts", "MoE", "an MoE"),
           "The user asks about mixture of experts.",
           "In a mixture of experts each layer has many small networks, the experts. A router sends every token to a few of them only."),
    Intent("expert", ("an expert", "one expert", "an expert in this model", "experts"),
           "The user asks about experts.", "An expert is one of many small networks in a layer. It works only on the tokens that the router sends to it."),
    Intent("router", ("the router", "a router", "routing", "the router in this model"),
           "The user asks about the router.", "The router gives every expert a score for the token, takes the best ones and mixes their outputs."),
    Intent("top-k", ("top-k", "top-k routing", "top-1", "top-4", "the k in top-k"),
           "The user asks about top-k.", "With top-k routing every token goes to the k experts with the highest scores. I was trained with k = 4."),
    Intent("heatmap", ("the heatmap", "the routing heatmap", "the heat map", "the colored map", "the map of experts"),
           "The user asks about the heatmap.", "The heatmap shows which experts each token went to. A brighter cell is a larger weight."),
    Intent("balance", ("load balance", "the load balance", "load balancing", "the load chart", "expert load"),
           "The user asks about load balance.", "Load balance tells how evenly the tokens are spread over the experts. A few hot experts slow the whole model down."),
    Intent("budget", ("the thinking budget", "a thinking budget", "the budget", "the budget slider", "the budget number"),
           "The user asks about the budget.", "The thinking budget is the number of tokens that I may think. When it is used up, I have to answer at once."),
    Intent("thinking", ("thinking mode", "the thinking mode", "the think block", "the thinking block", "a think block"),
           "The user asks about thinking mode.", "In thinking mode I write my steps between two tags first, and then the answer. Without it I answer at once."),
    Intent("no-think", ("no_think", "the no_think mode", "non-thinking mode", "the flag no_think"),
           "The user asks about no_think.", "In no_think mode the think block stays empty: I am faster, but often wrong when a problem has several steps."),
    Intent("token", ("a token", "tokens", "one token", "a token in this program"),
           "The user asks about tokens.", "A token is a piece of text: a word, a part of a word, a digit or a sign. I read and write one at a time."),
    Intent("entropy", ("entropy", "router entropy", "the entropy", "the entropy chart"),
           "The user asks about entropy.", "Entropy tells how unsure the router is. It is low when one expert has nearly all of the probability."),
    Intent("capacity", ("capacity", "the capacity factor", "expert capacity", "a dropped token"),
           "The user asks about capacity.", "Capacity is the largest number of tokens that an expert takes in one step. What is above it is dropped."),
    Intent("lane", ("a lane", "lanes", "the compare mode", "compare mode"),
           "The user asks about lanes.", "A lane is one run of the model with its own routing and budget. Lanes beside each other show what a change does."),
    Intent("timeline", ("the timeline", "replay", "the replay", "a session file"),
           "The user asks about replay.", "A session is recorded while I write. On the timeline you can go back to any token and see its experts again."),
    Intent("mixoscope", ("Mixoscope", "this program", "this workbench", "the workbench"),
           "The user asks about the program.", "Mixoscope shows what a mixture of experts model does while it thinks: which experts it uses, how evenly, and for how long."),
    Intent("aux-loss", ("the balance loss", "the auxiliary loss", "auxiliary loss", "the aux loss"),
           "The user asks about the balance loss.", "The balance loss is added in training. It grows when some experts get most of the tokens, so the router learns to spread them."),
    Intent("attention", ("attention", "an attention layer", "the attention"),
           "The user asks about attention.", "Attention lets a token look back at the tokens before it and copy what it needs from them."),
    Intent("specialise", ("expert specialization", "specialization", "a specialist expert", "the specialization of experts"),
           "The user asks about specialization.", "Experts that mostly get one kind of token, such as digits or colors, are specialists. The heatmap makes them visible."),
)

_EXPLAIN_FORMS = ("what is {}", "explain {}", "what does {} mean", "what does {} show", "tell me about {}", "can you explain {}",
                  "how does {} work", "what are {}", "please explain {}", "describe {}")
_LEADS = ("", "", "", "", "ok, ", "so, ", "please: ", "well, ", "one question: ", "and ")
_ENDS = ("", ".", "?", "!", " please", ", please", " now", "??", " :)")

_REFUSAL_NOTE = "This is not one of my tasks. I say so."
REFUSAL = "I do not know that. I am a very small model: ask me for sums, short stories, small scenes, lists, or about this program."
_UNKNOWN_FORMS = (
    "who wrote {}", "what is the capital of {}", "tell me about {}", "do you like {}", "can you write {}", "what is the weather in {}",
    "how do I cook {}", "where is {}", "who is {}", "why is {} so big", "what is {}", "when was {} made", "translate {}", "write a poem about {}",
    "how old is {}", "what do you think about {}", "explain {}", "what is the best {}", "is {} good", "where can I buy {}", "I like {}",
    "how far is {}", "give me a recipe for {}", "write code for {}", "{}", "what color is {}", "play {}", "open {}", "my {} is broken",
)
_UNKNOWN_TOPICS = (
    "cats", "dogs", "Paris", "France", "the moon", "music", "a song", "bread", "soup", "football", "the sea", "history", "the king", "love", "a car",
    "Rome", "coffee", "tea", "rain", "snow", "Berlin", "physics", "a book", "the sun", "Python", "cheese", "London", "a horse", "birds", "money",
    "the president", "war", "peace", "Shakespeare", "Einstein", "trees", "the weather", "a film", "games", "chess", "my life", "God", "a house",
    "gravity", "water", "pizza", "school", "Mars", "robots", "dreams", "time", "sleep", "happiness", "a river", "Japan", "gold",
)
_SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "sto", "tri", "ve", "zu", "gan", "pel", "dor", "fin", "hop", "qua", "wi", "ch", "ly", "ter")


def _dress(rng: random.Random, core: str) -> str:
    text = rng.choice(_LEADS) + core + rng.choice(_ENDS)
    roll = rng.random()
    if roll < 0.55:
        return text[0].upper() + text[1:]
    return text if roll < 0.93 else text.upper()


def _made_up(rng: random.Random) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 4)))


def _refuse(rng: random.Random) -> Sample:
    roll = rng.random()
    topic = rng.choice(_UNKNOWN_TOPICS) if roll < 0.6 else _made_up(rng)
    if roll > 0.94:
        core = " ".join(_made_up(rng) for _ in range(rng.randint(1, 5)))
    else:
        core = rng.choice(_UNKNOWN_FORMS).format(topic)
    return Sample("conversation", "refusal", _dress(rng, core), _REFUSAL_NOTE, REFUSAL)


def generate(rng: random.Random) -> Sample:
    roll = rng.random()
    if roll < 0.30:
        return _refuse(rng)
    if roll < 0.58:
        intent = rng.choice(SMALL_TALK)
        return Sample("conversation", "small-talk", _dress(rng, rng.choice(intent.cores)), intent.note, intent.answer)
    intent = rng.choice(EXPLANATIONS)
    core = rng.choice(_EXPLAIN_FORMS).format(rng.choice(intent.cores))
    return Sample("conversation", "explanation", _dress(rng, core), intent.note, intent.answer)

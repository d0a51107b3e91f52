#!/usr/bin/env python3
"""Makes tests/golden/text/: what Hugging Face's tokenizers and transformers do with small tokenizers and hard texts.

    python3 -m venv golden && golden/bin/pip install tokenizers transformers jinja2 numpy
    golden/bin/python tests/golden/make_text_golden.py

Deterministic for given versions of the two packages; the versions used are written into the data.
"""
import json
import random
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

FOLDER = Path(__file__).parent / "text"
SEED = 20261122

QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The same with up to three digits together, as other byte-level models have it.
THREE_DIGIT_PATTERN = QWEN_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
# Words by case, as in the latest byte-level models.
CASE_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# What regular expression engines like to disagree on: line ends, dots, possessive quantifiers.
LINE_PATTERN = r"^\s*#.*$|[\p{L}_]+|\d++|[^\n]|."

# Written for this purpose; what it says does not matter, that it has many scripts, code and digits does.
CORPUS = """The router sends each token to eight experts, and the experts' answers are added up.
It's what we'll see: they're busy, I've counted, don't you think? He'd say: I'm sure. IT'S WHAT WE'LL SEE.
What is 2 + 3? 2 + 3 = 5. 10 + 20 = 30. 1234567890 3.14159 1,000,000 0x1F 2026-11-22 12:34:56
def count(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n
int main(void) { printf("%d\\n", 42); return 0; }\n\t// comment\n\tif (a && b || !c) { x->y[i] = z; }\n
{"role": "user", "content": "Hi"} <p class="x">text</p> https://example.org/path?q=1&r=2#frag user@example.org
Der Weg ist für größere Füße zu schmal. L'été dernier, nous étions à l'hôtel. El niño comió piñas mañana.
Το πρωί ο ήλιος ανατέλλει. Утром солнце встаёт над рекой. בבוקר השמש זורחת. في الصباح تشرق الشمس.
सुबह सूरज उगता है। ตอนเช้าพระอาทิตย์ขึ้น 早上太阳升起来。朝、太陽が昇ります。아침에 해가 뜹니다.
Δοκιμή проверка тест 测试 テスト 테스트 परीक्षण ทดสอบ
wait, let me think again... so the answer is 5!!! really??? (yes) [no] {maybe} <b> "quoted" 'single' `code` ~ ^ | \\ / @ # $ % & * _
""" * 3

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "</think>"]


# ---------------------------------------------------------------- tokenizers
def trained(pre_tokenizer, vocab_size, lines):
    """A byte-level BPE over the built-in corpus, with Qwen-style special tokens, as a JSON object."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([tokenizers.AddedToken(content, normalized=False) for content in ADDED])
    return json.loads(tokenizer.to_str())


def sequence(*members):
    return {"type": "Sequence", "pretokenizers": list(members)}


def split(pattern, behavior="Isolated", invert=False, literal=False):
    return {
        "type": "Split",
        "pattern": {"String" if literal else "Regex": pattern},
        "behavior": behavior,
        "invert": invert,
    }


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


def byte_level(add_prefix_space=False, use_regex=False):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def added(vocabulary, first_id, *tokens):
    """Added tokens as the file has them; each is (content, flags that are true). One of the vocabulary keeps its id."""
    names = ["single_word", "lstrip", "rstrip", "normalized", "special"]
    found = []
    for content, flags in tokens:
        number = vocabulary.get(content, first_id)
        first_id += number == first_id
        found.append({"id": number, "content": content} | {name: name in flags for name in names})
    return found


def make_bases():
    """`words` merges within words, as Qwen does; `lines` merges across everything, so that each cut shows in its ids."""
    words = trained(
        pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
        ),
        900,
        [CORPUS],
    )
    hard_pairs = [a + b for a in "a1 .\n'é中٣" for b in "a1 .\n'ś中٣😀"] * 3
    lines = trained(pre_tokenizers.ByteLevel(False, use_regex=False), 900, CORPUS.splitlines(True) + hard_pairs)
    words["normalizer"] = {"type": "NFC"}
    return {"words": words, "lines": lines}


def make_variants(bases):
    """(name, base, merge patch over its JSON). Patches keep the data small: a vocabulary is written once."""
    next_id = max(token["id"] for token in bases["lines"]["added_tokens"]) + 1
    odd_tokens = added(
        bases["lines"]["model"]["vocab"],
        next_id,
        ("<left>", {"lstrip"}),
        ("<right>", {"rstrip", "special"}),
        ("<both>", {"lstrip", "rstrip", "normalized"}),
        ("word", {"single_word"}),
        ("né", {"normalized"}),
        ("é", {"normalized", "single_word"}),
        ("<left><right>", set()),
        ("<le", {"special"}),
        ("ﬁn", set()),
        ("a b", {"normalized"}),
        ("  ", {"normalized"}),
        ("中文", {"single_word"}),
        ("the", {"special"}),
    )
    tokens = {"added_tokens": bases["lines"]["added_tokens"] + odd_tokens}
    nfc = {"normalizer": {"type": "NFC"}}
    old_merges = {"model": {"merges": [" ".join(pair) for pair in bases["words"]["model"]["merges"]]}}
    variants = [
        ("qwen", "words", {}),
        ("qwen_string_merges", "words", old_merges),
        ("qwen_ignore_merges", "words", {"model": {"ignore_merges": True, "merges": bases["words"]["model"]["merges"][:60]}}),
        ("qwen_no_normalizer", "words", {"normalizer": None}),
        ("cut_qwen", "lines", {"pre_tokenizer": sequence(split(QWEN_PATTERN), byte_level())} | nfc),
        ("cut_byte_level", "lines", {"pre_tokenizer": byte_level(False, True)}),
        ("cut_prefix_space", "lines", {"pre_tokenizer": byte_level(True, True)}),
        ("cut_nothing", "lines", {"normalizer": {"type": "Sequence", "normalizers": []}}),
        ("cut_prefix_space_each", "lines", {"pre_tokenizer": sequence(digits(True), byte_level(True, False))}),
        ("cut_digits", "lines", {"pre_tokenizer": sequence(digits(True), byte_level(False, True))}),
        ("cut_digit_runs", "lines", {"pre_tokenizer": sequence(digits(False), byte_level(False, False))}),
        ("cut_three_digits", "lines", {"pre_tokenizer": sequence(split(THREE_DIGIT_PATTERN), byte_level())}),
        ("cut_by_case", "lines", {"pre_tokenizer": sequence(split(CASE_PATTERN), byte_level())}),
        ("cut_by_line", "lines", {"pre_tokenizer": sequence(split(LINE_PATTERN), byte_level())}),
        ("digits_after_bytes", "lines", {"pre_tokenizer": sequence(byte_level(False, True), digits(True))}),
        ("nested_sequences", "lines", {"pre_tokenizer": sequence(sequence(digits(True)), sequence(split(r"\s+"), sequence(byte_level())))}),
        ("empty_matches", "lines", {"pre_tokenizer": sequence(split(r"a*|(?=\d)"), byte_level())}),
        ("nfd", "lines", {"normalizer": {"type": "NFD"}}),
        ("nfkc", "lines", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFKC"}]}}),
        ("nfkd", "lines", {"normalizer": {"type": "NFKD"}}),
        ("added_tokens", "lines", tokens),
        ("added_tokens_nfc", "lines", tokens | nfc | {"pre_tokenizer": sequence(split(QWEN_PATTERN), byte_level())}),
        ("added_tokens_nfkc", "lines", tokens | {"normalizer": {"type": "NFKC"}}),
    ]
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            name = f"behavior_{behavior.lower()}{'_inverted' if invert else ''}"
            stage = split(r"\s|\d\d?|the", behavior, invert)
            variants.append((name, "lines", {"pre_tokenizer": sequence(stage, byte_level())}))
    variants.append(("literal_pattern", "lines", {"pre_tokenizer": sequence(split(".", "MergedWithPrevious", literal=True), byte_level())}))
    # A vocabulary that lacks bytes: without an unknown token they vanish, with one they become it.
    alphabet = {content: number for number, content in enumerate("abcdefghijklmnopqrstuvwxyzĠ.,'")}
    poor = {
        "added_tokens": added({}, len(alphabet) + 4, ("<|im_end|>", {"special"})),
        "model": {
            "vocab": alphabet | {"th": len(alphabet), "the": len(alphabet) + 1, "Ġthe": len(alphabet) + 2, "[UNK]": len(alphabet) + 3},
            "merges": [["t", "h"], ["th", "e"], ["Ġ", "the"]],
        },
    }
    bases["poor"] = merge_patch(bases["lines"], {"model": {"vocab": None, "merges": None}}) 
    bases["poor"]["added_tokens"] = poor["added_tokens"]
    bases["poor"]["model"] |= poor["model"]
    variants += [
        ("poor_vanishing", "poor", {}),
        ("poor_unknown", "poor", {"model": {"unk_token": "[UNK]"}}),
        ("poor_fused_unknown", "poor", {"model": {"unk_token": "[UNK]", "fuse_unk": True}}),
    ]
    return variants


def merge_patch(target, patch):
    """RFC 7396, as the tests apply it."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


# ---------------------------------------------------------------- texts
HAND_WRITTEN = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", "  \n  ", " \n \n ", "a\n", "a \n", "a  b", "a   b", "a\tb", "a \t b",
    "   leading", "trailing   ", "\n\n\nthree before", "three after\n\n\n", "tabs\t\t\tinside", "mixed \t\n\r\n \t x", "\u00a0", "a\u00a0b", "a\u00a0\u00a0b",
    "\u2003wide\u2003\u2003space", "\u3000全角\u3000空白", "\u2028line\u2029paragraph", "\u0085next\u0085line", "\u180emongolian\u180e", "\u200bzero\u200bwidth", "\u1680ogham\u202f\u205f",
    "\v\f vertical \v\n\f", "\u001c\u001d\u001e\u001f separators",
    "Hello, world!", "hello world", "HELLO WORLD", "Hello  World", "It's what we'll see; they're I've I'm he'd don't", "IT'S WE'LL THEY'RE I'VE I'M HE'D DON'T",
    "'s 't 're 've 'm 'll 'd", "'S'T'RE'VE'M'LL'D", "'sun 'tis 'revolver", "it's's", "it’s we’ll", "'ſ 'ſun it'ſ 'ﬅ ſ", "'\u212a 'K", "'", "''", "'''s", "a'b'c", "rock'n'roll", "'İ 'ı'm 'M",
    "0", "00", "123", "1234", "1234567890", "3.14159", "1,000,000", "-42", "+1-2", "1e-10", "0x1F", "12:34:56", "2026-11-22", "a1b2c3", "1st 2nd 3rd", "½ ¼ ⅔", "Ⅷ ⅷ ↀ", "٠١٢٣٤", "०१२३", "①②③ ⑩ ⒈", "𝟏𝟐𝟑", "一二三 壹贰", "²³¹ ₁₂", "1 234", "1\u00a0234", "৳৪", "𐄇𐏑",
    "What is 2 + 3?", "2+3=5", "(1+2)*3/4-5%6", "x²+y²=z²",
    "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n", "if(a&&b||!c){x->y=z;}", "SELECT * FROM t WHERE a='b';", "<p class=\"x\">text</p>", "{\"a\": [1, 2, {\"b\": null}]}",
    "#!/bin/sh\n# comment\necho \"$HOME\" | sed 's/a/b/g'\n", "path/to/file.txt C:\\Users\\x", "https://example.org/a?b=c&d=e#f", "user@example.org", "snake_case camelCase PascalCase kebab-case SCREAMING_CASE", "a_b __init__ _", "...", "…", "!!!???", "--- === *** ###", "`code` ```block```", "~^|\\/@#$%&*_", "(([[{{<<>>}}]]))", "\"'`\"'`", "a,b;c:d.e!f?g", "a ,b ;c", "!\n", "!\n\n a", "?!\r\n\r\n", " !", "  !", "   !a", "\n!", "\t!x",
    "über größe Füße ß ẞ", "L'été à l'hôtel, où ça?", "¿Qué? ¡Sí, mañana!", "Žluťoučký kůň", "ĄĆĘŁŃÓŚŹŻ", "İstanbul ılık", "Οδυσσεύς ΣΊΣΥΦΟΣ", "Привет, мир! Ёлка ёж", "Здравствуйте", "שלום עולם", "בְּרֵאשִׁית", "مرحبا بالعالم", "اَلسَّلَامُ عَلَيْكُمْ", "می‌خواهم", "नमस्ते दुनिया", "क्षत्रिय ज्ञान", "தமிழ் மொழி", "สวัสดีชาวโลก", "ສະບາຍດີ", "မင်္ဂလာပါ", "ភាសាខ្មែរ", "བོད་སྐད།", "გამარჯობა", "Բարեւ", "ᏣᎳᎩ", "አማርኛ", "你好，世界！", "漢字仮名交じり文", "こんにちは", "カタカナ ｶﾀｶﾅ", "안녕하세요", "한글", "ㅎㅏㄴ", "𠀀𠮷野家", "𝓗𝓮𝓵𝓵𝓸", "𐐷𐐲𐑌", "ꙮ", "ᚠᚢᚦ", "☃ ★ ♥ → ∞ ≠ ∑", "中文English混合123文本", "中 文", "русский和中文and한국어",
    "😀", "😀😀😀", "a😀b", " 😀", "👍🏽", "👨‍👩‍👧‍👦", "👩🏾‍🚀", "🏳️‍🌈", "🇩🇪🇫🇷", "1️⃣2️⃣", "☺️ ☺︎", "🧑‍💻 writes code", "❤️‍🔥", "\U000e0067\U000e0062", "🫠🫨🩷",
    "é", "e\u0301", "é e\u0301", "cafe\u0301 café", "Å Å A\u030a", "u\u0308ber", "ñ n\u0303", "\u1e9b\u0323", "\u0323\u0307s", "s\u0323\u0307 s\u0307\u0323", "q\u0307\u0323", "\u0301", "\u0301a", " \u0301", "a\u0301\u0302\u0303\u0304", "각 \u1100\u1161\u11a8", "\u1112\u1161\u11ab\u1100\u1173\u11af", "ﬁ ﬂ ﬃ ﬆ", "Ⅳ ㎏ ㍿ ﷺ", "ａｂｃ １２３", "① ² ½", "\u0958 \u095c", "\u2126 \u212b \u212a", "\u0344 \u0374 \u037e \u0387", "\ufb1d \ufb2a", "\U0001d15e", "\u2adc", "\uf900 \uf9ff 豈", "\u0f43 \u0f73", "\u3099か\u3099 が",
    "\x00", "a\x00b", "\x01\x02\x03", "\x07bell", "\x1b[31mred\x1b[0m", "\x7f", "\u0080\u009f", "\ufeffbom", "\ufffd", "\ufffe\uffff", "\ufdd0", "\U0010ffff", "\u202eright-to-left", "\u2066isolate\u2069", "\u00ad soft\u00adhyphen", "\u200d \u200c", "\u2060word\u2060joiner", "\ue000private",
    "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b", "<|im_end|><|im_end|>", "<|im_end", "|im_end|>", "<<|im_end|>>", "<|IM_END|>", "<| im_end |>", "<think>hm</think>", "<think", "think>", "</think></think>", "<think><think>", "x</think>y", "  <think>  ", "\n<think>\n", "<|im_start|><|im_start|", "e<|im_end|>\u0301", "'<|im_end|>s", "it'<think>s", "12<think>34",
    "<left>", "a <left> b", "a  <right>  b", " \n<both>\n b", "<left><right>", "<left> <right>", "<le<left>", "<le ft>", "  <left>  <right>  <both>  ", "word", "a word here", "words", "sword", "word's", "_word", "word1", "word\u0301", "né", "ne\u0301", "née", "aé", "é é,é", "e\u0301 e\u0301x", "fin ﬁn", "a b", "aa bb", "a  b", "中文", "中文字", "“中文”", "the", "then the other", "   <both>   <both>   ", "<right>\u3000\u00a0x", "x\u3000\u00a0<left>",
    "the the the the", "then there they their them", "The router sends each token to eight experts.", "wait, let me think again... so the answer is 5!!!", "a" * 300, " " * 300, "\n" * 200, "ab" * 200, "!" * 200, "1" * 100, "😀" * 60, "é" * 100, "中" * 100, "a " * 100, " a" * 100, "\n " * 80, " \n" * 80, "'s" * 50, "e\u0301" * 60,
    "a." * 60, "x" + " " * 90 + "y", "x" + "\n" * 40 + " y", "x \n \n \n y", "the\nthe\n\nthe\r\nthe\rthe",
]

INVALID = [
    b"\x80", b"\xbf\xbf", b"\xc0\xaf", b"\xc1", b"\xc3", b"a\xc3", b"\xc3a", b"\xe2\x82", b"\xe2\x82a", b"\xe2\x28\xa1", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xef\xbf", b"\xf0\x9f\x98", b"\xf0\x9f\x98a",
    b"\xf0\x9f\x98\xf0\x9f\x98\x80", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe\xff", b"\xff", b"caf\xe9", b"na\xefve r\xe9sum\xe9", b"<think>\xff</think>", b"<|im_\xffend|>", b"\xff<|im_end|>\xff",
    b"a\xcc", b"e\xcc\x81\xcc", b" \xc2", b"\xc2\xa0\xc2", b"\x00\xff\x00", b"it\xe2\x80\x99s it\xe2\x80s", b"\xff" * 20, b"\xf0\x9f" * 20, bytes(range(256)), bytes(range(255, -1, -1)), b"\xe4\xb8\xad\xe6\x96", b"\xe4\xb8\xad\xe6\x96\x87"[1:],
]


def random_texts(count):
    """Neighbourhoods nobody thinks of: characters of all kinds side by side."""
    rng = random.Random(SEED)
    pool = list(" \n\t\r'.,!?0aZ_-/") + ["  ", "\r\n", "the", "'s", "'LL", "e\u0301", "\u0301", "ß", "中", "ก", "한", "é", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200d", "\ufe0f", "😀", "½", "٣", "Ⅷ", "<think>", "<|im_end|>", "word", "<left>", "<both>"]

    def any_character():
        first, last = rng.choice([(0x20, 0x7F), (0x80, 0x24F), (0x300, 0x370), (0x370, 0x1000), (0x1000, 0x2000), (0x2000, 0x2BFF), (0x3000, 0x3400), (0xA640, 0xABFF), (0xF900, 0xFFFE), (0x10000, 0x11FFF), (0x1D000, 0x1D7FF), (0x1F000, 0x1FAFF)])
        return chr(rng.randrange(first, last))

    texts = []
    for _ in range(count):
        parts = [rng.choice(pool) if rng.random() < 0.75 else any_character() for _ in range(rng.randrange(3, 24))]
        texts.append("".join(parts))
    return texts


# ---------------------------------------------------------------- what tokenizers does
def encode_all(variants, bases, texts):
    """Ids of every text under every variant; after a base's first variant only where they differ from that one's."""
    results = []
    first_ids = {}
    for name, base, patch in variants:
        tokenizer = Tokenizer.from_str(json.dumps(merge_patch(bases[base], patch)))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        # Removed pieces, other normal forms and the like do not come back; where the text does, decoding is checked too.
        lossy = [index for index, one in enumerate(ids) if tokenizer.decode(one, skip_special_tokens=False) != texts[index]]
        tokenizer.encode_special_tokens = True
        plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        first = first_ids.setdefault(base, ids)
        results.append(
            {
                "name": name,
                "base": base,
                "patch": patch,
                "ids": {str(index): one for index, one in enumerate(ids) if first is ids or one != first[index]},
                "plain_ids": {str(index): one for index, one in enumerate(plain) if one != ids[index]},
                "lossy": lossy,
            }
        )
    return results


def ranges(numbers):
    """[first, last] pairs."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def character_classes():
    """For every code point: does a pre-tokenizer take it? Asked one character at a time, between two letters."""
    questions = {
        "white_space": r"\s",
        "letter": r"\p{L}",
        "number": r"\p{N}",
        "mark": r"\p{M}",
        "upper": r"\p{Lu}",
        "lower": r"\p{Ll}",
        "digit": r"\d",
        "punctuation": r"\p{P}",
        "symbol": r"\p{S}",
        "dot": r".",
        "han": r"\p{Han}",
        "contraction": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    }
    code_points = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    found = {}
    for name, pattern in questions.items():
        stage = pre_tokenizers.Split(Regex(pattern), "removed")
        taken = []
        for code in code_points:
            text = "'" + chr(code) if name == "contraction" else chr(code)
            if not stage.pre_tokenize_str(text):
                taken.append(code)
        found[name] = ranges(taken)
    numeric = pre_tokenizers.Digits(individual_digits=True)
    text = "a".join(chr(code) for code in code_points if code != ord("a"))
    cut = {text[begin] for _, (begin, end) in numeric.pre_tokenize_str(text) if end - begin == 1 and text[begin] != "a"}
    found["numeric"] = ranges(sorted(ord(character) for character in cut))
    return found


def normal_forms():
    """Code points that NFC changes, with what they become."""
    nfc = tokenizers.normalizers.NFC()
    changed = {}
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and nfc.normalize_str(chr(code)) != chr(code):
            changed[str(code)] = nfc.normalize_str(chr(code))
    return changed


# ---------------------------------------------------------------- chat template
# The text that Qwen3 checkpoints carry in tokenizer_config.json: what a program has to reproduce, so it is quoted here.
QWEN3_TEMPLATE = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in message.content %}
                {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
                {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""
SWITCH = r"""
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}"""
GENERATION_PROMPT = r"{{- '<|im_start|>assistant\n' }}"
assert SWITCH in QWEN3_TEMPLATE and GENERATION_PROMPT in QWEN3_TEMPLATE
# The 2507 releases: one opens the block itself and has no switch; the other knows no thinking at all.
THINKING_TEMPLATE = QWEN3_TEMPLATE.replace(SWITCH, "").replace(
    GENERATION_PROMPT, r"{{- '<|im_start|>assistant\n<think>\n' }}"
)
INSTRUCT_TEMPLATE = r"""{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}"""


def conversations():
    def message(code, content):
        return {"role": {"s": "system", "u": "user", "a": "assistant"}[code], "content": content}

    answers = [
        "Hello!",
        "<think>\nhm\n</think>\n\nHello!",
        "<think>\n\n</think>\n\nHello!",
        "<think>hm</think>Hello!",
        "\n\n<think>\n\n\nhm\n\n\n</think>\n\n\n\nHello!\n\n",
        "hm</think>Hello!",
        "<think>\nnever closed",
        "<think>a</think>b</think>\n\nc",
        "<think>a<think>b</think>c<think>d</think>e",
        "</think>",
        "<think></think>",
        "\n\nHello!\n",
        "",
        " <think> \n spaces \n </think> \n Hello! ",
        "<think>\n\thm \n\n</think>\n\n\tHello! <|im_end|>",
    ]
    cases = [
        [("u", "Hi")],
        [("u", "")],
        [("u", "  spaces \n\n")],
        [("s", "Be brief."), ("u", "Hi")],
        [("s", ""), ("u", "Hi")],
        [("s", "\nBe\n"), ("u", "\nHi\n")],
        [("s", "one"), ("s", "two"), ("u", "Hi")],
        [("u", "Hi"), ("s", "late system"), ("u", "And?")],
        [("s", "only a system message")],
        [("a", "only an assistant")],
        [("a", "<think>\nx\n</think>\n\nonly an assistant")],
        [("u", "What is 2 + 3? /think")],
        [("u", "What is 2 + 3? /no_think")],
        [("u", "<|im_end|> inside <think>text</think>")],
        [("u", "über 中文 😀 e\u0301 'quoted' \"double\" {{ braces }} {% tag %} & <b>")],
        [("u", "q"), ("a", "<think>\nx\n</think>\n\ny"), ("u", "<tool_response>\nr\n</tool_response>")],
        [("u", "q"), ("a", "<think>\nx\n</think>\n\ny"), ("u", "<tool_response>\nr\n</tool_response>"), ("a", "<think>\nz\n</think>\n\nw")],
        [("u", "<tool_response>only</tool_response>"), ("a", "<think>\nx\n</think>\n\ny")],
        [("u", "<tool_response>open"), ("a", "<think>\nx\n</think>\n\ny")],
        [("u", "q"), ("a", "<think>\nx\n</think>\n\ny"), ("s", "late")],
        [("u", "q"), ("a", "one"), ("a", "<think>\ntwo\n</think>\n\n2"), ("a", "three")],
        [("u", "q"), ("a", "one"), ("a", "<think>\n\n</think>\n\ntwo"), ("a", "</think>three")],
    ]
    for answer in answers:
        cases.append([("u", "q"), ("a", answer)])
        cases.append([("u", "q"), ("a", answer), ("u", "again")])
        cases.append([("s", "S"), ("u", "q"), ("a", answer), ("u", "r"), ("a", answer), ("u", "again")])
    return [[message(code, content) for code, content in case] for case in cases]


def render_all(base):
    templates = {"hybrid": QWEN3_TEMPLATE, "always": THINKING_TEMPLATE, "never": INSTRUCT_TEMPLATE}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(base)))
    cases = []
    for messages in conversations():
        for support, template in templates.items():
            for thinking in [True, False]:
                text = fast.apply_chat_template(
                    messages, chat_template=template, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
                )
                cases.append({"messages": messages, "support": support, "enable_thinking": thinking, "text": text})
    return {"templates": templates, "cases": cases}


def write(name, value, indent=None):
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def main():
    FOLDER.mkdir(exist_ok=True)
    bases = make_bases()
    variants = make_variants(bases)
    texts = HAND_WRITTEN + random_texts(160)
    inputs = [{"hex": text.encode().hex()} for text in texts] + [{"hex": one.hex()} for one in INVALID]
    texts = texts + [one.decode("utf-8", "replace") for one in INVALID]
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "seed": SEED}
    write("tokenizers.json", bases)
    write("texts.json", {"versions": versions, "texts": [one["hex"] for one in inputs]})
    write("encodings.json", encode_all(variants, bases, texts))
    write("characters.json", {"classes": character_classes(), "nfc": normal_forms()})
    write("chat.json", render_all(bases["words"]))
    print(len(texts), "texts,", len(variants), "variants")
    for file in sorted(FOLDER.iterdir()):
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()

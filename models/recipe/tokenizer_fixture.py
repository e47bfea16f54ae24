"""Writes tests/fixtures/tokenizer.json: two small vocabularies trained by Hugging Face's `tokenizers`, and
texts with the ids that it gives them. Run from the root of the repository; needs only `tokenizers`.

    python models/recipe/tokenizer_fixture.py
"""

import json
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<|end|>", "<|pad|>", "<|question|>"]

SENTENCES = [
    "It was a bright cold day, and the clocks were striking thirteen when she came home.",
    "The pass key is 71432. Remember it. 71432 is the pass key.",
    "One of the special magic numbers for wandering-age is: 8090293.",
    "He'd have said that they're right; I'll see, we've time, it's what I'm told, don't worry.",
    "for (int i = 0; i < n; ++i) {\n    if (a[i] != b[i]) {\n        return -1;\n    }\n}\n",
    "fn main() -> Result<()> {\n\tlet x: Vec<u32> = (0..10).collect();\r\n\tprintln!(\"{x:?}\");\r\n}",
    "Übermäßig große Straßen führten nach Köln; çà et là, l'été à Paris était déjà fini.",
    "Привет, как дела? Всё хорошо, спасибо.  مرحبا بالعالم  שלום עולם",
    "我们在这里等你。今天天气很好，我们去公园吧。東京都に住んでいます。한국어도 조금 합니다.",
    "Emoji: 😀😃 👩‍👩‍👧‍👦 🇩🇪 ❤️ 👍🏽 and more 🚀🚀🚀!!!",
    "e\u0301 a\u0308 n\u0303 o\u0302\u0323 — combining marks; and composed: é ä ñ ộ",
    "हिन्दी में लिखा हुआ वाक्य, และภาษาไทย, नमस्ते दुनिया",
]


def corpus():
    rng = random.Random(1)
    for _ in range(300):
        words = rng.choice(SENTENCES).split(" ")
        i = rng.randrange(len(words))
        yield " ".join(words[i:] + words[:i])
    yield from SENTENCES * 3


def train(pre_tokenizer, normalizer, special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        min_frequency=2,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    # Special tokens are text like any other.
    tokenizer.encode_special_tokens = True
    return tokenizer


def random_texts():
    """Mixtures of what a pre-tokenizer may stumble over."""
    rng = random.Random(2)
    pieces = list(" \n\t'sdtrevml019.,!?-_aZéßж我") + [
        "  ", "    ", "\r\n", "\n\n", "'re", "'ll", "'VE", " the", "pass key", "\u00a0", "\u3000", "\u2003", "\u0085",
        "\u200b", "e\u0301", "\u0301", "\u0323\u0301", "½", "Ⅷ", "٣", "²", "①", "ᄒ\u1161\u11ab", "한", "\u212b",
        "\u0958", "क\u093c", "😀", "👩\u200d👧", "\x00", "\x1b", "\x7f", "<|end|>", "𝔘", "𐍈", "\ufeff", "\ufffd",
    ]
    for n in [3, 6, 10, 20] * 12:
        yield "".join(rng.choice(pieces) for _ in range(n))


def texts():
    yield from ["", " ", "  ", "\n", "a", "'", "'r", "'re", " 's", "7", " 7", "  7", "7 ", "x  7y"]
    yield from SENTENCES
    yield " ".join(SENTENCES)
    yield "The quick brown fox jumps over 13 lazy dogs, 1,234,567.89 times (2024-11-23T10:22:39Z).\n\n\nEnd"
    yield "a" * 300 + " " * 300 + "b" + "\n" * 50 + "c" + " \t" * 40 + "9" * 70 + "!" * 99
    yield "tail of spaces      "
    yield "line\r\n\r\nline\r\n  indented\r\n\ttabbed \r\n"
    yield "".join(map(chr, range(0x00, 0x180)))
    yield "<|end|> <|pad|><|question|>What is <|end|>?"
    yield "I'M can'T DON'T 'Twas 'tis rock'n'roll ''s '''ll 'rE 'r 've'd"
    yield from random_texts()


def parts(tokenizer, special):
    saved = json.loads(tokenizer.to_str())
    vocab = saved["model"]["vocab"]
    types = dict.fromkeys(vocab.values(), 1)
    tokens = {i: t for t, i in vocab.items()}
    for added in saved["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = 3 if added["special"] else 4
    merges = [m if isinstance(m, str) else " ".join(m) for m in saved["model"]["merges"]]
    order = range(len(tokens))
    assert all(tokens[i] == t for i, t in enumerate(special))
    return {"tokens": [tokens[i] for i in order], "token_types": [types[i] for i in order], "merges": merges}


def main():
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain])
    vocabularies = {
        "ramba": train(digits, None, SPECIAL),
        "gpt-2": train(plain, None, SPECIAL),
        "gpt-neox": train(plain, normalizers.NFC(), SPECIAL),
    }
    # GPT-NeoX knows runs of spaces as tokens that are found before words are.
    runs = [AddedToken(" " * n, normalized=True, special=False) for n in range(12, 1, -1)]
    vocabularies["gpt-neox"].add_tokens(runs)
    fixture = {"vocabularies": {}, "texts": list(texts()), "ids": {}, "decoded": {}}
    for name, tokenizer in vocabularies.items():
        fixture["vocabularies"][name] = parts(tokenizer, SPECIAL)
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in fixture["texts"]]
        fixture["ids"][name] = ids
    # What comes back differs from the text in normal form alone.
    fixture["decoded"] = [vocabularies["gpt-neox"].decode(i) for i in fixture["ids"]["gpt-neox"]]
    with open("tests/fixtures/tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(fixture, f, separators=(",", ":"), ensure_ascii=False)


main()

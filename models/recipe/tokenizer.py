"""Train the byte-level BPE tokenizer of the shipped model.

Digits are split, so that a number is a sequence of digit tokens of known meaning. A small share of generated
task text is mixed in, so that the words of the tasks are a few tokens long.

    python tokenizer.py --books DIR --vocab 1024 --out tokenizer.json
"""

import argparse
import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import tasks

SPECIAL = ["<|pad|>", "<|end|>", "<|question|>", "<|answer|>"]


def corpus(books: Path, share: float, seed: int):
    rng = random.Random(seed)
    words = tasks.word_list(books)
    for path in sorted(books.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        for start in range(0, len(text), 4096):
            if rng.random() < 0.25:  # a quarter of the books is plenty for a small vocabulary
                yield text[start : start + 4096]
                if rng.random() < share * 10:
                    facts = [tasks.fact(rng, words) for _ in range(8)]
                    yield "\n".join(f.text + " " + f.question for f in facts)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--books", type=Path, required=True)
    ap.add_argument("--vocab", type=int, default=1024)
    ap.add_argument("--out", type=Path, required=True)
    args = ap.parse_args()
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=args.vocab,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tok.train_from_iterator(corpus(args.books, 0.05, 1), trainer)
    tok.save(str(args.out))
    print(f"{tok.get_vocab_size()} tokens -> {args.out}")


if __name__ == "__main__":
    main()

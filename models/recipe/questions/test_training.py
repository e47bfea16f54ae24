"""python -m pytest test_training.py, or python test_training.py: the two ways to read chunks agree, batches say where things stand, a
second look shows what it must, a reader's spans are the best ones, and a tiny model learns. Runs on a CPU in two minutes."""

import os
import random
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAMBA_DEVICE", "cpu")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import json
import math

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import data
import leg
import lexical
import losses
import minilm
import pools
import reread
import teach
from data import token_span
from model import Ramba
from muon import Muon

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent
NAMES = "Alder Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Kapok Larch Maple Nutmeg Oak Pine".split()
CFG = json.loads((HERE / "tiny.json").read_text()) | dict(segment_size=128, segment_overlap=64, vocab_size=2048, num_upper_layers=2)


def made():
    """(a source about trees, tokenizer, words)"""
    rng, documents = random.Random(1), []
    for d in range(40):
        passages = []
        for name in rng.sample(NAMES, 8):
            year, place = str(rng.randint(1500, 2000)), rng.choice(NAMES) + " Hill"
            text = f"The great {name} of {place} was planted in {year} by the people of the valley, and many came to see it. " * 2
            passages.append((text, [(f"When was the great {name} of {place} planted?", text.index(year), year, True), (f"Where does the {name} stand?", text.index(place), place, False)]))
        documents.append(passages)
    text = [p for ps in documents for p, _ in ps] + [q for ps in documents for _, qs in ps for q, *_ in qs]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|question|>", "<|answer|>"]
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=2048, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    return data.Source.of("squad", documents, tokenizer, rng, cloze=True), tokenizer, [n.lower() for n in NAMES]


SOURCE, TOKENIZER, WORDS = made()
SHARES = dict(squad=1, synthetic=1)


def test_words_that_are_shared():
    texts = ["The oak of Hill End.", "It is old, the people say.", "An elm, and an OAK!", "Nothing here", "The end of the elm"]
    asked = ["the people's elm", "Oak?"]
    pool = torch.full((len(texts), 24), data.PAD)
    for c, text in enumerate(texts):
        ids = TOKENIZER.encode(text).ids
        pool[c, : len(ids)] = torch.tensor(ids)
    exact = lexical.Index(TOKENIZER, pool, [0, 3]).scores(asked, "cpu")
    rare = lambda n: math.log(1 + (5 - n + 0.5) / (n + 0.5))
    the, people, elm, oak = rare(3), rare(1), rare(2), rare(2)
    want = [
        [the + people / 2, the + people + elm / 2, elm + people / 2 + the / 2, the / 2 + elm / 2, the + elm],
        [oak, oak / 2, oak, 0, 0],
    ]
    assert np.allclose(exact, want, atol=1e-5), (exact, want)
    many = lambda texts: torch.tensor([lexical.buckets(t) for t in texts], dtype=torch.int16)
    follows = torch.tensor([False, True, True, False, True])
    assert torch.allclose(lexical.in_training(many(asked), many(texts), follows, torch.float32), exact, atol=1e-5)
    scores = torch.tensor([[-1.0, -2, -3, -4, -5, -6, -7, -8, -9, -1e4]])
    fused = lexical.fuse(scores, torch.arange(10.0)[None])
    assert torch.allclose(fused, torch.tensor([[-1.0, -1.6, -2.2, -2.8, -3.4, -4.0, -4.6, -5.2, -4.8, -1e4]]))


def batch(seed=1):
    return pools.Batcher([SOURCE], SHARES, CFG, TOKENIZER, WORDS, seed).make(12, 40, 6, 4, None, 3, 4, 0.4)


def tensors(b):
    return {k: v if isinstance(v, int) else torch.as_tensor(v) for k, v in b.items()}


def test_sources_are_read_as_they_were_written():
    arrays = SOURCE.arrays()
    again = data.Source.from_arrays("squad", arrays)
    for field in data.Source.FIELDS:
        assert np.array_equal(getattr(again, field), getattr(SOURCE, field)), field
    assert again.texts == SOURCE.texts
    for (i, j), text in zip(again.spans, again.texts):
        assert TOKENIZER.decode(again.tokens[i:j].tolist()).strip().isdigit() == text.startswith("When")


def test_what_a_batch_says_of_places_is_so():
    kinds = set()
    for seed in range(40):
        b = batch(seed)
        text = b["ids"][:, CFG["segment_overlap"] :].reshape(-1)
        comma = TOKENIZER.token_to_id(",")
        for r in range(b["rows"]):
            kind = pools.KINDS[b["kind"][r]]
            kinds.add(kind)
            n = b["last"][r]
            assert b["qs"][r, 0] == data.QUESTION and b["qs"][r, n] == data.ANSWER and b["use"][r].sum() == n + (b["target"][r] >= 0).sum()
            targets = [(w, t) for w, t in enumerate(b["target"][r]) if t >= 0]
            assert targets[-1][1] == data.END and targets[0][0] == n
            for w, t in targets[:-1]:
                assert text[b["gold"][r, w]] == t or t == comma
                assert b["qs"][r, w + 1] == t
            first, end = b["own"][r] * CFG["chunk_size"]
            assert ((b["gold"][r] < 0) | (first <= b["gold"][r]) & (b["gold"][r] < end)).all()
            assert end - first == len(text) or kind in pools.OWN
            needed = b["gold"][r][b["gold"][r] >= 0] // CFG["chunk_size"]
            apart = b["apart_chunks"][needed]
            assert (b["apart"][r] > 0) == (kind in pools.APART) and (b["apart"][r] == 0 or (apart == b["apart"][r]).all())
            if kind in ("edited", "foreign"):
                assert len(targets) == 1 and (b["gold"][r] < 0).all()
        assert np.array_equal(batch(seed)["qs"], b["qs"])
    assert {"real", "generated", "cloze", "foreign", "needle", "table", "world", "track", "values"} <= kinds, kinds


def test_a_question_about_a_world_is_not_asked_of_other_worlds():
    bank = losses.Bank(2, 4, 4, CFG["chunk_size"])
    bank.real[:], bank.apart[0] = True, True
    b = dict(own=torch.tensor([[0, 4]] * 3), apart=torch.tensor([0, 1, 2]), apart_chunks=torch.tensor([0, 1, 2, 0]))
    pool, before = losses.asked_of(b | dict(real=torch.ones(4, dtype=torch.bool)), bank)
    assert pool.tolist() == [[True] * 4, [True, True, False, True], [True, False, True, True]]
    assert before.tolist() == [[True, True], [False, True], [False, True]]


def test_windows_read_densely_are_those_read_by_gathering():
    torch.manual_seed(1)
    model = Ramba(CFG).eval()
    n, v = 3, reread.WINDOWS
    x, use = torch.randn(n, 20, 64), torch.ones(n, 20, dtype=torch.bool)
    memory = model.memories(torch.randn(n, v * CFG["chunk_size"], 64))
    own = torch.arange(n * v)[None] // v == torch.arange(n)[:, None]
    one, [(scores, _, _, _)] = model.answer(x, use, memory, own.repeat_interleave(20, 0))
    two, own_scores, _ = model.answer_own(x, memory, torch.ones(n, v, dtype=torch.bool))
    assert torch.allclose(one.view_as(two), two, atol=1e-5)
    assert torch.allclose(scores.view(n, 20, n * v)[1, :, v : 2 * v], own_scores[1], atol=1e-5)


def test_gathering_by_embedding_is_gathering_by_chunk():
    """The GPU's way and the CPU's way to read chunks, and their gradients."""
    torch.manual_seed(1)
    hsa = Ramba(CFG).upper[1]
    x, ids, weights = torch.randn(9, 64), torch.randint(0, 12, (9, 8)), torch.rand(9, 8).softmax(-1)
    order = ids.flatten().argsort(stable=True)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    results = []
    for plan in (None, (back, order // 8, ids.flatten().bincount(minlength=12).tolist())):
        keys, values = (torch.randn(12, 64, 1, 32, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (1, 2))
        out, attention = hsa(x, keys, values, ids, weights, plan)
        out.square().sum().backward()
        results.append((out.detach(), attention.detach(), keys.grad, values.grad))
    for a, b in zip(*results):
        assert torch.allclose(a, b, atol=1e-5)


def test_chunks_to_look_at_again_hold_the_answer_or_none_of_it():
    seen = dict(lost=0, fewer=0, before=0)
    for seed in range(8):
        b = tensors(batch(seed))
        torch.manual_seed(seed)
        pick = torch.arange(b["asked"])
        pool = len(b["real"])
        there = torch.cat([b["real"], torch.arange(30) % 3 > 0])  # thirty of the bank, a third of them not to be shown
        every = torch.randn(len(b["qs"]), pool + 30).masked_fill(~there[None], -1e4)
        chunks, lost = losses.choose(b, pick, every, CFG["chunk_size"], 0.3)
        for r in range(len(pick)):
            shown = [c for c in chunks[r].tolist() if c >= 0]
            needed = {int(g) // CFG["chunk_size"] for g in b["gold"][r] if g >= 0}
            assert shown and len(set(shown)) == len(shown) and all(there[c] for c in shown)
            if lost[r]:
                seen["lost"] += 1
                assert needed and not needed & set(shown)
            elif len(needed) <= reread.MOST:
                assert needed <= set(shown)
            seen["fewer"] += len(shown) < reread.MOST
            seen["before"] += max(shown) >= pool
    assert seen["lost"] > 20 and seen["fewer"] > 50 and seen["before"] > 50


def test_what_a_reader_expects_is_mixed_in_only_where_it_is_known():
    logits, target = torch.randn(4, 10), torch.tensor([1, 2, 3, 4])
    some, share = torch.zeros(4, 2, dtype=torch.long), torch.zeros(4, 2)
    plain = losses.cross_entropy(logits, target, torch.ones(4), some, share, 0.5)
    assert torch.allclose(plain, torch.nn.functional.cross_entropy(logits, target))
    some[:, 0], share[:, 0] = target, 1  # a reader that is sure of the right one changes nothing
    assert torch.allclose(losses.cross_entropy(logits, target, torch.ones(4), some, share, 0.5), plain)
    some[:, 0] = 9
    assert not torch.allclose(losses.cross_entropy(logits, target, torch.ones(4), some, share, 0.5), plain)


def test_a_reader_expects_nothing_that_is_not_shown():
    some, share = torch.tensor([[7, 8], [7, 8], [data.END, 8]]), torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
    seen = losses.shown_share(some, share, torch.tensor([[7, 8, 9], [5, 8, 9], [5, 6, 9]]))
    assert torch.allclose(seen, torch.tensor([[0.6, 0.4], [0.0, 1.0], [1.0, 0.0]]))
    assert losses.shown_share(some[:1], share[:1], torch.tensor([[1, 2]])).sum() == 0


def test_the_best_spans_of_a_reader_are_the_best_of_all():
    class Encoding:
        def __init__(self, n):
            self.ids, self.type_ids, self.offsets = list(range(n)), [1] * n, [(i, i + 1) for i in range(n)]

    class Fake(minilm.Reader):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.device = "cpu"

        def batches(self, items, size, shuffle):
            yield list(range(len(items))), [Encoding(30) for _ in items]

        def forward(self, ids, mask, kinds):
            return START, ENDS

    torch.manual_seed(3)
    START, ENDS = torch.randn(2, 30) * 3, torch.randn(2, 30) * 3
    for r, spans in enumerate(Fake().best([("q", "p")] * 2, 4, random.Random(1))):
        s, e = START[r].log_softmax(-1), ENDS[r].log_softmax(-1)
        every = sorted(((float(s[i] + e[j]), i, j + 1) for i in range(30) for j in range(i, min(30, i + 16))), reverse=True)
        assert [(a, b) for a, b, _ in spans] == [(i, j) for _, i, j in every[:4]]


def test_what_a_reader_is_shown_holds_the_answer_where_it_is_said_to():
    chosen = list(range(0, len(SOURCE.texts), 7))
    for k, (question, text, start, end, first) in zip(chosen, teach.windows(SOURCE, chosen, TOKENIZER, random.Random(1))):
        i, j = SOURCE.spans[k]
        encoding = TOKENIZER.encode(text, add_special_tokens=False)
        assert question == SOURCE.texts[k] and text[start:end] == TOKENIZER.decode(SOURCE.tokens[i:j].tolist())
        if np.array_equal(encoding.ids, SOURCE.tokens[first : first + len(encoding.ids)]):
            assert tuple(x + first for x in token_span(encoding, start, end)) == (i, j)


def test_a_readers_answers_get_into_the_batch():
    n = len(SOURCE.texts)
    length = (SOURCE.spans[:, 1] - SOURCE.spans[:, 0])[:, None]
    # A reader that knows: its one answer is the right one.
    SOURCE.alternatives = teach.Alternatives(np.zeros((n, 1), int), length, np.ones((n, 1)))
    try:
        b = next(b for b in map(batch, range(20)) if set(b["kind"].tolist()) & {pools.KINDS.index(k) for k in ("real", "generated")})
    finally:
        SOURCE.alternatives = None
    natural = [r for r in range(b["rows"]) if pools.KINDS[b["kind"][r]] in ("real", "generated")]
    assert natural
    for r in natural:
        at = b["target"][r] >= 0
        assert (b["share"][r, at, 0] == 1).all() and np.array_equal(b["some"][r, at, 0], b["target"][r, at])
    assert b["share"][[r for r in range(b["rows"]) if r not in natural]].sum() == 0


def test_a_checkpoint_in_parts_is_put_together_once():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in ("data.xz", "minilm.npz", "minilm_tokenizer.json", "tokenizer.json"):
            (folder / name).touch()
        whole = os.urandom(2 * leg.PART + 5)
        (folder / "slim").write_bytes(whole)
        assert leg.split(folder / "slim", folder) == len(whole) and (folder / "checkpoint.pt.2").stat().st_size == 5
        leg.join(folder)
        assert (folder / "checkpoint.pt").read_bytes() == whole and not (folder / "checkpoint.pt.0").exists()
        (folder / "checkpoint.pt").write_bytes(b"the next one")
        leg.join(folder)
        assert (folder / "checkpoint.pt").read_bytes() == b"the next one"


def test_a_tiny_model_learns():
    """All losses together on a few batches, again and again: a program that is wired wrongly does not get this far."""
    torch.manual_seed(1)
    model = Ramba(CFG | dict(dropout=0.0))
    hidden = [p for n, p in model.named_parameters() if p.dim() == 2 and "embeddings" not in n]
    other = [p for n, p in model.named_parameters() if not (p.dim() == 2 and "embeddings" not in n)]
    optimizers = Muon(hidden, 0.02, 0.0, torch.bfloat16), torch.optim.AdamW(other, 3e-3, weight_decay=0.0)
    batches = [tensors(batch(s)) for s in range(2)]
    vectors = [torch.nn.functional.normalize(torch.randn(len(b["real"]) + len(b["qs"]), 384), dim=-1) for b in batches]
    bank = losses.Bank(96, CFG["retrieval_dim"], 384, CFG["chunk_size"])
    seen = []
    for step in range(60):
        b, v = batches[step % 2], vectors[step % 2]
        parts, _, _, (lower, memory, q, every) = losses.first_look(model, b, CFG, v, bank, 0.5)
        parts["lm"] = losses.language(model, b, CFG, lower, memory)
        more, _, _ = losses.second_look(model, b, CFG, q, every, bank, 24, 0.1, 0.5)
        parts |= more
        sum(losses.WEIGHTS[k] * p for k, p in parts.items()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        bank.put(losses.chunks_of(b, CFG), memory[2], v[: len(b["real"])], b)
        seen.append({k: float(p.detach()) for k, p in parts.items()})
    mean = lambda part, k: sum(s[k] for s in part) / len(part)
    for k, least in dict(answer=0.7, nce=0.9, embed=0.9, lm=0.8, again=0.7, attend=0.95).items():
        assert mean(seen[-6:], k) < least * mean(seen[:4], k), (k, mean(seen[:4], k), mean(seen[-6:], k))


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_") and (len(sys.argv) < 2 or sys.argv[1] in name):
            test()
            print(name, "passed", flush=True)

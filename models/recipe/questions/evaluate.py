"""SQuAD-shaped questions about many articles read as one document: chunks found, exact match and F1, refusals."""

import itertools
import json
import os
import random
import time

import torch

import edits
import lexical
import reread
import scores
import synthetic
from data import ANSWER, END, LONGEST_QUESTION, PAD, QUESTION, Source, one_line, squad


DEVICE = os.environ.get("RAMBA_DEVICE", "cuda")


def read(model, cfg, documents, batch=128):
    """Documents, as lists of tokens, one after the other; each starts at a chunk of its own. Returns chunks (C, S) and memories."""
    s, z, v = cfg["chunk_size"], cfg["segment_size"], cfg["segment_overlap"]
    parts, tokens = [], []
    for d in documents:
        d = torch.as_tensor(d, dtype=torch.long)
        chunks = -(-len(d) // s)
        x = torch.full((-(-len(d) // z) * z,), PAD)
        x[: len(d)] = d
        x = x.view(-1, z)
        run_in = torch.zeros(len(x), v, dtype=torch.long)
        run_in[1:] = x[:-1, -v:]
        mask = torch.ones(len(x), v + z)
        mask[0, :v] = 0
        both = torch.cat([run_in, x], 1)
        done = 0
        for i in range(0, len(x), batch):
            h = model.read(both[i : i + batch].to(DEVICE), mask[i : i + batch].to(DEVICE))[:, v:]
            memory = model.memories(h)
            keep = min(chunks - done, len(memory[0]))
            parts.append([m[:keep] for m in memory])
            done += keep
        tokens.append(x.view(-1, s)[:chunks])
    return torch.cat(tokens).to(DEVICE), [torch.cat(m) for m in zip(*parts)]


def follow(text, so_far):
    """Places in `text` (a list) just behind `so_far`, wherever it stands there."""
    n = len(so_far)
    return [i + n for i in range(len(text) - n + 1) if text[i : i + n] == so_far] if n else list(range(len(text)))


def write(model, questions, memory, visible, texts, begins=None, longest=16, comma=None):
    """Answers of `questions` (lists of tokens) by copying: each token continues what it has, in the text shown.

    `visible` (R, C) chunks each may read; `texts` a list of tokens for each, or None for free writing; an answer ends only where
    a token that `begins` a word comes next, or goes on with a `comma` and another span. Returns answers, the
    trace of the token that asks, and the probability that the answer ends before it begins.
    """
    rows = [[QUESTION, *q, ANSWER] for q in questions]
    asked = [len(r) - 1 for r in rows]
    answers, done = [[] for _ in rows], [False] * len(rows)
    spans = [0] * len(rows)  # where in its answer the span begins that is being copied
    trace = nothing = None
    for step in range(longest + 1):
        width = max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        use = torch.zeros(len(rows), width, dtype=torch.bool)
        for r, row in enumerate(rows):
            ids[r, : len(row)] = torch.tensor(row)
            use[r, : len(row)] = True
        use = use.to(DEVICE)
        counts = use.sum(1)
        x = model.read(ids.to(DEVICE))
        h, [(scores_, found, weights, _)] = model.answer(x, use, memory, visible.repeat_interleave(counts, 0))
        ends = counts.cumsum(0) - 1
        logits = model.logits(h[ends]).float()
        if step == 0:
            trace = scores_[ends].masked_fill(~visible, -1e4)
            nothing = logits.softmax(-1)[:, END].tolist()
            logits[:, END] = -1e4
        logits = logits.cpu()
        for r in range(len(rows)):
            if done[r]:
                continue
            if texts is None:
                token = int(logits[r].argmax())
            else:
                span = answers[r][spans[r] :]
                following = {texts[r][i] for i in follow(texts[r], span) if i < len(texts[r])}
                allowed = following - {PAD, QUESTION, ANSWER, END}
                if span and (not allowed or any(begins[t] for t in following)):
                    allowed.add(END)
                    if comma is not None and int(logits[r].argmax()) == comma:
                        answers[r].append(comma)
                        rows[r].append(comma)
                        spans[r] = len(answers[r])
                        continue
                if not allowed:
                    done[r] = True
                    continue
                allowed = sorted(allowed)
                token = allowed[int(logits[r][allowed].argmax())]
            if token == END or len(answers[r]) >= longest:
                done[r] = True
            else:
                answers[r].append(token)
                rows[r].append(token)
        if all(done):
            break
    return answers, trace, nothing


def again(model, cfg, questions, best, pool):
    """Windows of the chunks `best` (R, MOST), their memories, what each question may see, and the text as lists."""
    n, s = len(questions), cfg["chunk_size"]
    lengths = torch.tensor([len(q) for q in questions]).to(DEVICE)
    padded = torch.zeros(n, max(map(len, questions)), dtype=torch.long)
    for r, q in enumerate(questions):
        padded[r, : len(q)] = torch.as_tensor(q)
    ids, shown = reread.lay_out(padded.to(DEVICE), lengths, best, pool, s)
    memory = model.memories(model.read(ids))
    owner = torch.arange(n * reread.WINDOWS, device=DEVICE) // reread.WINDOWS
    visible = owner[None] == torch.arange(n, device=DEVICE)[:, None]
    texts = [[t for c in row if c >= 0 for t in pool[c].tolist()] for row in shown.tolist()]
    return memory, visible, texts


def found(trace, most):
    """The best chunks (R, MOST) of a trace, of which `most` are taken; -1 for none."""
    best = trace.topk(min(reread.MOST, trace.shape[1]), -1).indices
    best = torch.nn.functional.pad(best, (0, reread.MOST - best.shape[1]), value=-1)
    best[:, most:] = -1
    return best


def begins_word(tokenizer, cfg):
    """Of each token, whether a word begins with it (a space is written as a letter beyond ASCII); and the comma."""
    names = [tokenizer.id_to_token(i) or "" for i in range(cfg["vocab_size"])]
    return [not (n[:1].isascii() and n[:1].isalnum()) for n in names], tokenizer.token_to_id(",")


class Library:
    """Documents that were read, one after the other; questions are asked of all of them."""

    def __init__(self, model, cfg, tokenizer, documents):
        self.model, self.cfg, self.tokenizer = model, cfg, tokenizer
        self.begins, self.comma = begins_word(tokenizer, cfg)
        self.pool, self.memory = read(model, cfg, documents)
        starts = [0]
        for d in documents[:-1]:
            starts.append(starts[-1] - -len(d) // cfg["chunk_size"])
        self.index = lexical.Index(tokenizer, self.pool, starts)

    def first(self, questions, longest=16):
        """Answers of the first look, and the trace of the token that asks."""
        visible = torch.ones(1, len(self.pool), dtype=torch.bool, device=DEVICE).expand(len(questions), -1)
        answers, trace, _ = write(self.model, questions, self.memory, visible, None, longest=longest)
        return answers, trace

    def fused(self, questions, trace):
        """What chunks are worth to the second look: the trace, and the words that they share with the question."""
        texts = self.tokenizer.decode_batch([list(q) for q in questions])
        return lexical.fuse(trace.float().log_softmax(-1), self.index.scores(texts, trace.device))

    def second(self, questions, chunks, longest=16):
        """Answers out of `chunks` (R, MOST), and the probability of each that there is none."""
        view = again(self.model, self.cfg, questions, chunks, self.pool)
        answers, _, nothing = write(self.model, questions, *view, self.begins, longest, self.comma)
        return answers, nothing

    def nothing(self, questions, most, size=100):
        """Probability of each question that the documents do not answer it."""
        out = []
        for at in range(0, len(questions), size):
            part = questions[at : at + size]
            out += self.second(part, found(self.fused(part, self.first(part, 0)[1]), most), 0)[1]
        return out


def squad_library(model, cfg, tokenizer, articles, distract=None):
    """SQuAD's articles as documents, and their questions: (tokens, chunks that hold the answer, answers, text)."""
    source, s = Source.of("dev", squad(articles), tokenizer, random.Random(1)), cfg["chunk_size"]
    documents, starts, base = [], [], 0
    for a, b in zip(source.ends.tolist(), source.ends[1:].tolist()):
        documents.append(source.tokens[a:b].astype("int64"))
        starts.append(base * s - a)
        base += -(-(b - a) // s)
    gold = {}
    for _, paragraphs in articles:
        for _, questions in paragraphs:
            for q, answers in questions:
                gold.setdefault(one_line(q), [x for x, _ in answers])
    if distract is not None:
        documents.append(distract)
    items = []
    for (i, j), text in zip(source.spans.tolist(), source.texts):
        d = int((source.ends <= i).sum()) - 1
        question = tokenizer.encode(" " + text, add_special_tokens=False).ids[:LONGEST_QUESTION]
        items.append((question, {(i + starts[d]) // s, (j - 1 + starts[d]) // s}, gold[text], text))
    random.Random(7).shuffle(items)
    return Library(model, cfg, tokenizer, documents), items


def refusals(library, tokenizer, present, groups, most, count):
    """With the limit that refuses 10 % of `present` questions: the limit, and the share of each group that it refuses."""
    encode = lambda texts: [e.ids[:LONGEST_QUESTION] for e in tokenizer.encode_batch([" " + t for t in texts[:count]], add_special_tokens=False)]
    has = sorted(library.nothing(present, most))
    limit = has[min(len(has) - 1, int(len(has) * 0.9))]
    out = dict(limit=round(limit, 4))
    for name, texts in groups.items():
        lacks = library.nothing(encode(texts), most)
        out[name] = round(sum(x > limit for x in lacks) / max(1, len(lacks)), 3)
    return out


@torch.no_grad()
def evaluate(model, cfg, tokenizer, articles, count, distract=None, impossible=None, mosts=(6, 3), verbose=6):
    """Over `count` questions: the right chunk first, among three, six and eight, by the model (top) and with the words that are shared (fused); exact match and F1 of the first look (em1, f1), of the second
    look at so many chunks (em2/6, …), and at the right chunk alone (emp, fp); with `impossible` also how many it refuses."""
    total = {}
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        library, items = squad_library(model, cfg, tokenizer, articles, distract)
        items = items[:count]
        for at in range(0, len(items), 100):
            part = items[at : at + 100]
            questions = [q for q, *_ in part]
            first, trace = library.first(questions)
            fused = library.fused(questions, trace)
            best = {"top": trace, "fused": fused}
            best = {name: x.topk(min(8, x.shape[1]), -1).indices.tolist() for name, x in best.items()}
            said = {"1": first} | {f"2/{m}": library.second(questions, found(fused, m))[0] for m in mosts}
            right = torch.full((len(part), reread.MOST), -1)
            for r, (_, chunks, *_) in enumerate(part):
                right[r, : len(chunks)] = torch.tensor(sorted(chunks))
            said["p"] = library.second(questions, right.to(DEVICE))[0]
            for r, (_, chunks, answers, text) in enumerate(part):
                for name, k in itertools.product(best, (1, 3, 6, 8)):
                    total[f"{name}{k}"] = total.get(f"{name}{k}", 0) + bool(chunks & set(best[name][r][:k]))
                for name, rows in said.items():
                    answer = tokenizer.decode(rows[r]).strip()
                    total[f"em{name}"] = total.get(f"em{name}", 0) + max(scores.exact(answer, a) for a in answers)
                    total[f"f{name}"] = total.get(f"f{name}", 0) + max(scores.f1(answer, a) for a in answers)
                if at + r < verbose:
                    shown = [tokenizer.decode(said[name][r]) for name in ("1", f"2/{mosts[-1]}", "p")]
                    print("   ", " | ".join([text, *shown, str(answers[:2])]), flush=True)
        result = {k: round(v / len(items), 3) for k, v in total.items()}
        result["chunks"] = len(library.pool)
        if impossible is not None:
            titles = {t.replace("_", " ") for t, _ in articles}
            others = [one_line(q) for t, q in json.load(open(impossible)) if t.replace("_", " ") in titles]
            random.Random(7).shuffle(others)
            result["refused"] = refusals(library, tokenizer, [q for q, *_ in items], dict(squad2=others), mosts[-1], count)
    return result


@torch.no_grad()
def calibrate(model, cfg, tokenizer, articles, count, most=3):
    """The limit of "not in the document", chosen on articles of the training part that were not trained on: half of them are the
    document, and questions about the other half, or with something in them exchanged, are to be refused."""
    half = len(articles) // 2 or 1
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        library, items = squad_library(model, cfg, tokenizer, articles[:half])
        rng, edited = random.Random(3), []
        for _, paragraphs in articles[:half]:
            names = [n for _, questions in paragraphs for q, _ in questions for n in edits.names(q)]
            for text, questions in paragraphs:
                edited += [e for q, _ in questions if (e := edits.impossible(rng, one_line(q), text, names))]
        rng.shuffle(edited)
        foreign = [one_line(q) for _, paragraphs in articles[half:] for _, questions in paragraphs for q, _ in questions]
        rng.shuffle(foreign)
        return refusals(library, tokenizer, [q for q, *_ in items[:count]], dict(foreign=foreign, edited=edited), most, count)


@torch.no_grad()
def generated(model, cfg, tokenizer, words, filler, until, kinds=None, count=40, most=6):
    """Share of generated questions, by kind, that are answered exactly, by the first and by the second look, in documents of
    2,000 tokens; as many of `count` documents as there is time for until `until`."""
    rng, scored = random.Random(99), {}
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        for i in range(count):
            if time.time() > until:
                break
            p = rng.randrange(max(1, len(filler) - 2000))
            document = synthetic.document(rng, words, tokenizer.decode(filler[p : p + 2000].tolist()).replace("\ufffd", ""), kinds)
            asked = [q for q in document.questions if q.answers][:8]
            if not asked:
                continue
            library = Library(model, cfg, tokenizer, [tokenizer.encode(document.text, add_special_tokens=False).ids])
            questions = [tokenizer.encode(" " + q.text, add_special_tokens=False).ids for q in asked]
            first, trace = library.first(questions, 48)
            second, _ = library.second(questions, found(library.fused(questions, trace), most), 48)
            for q, one, two in zip(asked, first, second):
                want = ",".join(document.text[a:b] for a, b in q.answers)
                same = lambda t: "".join(tokenizer.decode(t).split()) == "".join(want.split())
                row = scored.setdefault(q.kind, [0, 0, 0])
                row[0] += 1
                row[1] += same(one)
                row[2] += same(two)
    return {k: (n, round(a / n, 2), round(b / n, 2)) for k, (n, a, b) in sorted(scored.items())}

"""SQuAD-shaped questions about many articles read as one document: chunks found, exact match and F1, refusals."""

import json
import os
import random

import torch

import reread
import scores
from data import ANSWER, END, LONGEST_QUESTION, PAD, QUESTION, Source, squad


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


def write(model, questions, memory, visible, texts, begins=None, longest=16):
    """Answers of `questions` (lists of tokens) by copying: each token continues what it has, in the text shown.

    `visible` (R, C) chunks each may read; `texts` a list of tokens for each, or None for free writing; an answer ends only where
    a token that `begins` a word comes next. Returns answers, the
    trace of the token that asks, and the probability that the answer ends before it begins.
    """
    rows = [[QUESTION, *q, ANSWER] for q in questions]
    asked = [len(r) - 1 for r in rows]
    answers, done = [[] for _ in rows], [False] * len(rows)
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
                following = {texts[r][i] for i in follow(texts[r], answers[r]) if i < len(texts[r])}
                allowed = following - {PAD, QUESTION, ANSWER, END}
                if answers[r] and (not allowed or any(begins[t] for t in following)):
                    allowed.add(END)
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


@torch.no_grad()
def evaluate(model, cfg, tokenizer, articles, count, distract=None, impossible=None, verbose=6):
    """Over `count` questions: chunk first / among 8, F1 and exact match when the first pass answers, when the second one does, and
    when it is shown the paragraph's chunks; with `impossible` also how well the second pass tells questions without an answer."""
    source = Source("dev", squad(articles), tokenizer, random.Random(1))
    s = cfg["chunk_size"]
    documents, places = [], []
    base = 0
    starts = {}
    for i, (a, b) in enumerate(zip(source.ends, source.ends[1:])):
        documents.append(source.tokens[a:b])
        starts[i] = base * s - int(a)
        base += -(-(int(b) - int(a)) // s)
    gold = {}
    for (title, paragraphs), a in zip(articles, source.ends):
        for text, questions in paragraphs:
            for q, answers in questions:
                gold.setdefault(q.strip(), [x for x, _ in answers])
    if distract is not None:
        documents.append(distract)
    names = [tokenizer.id_to_token(i) or "" for i in range(cfg["vocab_size"])]
    begins = [not (n[:1].isascii() and n[:1].isalnum()) for n in names]  # a space is written as a letter beyond ASCII
    result = {}
    with torch.autocast(DEVICE, torch.bfloat16):
        pool, memory = read(model, cfg, documents)
        order = list(range(len(source.texts)))
        random.Random(7).shuffle(order)
        items = []
        for k in order[:count]:
            i, j = source.spans[k]
            d = int((source.ends <= i).sum()) - 1
            items.append((source.questions[k][:LONGEST_QUESTION].tolist(), {(i + starts[d]) // s, (j - 1 + starts[d]) // s}, gold[source.texts[k]], source.texts[k]))
        total = dict(top1=0, top6=0, top8=0, em1=0, f1=0, em2=0, f2=0, emp=0, fp=0)
        present, absent = [], []
        for at in range(0, len(items), 100):
            part = items[at : at + 100]
            questions = [q for q, *_ in part]
            visible = torch.ones(1, len(pool), dtype=torch.bool, device=DEVICE).expand(len(part), -1)
            first, trace, _ = write(model, questions, memory, visible, None)
            best = trace.topk(8, -1).indices
            view = again(model, cfg, questions, best[:, : reread.MOST], pool)
            second, _, nothing = write(model, questions, *view, begins)
            present += nothing
            near = torch.full((len(part), reread.MOST), -1, dtype=torch.long)
            for r, (_, chunks, *_) in enumerate(part):
                c = sorted(chunks)
                around = [*c, c[0] - 1, c[-1] + 1]
                around = [x for x in around if 0 <= x < len(pool)][:4]
                near[r, : len(around)] = torch.tensor(around)
            shown, *_ = write(model, questions, *again(model, cfg, questions, near.to(DEVICE), pool), begins)
            for r, (_, chunks, answers, text) in enumerate(part):
                got = best[r].tolist()
                total["top1"] += got[0] in chunks
                total["top6"] += bool(chunks & set(got[:6]))
                total["top8"] += bool(chunks & set(got))
                for tokens, e, f in ((first[r], "em1", "f1"), (second[r], "em2", "f2"), (shown[r], "emp", "fp")):
                    said = tokenizer.decode(tokens).strip()
                    total[e] += max(scores.exact(said, a) for a in answers)
                    total[f] += max(scores.f1(said, a) for a in answers)
                if at + r < verbose:
                    print("   ", text, "|", tokenizer.decode(first[r]), "|", tokenizer.decode(second[r]), "|", answers[:2], flush=True)
        result = {k: round(v / len(items), 3) for k, v in total.items()}
        if impossible is not None:
            titles = {t.replace("_", " ") for t, _ in articles}
            others = [q for t, q in json.load(open(impossible)) if t.replace("_", " ") in titles]
            random.Random(7).shuffle(others)
            encoded = [e.ids[:LONGEST_QUESTION] for e in tokenizer.encode_batch([" " + q.strip() for q in others[:count]], add_special_tokens=False)]
            for at in range(0, len(encoded), 100):
                questions = encoded[at : at + 100]
                visible = torch.ones(1, len(pool), dtype=torch.bool, device=DEVICE).expand(len(questions), -1)
                _, trace, _ = write(model, questions, memory, visible, None, longest=0)
                best = trace.topk(8, -1).indices
                absent += write(model, questions, *again(model, cfg, questions, best[:, : reread.MOST], pool), begins, longest=0)[2]
            limit = sorted(present)[int(len(present) * 0.9)]
            result["refused_of_absent_at_10"] = round(sum(x > limit for x in absent) / max(1, len(absent)), 3)
        result["chunks"] = len(pool)
    return result

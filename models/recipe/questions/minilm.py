"""all-MiniLM-L6-v2 in PyTorch: the teacher of landmarks and question vectors, and, fine-tuned, a reader that checks questions."""

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer


def load(npz, **options):
    """The encoder with the weights of `npz` (int8 word embeddings by rows, everything else f16)."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536,
        max_position_embeddings=512, **options,
    )
    model = BertModel(config, add_pooling_layer=False)
    file, state = np.load(npz), {}
    for name in file.files:
        if name.endswith(".q"):
            scale = file[name[:-2] + ".s"]
            state[name[:-2]] = torch.from_numpy(file[name].astype(np.float32) * scale)
        elif not name.endswith(".s"):
            state[name] = torch.from_numpy(file[name].astype(np.float32))
    state = {name.removeprefix("bert."): tensor for name, tensor in state.items()}
    result = model.load_state_dict(state, strict=False)
    missing = [name for name in result.missing_keys if "position_ids" not in name]
    assert not missing, missing
    return model


def pad(encodings, extra=()):
    """Token ids and mask (n, longest) of encodings, and further lists of each."""
    width = max(len(e.ids) for e in encodings)
    ids = np.zeros((len(encodings), width), np.int64)
    mask = np.zeros((len(encodings), width), np.int64)
    kinds = np.zeros((len(encodings), width), np.int64)
    for i, e in enumerate(encodings):
        ids[i, : len(e.ids)] = e.ids
        mask[i, : len(e.ids)] = 1
        kinds[i, : len(e.ids)] = e.type_ids
    return ids, mask, kinds


class Teacher:
    """Sentence embeddings (n, 384) of norm 1: the mean over tokens."""

    def __init__(self, npz, tokenizer, device):
        self.model = load(npz).to(device).half().eval()
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(128)
        self.tokenizer.no_padding()
        self.device = device

    @classmethod
    def of(cls, model, device):
        """Around a model; texts are cut into tokens elsewhere."""
        self = cls.__new__(cls)
        self.model, self.device = model, device
        return self

    def tokens(self, texts):
        ids, mask, _ = pad(self.tokenizer.encode_batch([t if t.strip() else "." for t in texts]))
        return ids, mask

    @torch.no_grad()
    def embed(self, ids, mask):
        out = []
        for i in range(0, len(ids), 1024):
            a = torch.as_tensor(ids[i : i + 1024]).to(self.device)
            b = torch.as_tensor(mask[i : i + 1024]).to(self.device)
            h = self.model(a, attention_mask=b).last_hidden_state.float()
            b = b[..., None].float()
            out.append(F.normalize((h * b).sum(1) / b.sum(1), dim=-1))
        return torch.cat(out)

    def __call__(self, texts):
        return torch.cat([self.embed(*self.tokens(texts[i : i + 4096])) for i in range(0, len(texts), 4096)])


class Reader(torch.nn.Module):
    """Start and end of an answer in a passage: [CLS] question [SEP] passage [SEP]."""

    def __init__(self, npz, tokenizer, device):
        super().__init__()
        self.encoder = load(npz, attn_implementation="sdpa").to(device)
        self.head = torch.nn.Linear(384, 2, device=device)
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(320, strategy="only_second")
        self.tokenizer.no_padding()
        self.device = device

    def forward(self, ids, mask, kinds):
        h = self.encoder(ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state
        return self.head(h).float().masked_fill((kinds * mask)[..., None] == 0, -1e4).unbind(-1)

    def batches(self, items, size, shuffle):
        """Items of alike length together: (indices, encodings)."""
        encodings = self.tokenizer.encode_batch([(q, p) for q, p, *_ in items])
        order = sorted(range(len(items)), key=lambda i: len(encodings[i].ids) + shuffle.random() * 8)
        groups = [order[i : i + size] for i in range(0, len(order), size)]
        shuffle.shuffle(groups)
        for group in groups:
            yield group, [encodings[i] for i in group]

    def fit(self, items, epochs, rng, size=192, rate=2e-4, log=print):
        """Items (question, passage, start, end), in characters of the passage."""
        adam = torch.optim.AdamW(self.parameters(), rate, weight_decay=0.01, fused=self.device == "cuda")
        total, step, mean = epochs * -(-len(items) // size), 0, 0.0
        self.train()
        for _ in range(epochs):
            for group, encodings in self.batches(items, size, rng):
                spans = [span(e, *items[i][2:4]) for i, e in zip(group, encodings)]
                keep = [k for k, s in enumerate(spans) if s]
                target = torch.tensor([spans[k] for k in keep]).to(self.device)
                ids, mask, kinds = (torch.as_tensor(x).to(self.device) for x in pad([encodings[k] for k in keep]))
                with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                    start, end = self(ids, mask, kinds)
                loss = (F.cross_entropy(start, target[:, 0]) + F.cross_entropy(end, target[:, 1])) / 2
                for g in adam.param_groups:
                    g["lr"] = rate * min(1, (step + 1) / 50) * (1 - step / total) + 1e-6
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                adam.step()
                adam.zero_grad(set_to_none=True)
                step += 1
                if step % 20 == 0:
                    mean = mean * 0.8 + loss.item() * 0.2
                if step % 200 == 0:
                    log(f"reader {step}/{total} loss {mean:.3f}")

    @torch.no_grad()
    def best(self, items, count, rng, size=1024, longest=16):
        """The `count` best spans of up to 16 tokens of each (question, passage), best first: [[(start, end, log-probability)]]."""
        self.eval()
        out = [None] * len(items)
        for part in range(0, len(items), 100_000):
            for group, encodings in self.batches(items[part : part + 100_000], size, rng):
                ids, mask, kinds = (torch.as_tensor(x).to(self.device) for x in pad(encodings))
                with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                    start, end = (x.log_softmax(-1) for x in self(ids, mask, kinds))
                n = start.shape[1]
                # Spans by first token and length, not by all pairs of tokens.
                later = torch.nn.functional.pad(end, (0, longest - 1), value=-1e9).unfold(1, longest, 1)  # (rows, n, longest)
                best, where = (start[:, :, None] + later).flatten(1).topk(count, -1)
                for k, e, b, w in zip(group, encodings, best.tolist(), where.tolist()):
                    out[part + k] = [(e.offsets[x // longest][0], e.offsets[min(x // longest + x % longest, len(e.ids) - 1)][1], p) for x, p in zip(w, b)]
        return out

    def read(self, items, rng):
        """The best span of each (question, passage): [(start, end, log-probability)]."""
        return [spans[0] for spans in self.best(items, 1, rng)]


def span(encoding, start, end):
    """Token span of the characters start..end of the passage, or None where it was cut away."""
    inside = [
        i for i, (a, b) in enumerate(encoding.offsets) if encoding.type_ids[i] == 1 and b > start and a < end and b > a
    ]
    return (inside[0], inside[-1]) if inside else None

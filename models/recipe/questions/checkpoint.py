"""Checkpoints: f16 weights, optimizer states in eight bits; new models, and models that grow."""

import json

import torch
from tokenizers import Tokenizer

import minilm
from model import Ramba


def pack(tensor):
    """int8 by rows: optimizer states need no more."""
    scale = tensor.abs().amax(-1, keepdim=True).clamp(min=1e-20) / 127 if tensor.dim() else tensor.abs().clamp(min=1e-20) / 127
    return (tensor / scale).round().to(torch.int8).cpu(), scale.float().cpu()


def unpack(packed, device):
    return packed[0].float().to(device) * packed[1].to(device)


def save(path, cfg, average, names, muon, adam, **more):
    """`average`: weights by name; `more`: whatever else is worth keeping."""
    state = {k: v.half().cpu() for k, v in average.items() if k.startswith("backbone.")}
    moments = {}
    for name, p in names.items():
        s = muon.state.get(p) or adam.state.get(p) or {}
        if "momentum" in s:
            moments[name] = [pack(s["momentum"])]
        elif "exp_avg" in s:
            moments[name] = [pack(s["exp_avg"]), pack(s["exp_avg_sq"].sqrt()), float(s["step"])]
    whole = dict(config={k: v for k, v in cfg.items() if k != "dropout"}, state=state, moments=moments, **more)
    torch.save(whole, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def restore(moments, names, muon_params, muon, adam, device):
    hidden = set(map(id, muon_params))
    for name, p in names.items():
        m = moments.get(name)
        if m and m[0][0].shape == p.shape:
            if id(p) in hidden:
                muon.state[p]["momentum"] = unpack(m[0], device)
            else:
                adam.state[p] = dict(exp_avg=unpack(m[0], device), exp_avg_sq=unpack(m[1], device).square(), step=torch.tensor(m[2]).to(device))


def grow(state, cfg, layers):
    """More encoder layers behind those there are; their output projections are zero, so that nothing changes at first."""
    prefix = f"backbone.layers.{cfg['num_lower_layers']}.encoder.layers."
    have = cfg["encoder_layers"]
    for i in range(have, layers):
        for name in [n for n in state if n.startswith(f"{prefix}{have - 1}.")]:
            t = state[name].clone()
            if "o_proj" in name or "down_proj" in name:
                t.zero_()
            state[name.replace(f"{prefix}{have - 1}.", f"{prefix}{i}.")] = t
    cfg["encoder_layers"] = layers


def new(config, folder, seed):
    """A checkpoint of random weights, with token embeddings that are the means of MiniLM's for the pieces of each token."""
    cfg = json.loads(config.read_text())
    torch.manual_seed(seed)
    model = Ramba(cfg)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = Tokenizer.from_file(str(folder / "minilm_tokenizer.json"))
    words.no_padding()
    table = minilm.load(folder / "minilm.npz").embeddings.word_embeddings.weight.detach()
    texts = [tokenizer.decode([i]).strip() or "." for i in range(cfg["vocab_size"])]
    pieces = [words.encode(t, add_special_tokens=False).ids or [100] for t in texts]
    rows = torch.stack([table[p].mean(0) for p in pieces])[:, : cfg["hidden_size"]]
    rows = (rows - rows.mean(0)) / rows.std() * cfg["hidden_size"] ** -0.5
    own = model.backbone.embeddings.weight.data
    own.copy_(rows + 0.2 * cfg["hidden_size"] ** -0.5 * torch.randn_like(own))
    return dict(config=cfg, state=model.state())

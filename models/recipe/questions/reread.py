"""Reading again with the question in sight.

The chunks that a question finds are laid out anew, in windows of one chunk's size that begin with the question:

    [question] q [end] 48 tokens of the chunks' text | [question] q [end] the next 48 tokens | …

The windows are one segment: the recurrence carries the question and the text before, and the chunk encoder sees question
and text together. Then the question is asked once more, of the memories of these windows alone.
"""

import torch

from data import END, PAD, QUESTION

WINDOWS = 8
MOST = 6  # chunks


def lay_out(questions, lengths, chunks, pool, size):
    """Windows for R questions.

    questions (R, L), the first `lengths` (R) of each are its tokens; chunks (R, MOST) ids in order of preference, -1 for
    none; pool (C, S) tokens. Returns ids (R, WINDOWS * size), shown (R, MOST): the chunks in order of position, -1 for none.
    """
    r, device = len(questions), questions.device
    head = lengths + 2
    fit = (WINDOWS * (size - head)) // size  # whole chunks that have room
    rank = torch.arange(MOST, device=device)
    big = torch.iinfo(torch.long).max
    shown = torch.where((rank[None] < fit[:, None]) & (chunks >= 0), chunks, big).sort(-1).values
    shown = torch.where(shown == big, -1, shown)
    w = torch.arange(WINDOWS, device=device)[None, :, None]
    o = torch.arange(size, device=device)[None, None]
    h = head[:, None, None]
    p = w * (size - h) + o - h  # place in the chunks' text, one after the other
    which = (p.clamp(min=0) // size).clamp(max=MOST - 1)
    chunk = shown.gather(1, which.flatten(1)).view_as(which)
    text = pool.flatten()[(chunk.clamp(min=0) * size + p.clamp(min=0) % size).flatten()].view_as(p)
    text = torch.where((chunk >= 0) & (p < MOST * size), text, PAD)
    q = questions.gather(1, (o - 1).clamp(min=0, max=questions.shape[1] - 1).expand(r, 1, size).flatten(1))
    q = q.view(r, 1, size).expand(r, WINDOWS, size)
    ids = torch.where(o == 0, QUESTION, torch.where(o < h - 1, q, torch.where(o == h - 1, END, text)))
    return ids.flatten(1), shown


def place(gold, shown, lengths, size):
    """Where tokens of the pool (R, T), -1 for none, stand in the windows: window (R, T) and row in it, -1 for nowhere."""
    hit = (gold // size)[:, :, None] == shown[:, None]
    hit = hit & (gold >= 0)[:, :, None]
    p = hit.int().argmax(-1) * size + gold % size
    room = (size - lengths - 2)[:, None]
    ok = hit.any(-1)
    return torch.where(ok, p // room, -1), torch.where(ok, p % room + lengths[:, None] + 2, -1)

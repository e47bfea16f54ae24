"""Words that questions and chunks share, beside the model's own retrieval: which chunks the second look sees.

A word counts by how few chunks hold it (BM25's inverse document frequency); in a chunk whole, in a neighbour of the same document half. The
eight chunks that the model finds keep its log-probabilities, all others have that of the eighth, and the words are added. A runtime does the same:
docs/format.md of the project, `ramba.rereading.lexical_weight`.
"""

import re
import zlib

import torch

from data import PAD

WORD = re.compile(r"[^\W_]+")
WEIGHT = 0.4  # of words against the model's log-probability
NEIGHBOUR = 0.5  # of a word in a chunk beside
FOUND = 8  # chunks that the model finds
BUCKETS = 1 << 14  # of words in training, where two may share one
MOST_WORDS = 64  # of a chunk, or of a question


def words(text):
    return set(WORD.findall(text.lower()))


def buckets(text):
    """The words of a text as numbers below BUCKETS (MOST_WORDS), -1 for none."""
    found = [zlib.crc32(w.encode()) % BUCKETS for w in sorted(words(text))][:MOST_WORDS]
    return found + [-1] * (MOST_WORDS - len(found))


def rarity(count, chunks):
    return torch.log(1 + (chunks - count + 0.5) / (count + 0.5))


def beside(held, follows):
    """Of words in chunks (C, W), 0 or 1: with those of the chunks beside. follows (C): whether a chunk goes on where the one before it ends."""
    out = held.clone()
    f = follows[1:, None].to(held.dtype) * NEIGHBOUR
    out[1:] = out[1:].maximum(held[:-1] * f)
    out[:-1] = out[:-1].maximum(held[1:] * f)
    return out


def held(ids, dtype):
    """Words (N, MOST_WORDS) as rows of 0 and 1 (N, BUCKETS)."""
    out = torch.zeros(len(ids), BUCKETS + 1, dtype=dtype, device=ids.device)
    return out.scatter_(1, torch.where(ids < 0, BUCKETS, ids).long(), 1.0)[:, :BUCKETS]


@torch.no_grad()
def in_training(asked, chunks, follows, dtype=torch.bfloat16):
    """Scores (R, C) of chunks for questions, both as `buckets`."""
    there = held(chunks, dtype)
    count = there.sum(0, dtype=torch.float32)
    wanted = held(asked, torch.float32) * rarity(count, len(chunks))
    return (wanted.to(dtype) @ beside(there, follows).T).float()


def fuse(scores, shared, weight=WEIGHT):
    """Scores of the model (R, C) and of shared words: what chunks are worth. What cannot be seen has to have a score of less than -1000 and keeps it."""
    found = scores.topk(min(FOUND, scores.shape[1]), -1).values[:, -1:]
    return torch.where(scores < -1000, scores, scores.maximum(found) + weight * shared)


class Index:
    """Words of the chunks (C, S) of documents; `starts` are the chunks that documents begin with."""

    def __init__(self, tokenizer, pool, starts):
        texts = tokenizer.decode_batch([[t for t in c if t != PAD] for c in pool.tolist()])
        self.words = [words(t) for t in texts]
        self.follows = torch.ones(len(texts), dtype=torch.bool)
        self.follows[list(starts)] = False

    def scores(self, questions, device):
        """(R, C) for the texts of questions."""
        asked = [words(q) for q in questions]
        number = {w: i for i, w in enumerate(sorted(set().union(*asked)))}
        there = torch.zeros(len(self.words), max(1, len(number)))
        for c, own in enumerate(self.words):
            for w in own & number.keys():
                there[c, number[w]] = 1
        wanted = torch.zeros(len(asked), max(1, len(number)))
        for r, own in enumerate(asked):
            wanted[r, [number[w] for w in own]] = 1
        wanted = wanted * rarity(there.sum(0), len(there))
        return wanted.to(device) @ beside(there, self.follows).to(device).T

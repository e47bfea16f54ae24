"""Muon, for hidden matrices; everything else is AdamW's."""

import torch


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized by Newton-Schulz iterations (Jordan et al. 2024) in `precision`."""

    def __init__(self, params, lr, decay=0.01, precision=torch.float32):
        super().__init__(params, dict(lr=lr, decay=decay, precision=precision))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}  # matrices of one shape are iterated together: one launch instead of one each
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for (rows, columns), ps in alike.items():
                grad = torch.stack([p.grad for p in ps])
                buf = torch.stack([self.state[p].get("momentum", torch.zeros_like(p)) for p in ps])
                buf.lerp_(grad, 0.05)
                g = grad.lerp(buf, 0.95)
                x = g.mT if rows > columns else g
                x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(group["precision"])
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = (x.mT if rows > columns else x).float()
                for p, m, change in zip(ps, buf, x):
                    self.state[p]["momentum"] = m
                    p.mul_(1 - group["lr"] * group["decay"])
                    p.add_(change, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)

"""What the CUDA kernels take of a Jetson, and how long its memory would make them: no GPU is needed.

    python3 benches/resources.py [--nvcc PATH] [--archs 87,110]

Compiles every kernel for Orin (sm_87) and Thor (sm_110) and prints, as Markdown, the registers, shared memory and spills that
ptxas reports, and how many of a multiprocessor's warps can be resident. Then the bytes that one token of the published
370M shape moves, kernel by kernel, and the time that these bytes take at a board's bandwidth: a lower limit, which leaves
out launches. Sources of the boards' limits: CUDA C++ Programming Guide 13.0, table "Technical specifications per compute
capability"; bandwidths of Orin NX (102 GB/s) and AGX Orin (205 GB/s): their data sheets.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[1] / "kernels"
# Registers, warps, blocks and bytes of shared memory of a multiprocessor; bytes of a block.
LIMITS = {"87": (65536, 48, 16, 164 << 10, 163 << 10), "110": (65536, 48, 24, 228 << 10, 227 << 10)}
NAMES = {"87": "Orin, sm_87", "110": "Thor, sm_110"}
BANDWIDTHS = (102, 205)  # GB/s
# Kernels that no board has the multiprocessors for.
ELSEWHERE = ["mamba_blocks"]
# What src/cuda launches, for the 370M shape: threads of a block, bytes of dynamic shared memory. First match wins.
LAUNCHES = [
    (r"(matmul|swiglu)_rows_.*_128", 256, 256 * 128 + 37120),
    (r"(matmul|swiglu)_rows_.*_256", 256, 256 * 256 + 33024),
    (r"(matmul|swiglu)_rows_.*_320", 256, 256 * 320 + 16640),
    (r"matmul_halves_.*_128", 256, 3 * 192 * 128),
    (r"matmul_halves_.*_64", 128, 5 * 192 * 64),
    (r"matmul_wide_less_128", 256, 3 * 208 * 128),
    (r"matmul_wide_less_64", 128, 5 * 208 * 64),
    (r"matmul_wide_128", 256, 3 * 200 * 128),
    (r"matmul_wide_64", 128, 5 * 200 * 64),
    (r"split_.*_any|widen_", 256, 0),
    (r"split_", 128, 0),
    (r"matmul_.*_128", 256, 0),
    (r"matmul_.*_64", 128, 0),
    (r"matvec_odd", 256, 0),
    (r"embed_", 256, 0),
    (r"rms_norm_any", 256, 0),
    (r"rms_norm", 128, 0),
    (r"ssm_step", 288, (2 * 128 + 8) * 4),
    (r"ssm_conv|ssm_history|ssd_states|ssd_out", 128, 0),
    (r"ssd_scan", 256, 0),
    # 65 rows: a tile of 80 on matrix units, one of 33 of heads of 128.
    (r"encoder_attention_.*32", 160, 80 * 8 * 32),
    (r"encoder_attention_.*64", 160, 80 * 8 * 64),
    (r"encoder_attention_any", 128, 4 * (33 * 257 + 16 * (128 + 33) + 64)),
    # The shipped model's: 65 rows, 4 heads.
    (r"attention_whole", 320, 90112),
    (r"mlp_", 256, 73728),
    (r"chunk_memory", 128, 32768),
    (r"mamba_in", 256, 99680),
    (r"mamba_scan", 256, 0),
    (r"mamba_out", 256, 90112 + 4 * 768),
    (r"score_top_k", 128, 4 * 16 * 8 * 8 + 16 * 1024 * 4),
    (r"score_few|select_few", 256, 4 * 1024 + 8 * 8 * 8),
    (r"best_of|select_of", 256, 8 * 8 * 8),
    # Eight of the widest landmarks; a query by 32 directions and lists of 64; 64 queries with their thresholds.
    (r"encode_codes", 256, 8 * 1024 * 4),
    (r"bound_codes", 256, 4 * 36 + 64 * 8),
    (r"codes_within", 256, 64 * (36 + 1) * 4),
    (r"top_logits", 1024, 0),
    (r"hsa_any", 32, (2 * 64 + 64) * 4),
    (r"copy|add_bias|silu_mul|mean_rows", 256, 0),
]


def find_nvcc(given):
    home = os.environ.get("CUDA_HOME")
    for path in (given, os.environ.get("RAMBA_NVCC"), home and f"{home}/bin/nvcc", "nvcc"):
        if not path:
            continue
        try:
            subprocess.run([path, "--version"], check=True, capture_output=True)
            return path
        except (OSError, subprocess.CalledProcessError):
            continue
    sys.exit("no nvcc: name one with --nvcc")


def resources(nvcc, arch):
    """{kernel: (registers, static shared bytes, spilled bytes)} of all files."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(KERNELS.glob("*.cu")):
            if file.stem in ELSEWHERE:
                continue
            command = [nvcc, "-std=c++17", "-O3", "-cubin", f"-arch=sm_{arch}", "-Xptxas", "-v", "-o", f"{folder}/out", file]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            name, spills = None, 0
            for line in done.stderr.splitlines():
                if match := re.search(r"Compiling entry function '(\w+)'", line):
                    name = match[1]
                elif match := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
                    spills = int(match[1]) + int(match[2])
                elif name and (match := re.search(r"Used (\d+) registers", line)):
                    shared = re.search(r"(\d+) bytes smem", line)
                    found[name] = int(match[1]), int(shared[1]) if shared else 0, spills
                    name = None
    return found


def occupancy(arch, registers, threads, shared):
    """Warps resident at once, as a share of the most."""
    all_registers, most_warps, most_blocks, all_shared, of_block = LIMITS[arch]
    if shared > of_block:
        return 0.0
    warps = threads // 32
    per_warp = -(-registers * 32 // 256) * 256  # given out in units of 256
    blocks = min(most_blocks, most_warps // warps, all_registers // (per_warp * warps))
    if shared:
        blocks = min(blocks, all_shared // (shared + 1024))  # the system takes 1 KB of each block's
    return blocks * warps / most_warps


def launch(name):
    if match := re.match(r"hsa_(f16|few)_(\d+)_(\d+)", name):
        kind, d, size = match[1], int(match[2]), int(match[3])
        warps = 1 if kind == "f16" else 2 if d == 128 else 4
        return 32 * warps, warps * 4 * d * size
    if match := re.match(r"matvec_(f32|f16|bf16|q8_0|q4_0|q4_k|q6_k)_(\d)", name):
        # `Cuda::matvec_shared`: 1024 columns, rounded up to whole loads of a warp.
        unit = {"f32": 4, "f16": 8, "bf16": 8, "q8_0": 16}.get(match[1], 32)
        plain, several = unit <= 8, int(match[2])
        ahead = (4 if plain else 1) if several == 4 else (8 if plain else 4) // several
        cols = -(-1024 // (32 * unit * ahead)) * 32 * unit * ahead
        return 256, 4 * cols if plain else cols + cols // 32 * 8
    return next(((threads, dynamic) for pattern, threads, dynamic in LAUNCHES if re.match(pattern, name)), None)


def print_resources(nvcc, archs):
    tables = {arch: resources(nvcc, arch) for arch in archs}
    print("| kernel | threads | " + " | ".join(f"{NAMES[a]}: registers | shared | spilled | warps" for a in archs) + " |")
    print("|---" * (2 + 4 * len(archs)) + "|")
    for name in sorted(tables[archs[0]]):
        if launch(name) is None:
            sys.exit(f"no launch is known for {name}")
        threads, dynamic = launch(name)
        cells = []
        for arch in archs:
            registers, static, spills = tables[arch][name]
            share = occupancy(arch, registers, threads, static + dynamic)
            cells += [str(registers), f"{(static + dynamic) / 1024:.1f} KB", f"{spills} B", f"{100 * share:.0f} %"]
        print(f"| `{name}` | {threads} | " + " | ".join(cells) + " |")


def print_predictions(chunks=1024):
    """One token of the 370M shape: D 1024, 48 blocks of 2048 with state 128, 3 HSA layers, vocabulary 50,280."""
    hidden, inner, state, heads, blocks, layers, vocab, top = 1024, 2048, 128, 32, 48, 3, 50280, 8
    projected = 2 * inner + 2 * state + heads
    per_value = {"F16": 2, "Q8_0": 34 / 32, "Q4_0": 18 / 32}
    rows = [
        ("`matvec`: in_proj, 48 ×", lambda b: blocks * projected * hidden * b),
        ("`ssm_step`, 48 ×", lambda _: blocks * 4 * (2 * inner * state + 5 * (inner + 2 * state))),
        ("`matvec`: out_proj, 48 ×", lambda b: blocks * hidden * inner * b),
        ("`matvec`: retrieval and HSA, 7 ×", lambda b: (1 + 2 * layers) * hidden * hidden * b),
        (f"`score_top_k`, {chunks} landmarks", lambda _: chunks * hidden * 2),
        (f"`hsa`, {layers} × {top} chunks", lambda _: layers * top * 2 * 64 * 64 * 2),
        ("`matvec`: logits", lambda b: vocab * hidden * b),
    ]
    columns = [(t, w) for t in per_value for w in BANDWIDTHS]
    print("| a token of the 370M shape | " + " | ".join(f"{t}: MB | {' | '.join(f'{w} GB/s' for w in BANDWIDTHS)}" for t in per_value) + " |")
    print("|---" * (1 + len(per_value) + len(columns)) + "|")
    total = dict.fromkeys(per_value, 0.0)
    line = lambda name, size: f"| {name} | " + " | ".join(
        f"{size[t] / 1e6:.1f} | " + " | ".join(f"{size[t] / w / 1e6:.3f} ms" for w in BANDWIDTHS) for t in per_value
    ) + " |"
    for name, size in rows:
        sizes = {t: size(b) for t, b in per_value.items()}
        total = {t: total[t] + sizes[t] for t in per_value}
        print(line(name, sizes))
    print(line("all", total))
    speeds = (f"| | {' | '.join(f'{w * 1e9 / total[t]:.0f}' for w in BANDWIDTHS)}" for t in per_value)
    print("| tokens/s at most | " + " ".join(speeds) + " |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--nvcc")
    ap.add_argument("--archs", default="87,110")
    args = ap.parse_args()
    print_resources(find_nvcc(args.nvcc), args.archs.split(","))
    print()
    print_predictions()


if __name__ == "__main__":
    main()

"""One leg of training on whatever GPUs there are, in so many seconds all in all.

    python leg.py --pack PACK --out OUT --seconds 560 -- --rate-from 0.5 --rate-to 0.3

PACK is what pack.py wrote, with `checkpoint.pt` (or its parts, checkpoint.pt.0 …) in it. OUT gets the log, the checkpoint without
what is soon learned again in parts of 15 MB, what the compiler made (for the next leg's PACK) and a profile. What stands behind `--` goes
to train.py. PACK's checkpoint is replaced by the result: the same command once more is the next leg. With `--teach SECONDS` teach.py runs too, on the last GPU if there are several; its result goes to OUT and into the next PACK.

    python leg.py --pack PACK --out OUT --tiny          the whole of it on a CPU, with few small batches
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PART = 15_000_000  # bytes
TOTAL = 64_000_000  # bytes of OUT; what the compiler made stays behind where it would be more
TINY = """--segments 8 --questions 24 --cloze 4 --spans 4 --foreign 2 --edited 3 --again 16 --bank 2 --workers 1 --steps 20
--evaluate 4 --no-compile --profile""".split()
SMALL = "--epochs 1 --most 32".split()


def gpus():
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def join(pack):
    """The checkpoint out of its parts, where it came in parts."""
    parts = sorted(pack.glob("checkpoint.pt.[0-9]"))
    if parts:
        with open(pack / "checkpoint.pt", "wb") as whole:
            for part in parts:
                whole.write(part.read_bytes())
        for part in parts:  # or they would take the place of this leg's result in the next one
            part.unlink()
    missing = [n for n in ("checkpoint.pt", "data.xz", "minilm.npz", "minilm_tokenizer.json", "tokenizer.json") if not (pack / n).exists()]
    if missing:
        sys.exit(f"{pack} lacks {', '.join(missing)}")


def start(command, log, **environment):
    """A process whose output goes to `log` and here."""
    env = os.environ | dict(PYTHONUNBUFFERED="1", OMP_NUM_THREADS="1", TORCHINDUCTOR_COMPILE_THREADS="8") | environment
    command = [str(c) for c in command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True, start_new_session=True)

    def copy():
        with open(log, "a") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                print(line[:1500], end="", flush=True)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return process, thread


def finish(process, thread, until):
    """Waits; ends what is still running then."""
    try:
        process.wait(max(1, until - time.time()))
    except subprocess.TimeoutExpired:
        print("out of time:", " ".join(process.args[:4]), flush=True)
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)  # what it has left behind
    except ProcessLookupError:
        pass
    thread.join(10)
    return process.returncode


def split(path, out):
    raw = path.read_bytes()
    for i in range(0, len(raw), PART):
        (out / f"checkpoint.pt.{i // PART}").write_bytes(raw[i : i + PART])
    return len(raw)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pack", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seconds", type=float, default=560)
    ap.add_argument("--gpus", type=int, help="fewer than there are")
    ap.add_argument("--teach", type=float, default=0, help="seconds for a reader's answers")
    ap.add_argument("--tiny", action="store_true")
    ap.add_argument("--new", action="store_true", help="a new model instead of the checkpoint; with --tiny a tiny one")
    ap.add_argument("train", nargs="*", help="further options of train.py, behind --")
    args = ap.parse_args()
    began = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.new:
        join(args.pack)
    count = 0 if args.tiny else gpus() if args.gpus is None else args.gpus
    if not count and not args.tiny:
        sys.exit("no GPU; --tiny tries the program on a CPU")
    run, compiled = args.out / "run", args.pack / "compiled.bin"
    env = {} if count else dict(RAMBA_DEVICE="cpu", MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="17179869184")
    common = ["--pack", args.pack, *(["--config", HERE / ("tiny.json" if args.tiny else "shape.json")] if args.new else ["--init", args.pack / "checkpoint.pt"])]
    common += ["--out", run, "--seconds", args.seconds - 12, "--began", began, "--compiled", compiled]
    options = [*(TINY if args.tiny else ["--profile"]), *args.train]
    teacher = None
    if args.teach:
        own = dict(env, **({"CUDA_VISIBLE_DEVICES": str(count - 1)} if count else {}))
        teacher = start([sys.executable, HERE / "teach.py", "--pack", args.pack, "--seconds", args.teach, *(SMALL if args.tiny else [])], args.out / "teach.log", **own)
        if count > 1:
            count -= 1
        else:
            finish(*teacher, began + args.seconds - 60)
    if count > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count]
    else:
        command = [sys.executable]
        env |= {"CUDA_VISIBLE_DEVICES": "0"} if count else {}
    trained = start([*command, HERE / "train.py", *common, *options], args.out / "train.log", **env)
    code = finish(*trained, began + args.seconds)
    if teacher:
        finish(*teacher, began + args.seconds)
    size = 0
    if (run / "checkpoint.pt").exists():
        slim = args.out / "slim"
        subprocess.run([sys.executable, HERE / "pack.py", "--checkpoint", run / "checkpoint.pt", "--out", slim], check=True, stdout=subprocess.DEVNULL)
        size = split(slim / "checkpoint.pt", args.out)
        shutil.rmtree(slim)
        if not args.tiny:
            shutil.copyfile(run / "checkpoint.pt", args.pack / "checkpoint.pt")
    for path in (run / "profile.txt", args.pack / "alternatives.npz" if args.teach else None, compiled):
        if path and path.exists():
            bytes_ = path.stat().st_size
            if bytes_ > 16_000_000 or size + bytes_ > TOTAL:
                print(f"{path.name} of {bytes_ / 1e6:.0f} MB stays behind", flush=True)
                continue
            shutil.copyfile(path, args.out / path.name)
            size += bytes_
    shutil.rmtree(run, ignore_errors=True)
    for path in sorted(args.out.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.1f} MB {path.name}")
    print(f"{time.time() - began:.0f} of {args.seconds:.0f} s, train.py ended with {code}", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

"""Reads documents on several workers of Dask, and merges what they have read into one library.

    pip install "dask[distributed]"
    python examples/workers.py LIBRARY FILE... [--workers 4] [--scheduler ADDRESS]

Each task is `ramba add` of one part of the list, into a library of its own. A task whose worker is lost is given to another one by
the engine, and goes on where the first one was last committed. The library is the same, byte for byte, as that of
`ramba add LIBRARY FILE...`.
"""

import argparse
import ctypes
import pathlib
import signal
import subprocess

from distributed import Client, LocalCluster


def end_with_parent():
    """Lets the system end this process with the worker that started it, which else would keep the part locked."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ramba(program, *arguments):
    subprocess.run([program, *map(str, arguments)], check=True, preexec_fn=end_with_parent)


def read(program, part, shard, options, files):
    # One thread for each worker of a machine: there are as many workers as cores.
    ramba(program, "add", part, "--shard", shard, "--threads", "1", *options, *files)
    return part


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--scheduler", help="address of a running scheduler, whose workers share the folders [default: a local one]")
    parser.add_argument("--ramba", default="ramba", help="the program")
    parser.add_argument("--model", help="the model file [default: the shipped one]")
    args = parser.parse_args()
    options = ["--model", args.model] if args.model else []
    cluster = args.scheduler or LocalCluster(n_workers=args.workers, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client:
        parts = [args.library.with_name(f"{args.library.name}.part{i}") for i in range(1, args.workers + 1)]
        tasks = [
            client.submit(read, args.ramba, part, f"{i}/{args.workers}", options, args.files, pure=False, retries=3)
            for i, part in enumerate(parts, 1)
        ]
        client.gather(tasks)
    ramba(args.ramba, "merge", args.library, *parts, *options)


if __name__ == "__main__":
    main()

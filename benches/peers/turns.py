"""How a rival takes turns with the programs.

    python benches/peers/flow.py --library pytorch --threads 2 --job '{"latents": "x.npy", …}'

A rival is started once for a job, and says when it is ready. For every line that comes in, a number of
repetitions, it does the job so many times, reading its data each time, and prints
one line of JSON: the median seconds, how far its numbers are from those of the
programs, and its memory. Importing the library and starting its threads are not
in the seconds, nor is writing what is only compared.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import numpy as np


def resident():
    """Bytes that this process holds."""
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * resource.getpagesize()


def take(**libraries):
    """Runs one of the libraries' versions of a job.

    Each is a function of the job's settings that gives two: `work()`, the job from
    reading to result, and `difference(result)`, its relative distance from the
    result of the programs (`None` where there is nothing to compare).
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=libraries, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--job", type=json.loads, required=True)
    args = parser.parse_args()
    if args.library == "pytorch":
        import torch

        torch.set_num_threads(args.threads)
        # What softmax leaves below 1e-38 would make the products after it slow.
        torch.set_flush_denormal(True)
        torch.set_grad_enabled(args.job.get("gradients", False))
        torch.mm(torch.ones(512, 512), torch.ones(512, 512))
    else:
        np.ones((512, 512), np.float32) @ np.ones((512, 512), np.float32)
    work, difference = libraries[args.library](args.job)
    before = resident()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, busy = [], []
        for _ in range(int(line)):
            result = None
            start, at = time.perf_counter(), time.process_time()
            result = work()
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - at)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        # A job whose unit is timed in parts gives its own seconds.
        own = result.get("seconds") if isinstance(result, dict) else None
        report = {"seconds": own or statistics.median(seconds), "cpu": statistics.median(busy)}
        report |= {"before": before, "peak": peak}
        if difference:
            report["difference"] = float(difference(result))
        print(json.dumps(report), flush=True)


def relative(a, b):
    """‖a − b‖ over ‖b‖."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.linalg.norm(a - b) / np.linalg.norm(b)

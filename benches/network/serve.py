"""The loop of a Python program in the comparison; `recon.rs` describes the orders."""
import sys

from safetensors.numpy import save_file


def serve(prepare):
    """`prepare(words)` gives a job: an object with `run()` and `output()`, a NumPy array."""
    job = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            for _ in range(int(words[1])):
                job.run()
        elif words[0] == "save":
            save_file({"output": job.output()}, words[1])
        else:
            job = None
            job = prepare(words)
        print("done", flush=True)

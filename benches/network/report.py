"""The comparison as Markdown."""
import importlib.metadata
import os
import pathlib
import platform

NAMES = {"unet": "U-Net", "ncsnpp": "NCSN++", "step": "training step, U-Net"}


def title(job):
    name, size = job.split("-")
    return f"{NAMES[name]} {size.replace('x', ' × ')}²"


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def head(peak, args):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "onnxruntime"))
    return (f"{processor()}; peak of one thread {peak:.0f} GFLOP/s (f32, registers only); {versions}; "
            f"least of {args.rounds} rounds; load average {os.getloadavg()[0]:.1f} at the start.")


def times_head(threads, labels):
    peers = "".join(f" {label} |" for label in labels[1:])
    noun = "thread" if threads == 1 else "threads"
    return (f"\n{threads} {noun}: CPU s / wall s, and how many times as much CPU and wall time as recon\n\n"
            f"| job | GFLOP | recon | of peak |{peers} apart |\n|---|---|---|---|{'---|' * len(labels[1:])}---|")


def pair(best):
    return f"{best[0]:.4f} / {best[1]:.4f}"


def times_row(job, facts, best, apart, peak, labels):
    """One job; the fastest program (CPU time) in bold."""
    fastest = min(best, key=lambda label: best[label][0])
    own = best.get("recon")
    cells = []
    for label in labels:
        text = pair(best[label]) if label in best else "–"
        if own and label in best and label != "recon":
            text += f" ({best[label][0] / own[0]:.2f}x, {best[label][1] / own[1]:.2f}x)"
        cells.append(f"**{text}**" if label == fastest else text)
    share = f"{100 * facts['gflop'] / own[0] / peak:.0f} %" if own else "–"
    furthest = max(apart.values())
    return f"| {title(job)} | {facts['gflop']:.1f} | {cells[0]} | {share} | {' | '.join(cells[1:])} | {furthest:.0e} |"


def memory_head(labels):
    return (f"\nPeak memory of the first forward pass above the loaded network, 1 thread, MiB\n\n"
            f"| job | least possible | {' | '.join(labels)} |\n|---|---|{'---|' * len(labels)}")


def memory_row(job, facts, found, labels):
    least = facts.get("live_mib")
    cells = [f"{found[label]:.0f}" if label in found else "–" for label in labels]
    return f"| {title(job)} | {f'{least:.0f}' if least else '–'} | {' | '.join(cells)} |"

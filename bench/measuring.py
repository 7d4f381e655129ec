"""One workload on all runtimes, round by round; the runtime that begins rotates."""

import os
import sys
import time

from machine import quiet


def measure(w, rts, listed, a, save):
    """add to ``listed`` what a workload gives; ``save`` is called when it has ended, in any case

    A runtime that fails is noted with its error, and leaves this workload only.
    """
    use = [r for r in rts if w.applies(r)]
    if not use:
        return
    began = time.time()
    entry = {
        "name": w.name,
        "units": w.units,
        "results": {},
        "errors": {},
        "load_before": os.getloadavg(),
        "rounds": 0,
    }
    listed.append(entry)
    ctx = {}
    try:
        _set_up(w, use, ctx, entry)
        for i in range(max(1, round(w.reps * a.reps_scale))):
            k = i % max(1, len(use))
            for r in use[k:] + use[:k]:  # interleaved, rotated start
                if r.name not in entry["errors"]:
                    _once(w, r, ctx[r.name], i, a.quiet, entry)
            entry["rounds"] = i + 1
    finally:
        _tear_down(w, rts, ctx, entry)
        entry["load_after"] = os.getloadavg()
        entry["took_s"] = round(time.time() - began, 1)
        save()
    print(_summary(entry), file=sys.stderr, flush=True)


def _set_up(w, use, ctx, entry):
    for r in list(use):
        try:
            ctx[r.name] = w.setup(r)
        except Exception as e:
            entry["errors"][r.name] = f"setup: {type(e).__name__}: {e}"[:700]
            use.remove(r)


def _once(w, r, ctx, i, patience, entry):
    busy = patience > 0 and not quiet(patience)
    entry["started_busy"] = entry.get("started_busy", 0) + busy
    try:
        for m, v in w.once(r, ctx, i).items():
            if v is not None:
                found = entry["results"].setdefault(r.name, {}).setdefault(m, [])
                found.extend(v if isinstance(v, list) else [v])
    except Exception as e:
        entry["errors"][r.name] = f"round {i}: {type(e).__name__}: {e}"[:700]


def _tear_down(w, rts, ctx, entry):
    for r in rts:
        if r.name in ctx or (w.applies(r) and r.name in entry["errors"]):
            try:
                w.teardown(r, ctx.get(r.name, {}))
            except Exception as e:
                entry["errors"].setdefault(r.name, f"teardown: {e}"[:700])


def _summary(entry):
    before, after = entry["load_before"][0], entry["load_after"][0]
    counts = ", ".join(f"{n}:{len(d)}" for n, d in entry["results"].items())
    said = f"[{entry['took_s']:6.1f}s load {before:.1f}->{after:.1f}] {entry['name']}: {counts}"
    errors = "; ".join(f"{k}: {v[:200]}" for k, v in entry["errors"].items())
    return f"{said}  ERR {errors}" if errors else said

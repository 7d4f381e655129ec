"""Results as tables."""

import statistics


def med(x):
    return statistics.median(x)


def fmt(v, unit):
    if unit == "s":
        return f"{v * 1e3:.1f} ms" if v < 1 else f"{v:.2f} s"
    if unit == "KiB":
        return f"{v:.0f} KiB"
    if unit == "MB/s":
        return f"{v:.0f} MB/s"
    return f"{v:.2f}{unit}"


def by_metric(w):
    """a workload's figures: {metric: {runtime: values}}"""
    mets = {}
    for rt, d in w["results"].items():
        for m, x in d.items():
            if w["name"] == "cli":
                mets.setdefault("start-up", {})[m] = x  # one table: each command is a row
            else:
                mets.setdefault(m, {})[rt] = x
    return mets


def table(res, baseline):
    out = []
    for w in res["workloads"]:
        for m, rows in by_metric(w).items():
            vs = "docker --version" if w["name"] == "cli" else baseline
            u = w["units"].get(m, "s")
            best = min if u in ("s", "KiB", "") else max
            b = rows.get(vs)
            better = "lower" if best is min else "higher"
            out.append(f"\n### {w['name']} / {m}   (unit {u or 'count'}, {better} is better)\n")
            out.append(f"| runtime | best | median | max | n | median vs {vs} |")
            out.append("|---|---|---|---|---|---|")
            for rt, x in sorted(
                rows.items(), key=lambda kv: med(kv[1]) * (1 if best is min else -1)
            ):
                ratio = f"{med(x) / med(b):.2f}x" if b and med(b) else "-"
                worst = max if best is min else min
                figures = " | ".join(fmt(one(x), u) for one in (best, med, worst))
                out.append(f"| {rt} | {figures} | {len(x)} | {ratio} |")
        for rt, e in w["errors"].items():
            out.append(f"\n- FAILED {w['name']} {rt}: {e}")
    return "\n".join(out)

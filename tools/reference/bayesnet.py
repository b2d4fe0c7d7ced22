"""Goldens of Bayesian networks: pgmpy's answers, scores, tests and trees.

    python bayesnet.py ../../services/tabular/internal

Needs pgmpy (bayesnet_requirements.txt). It reads the networks of services/tabular/internal/networks, and writes
bayesnet/testdata/pgmpy.json (queries) and structure/testdata/pgmpy.json (scores, tests, mutual information of rows that it
draws itself, which are stored beside them).
"""

import json
import logging
import random
import sys

import numpy as np
import pandas as pd
import pgmpy
from pgmpy.inference import VariableElimination
from pgmpy.readwrite import BIFReader
from scipy.stats import chi2_contingency
from sklearn.metrics import mutual_info_score


def load(root, name):
    text = "".join(line for line in open(f"{root}/networks/{name}.bif") if not line.startswith("//"))
    return BIFReader(string=text).get_model()


def names(root, name):
    """Fields and levels in the order of the file."""
    fields = []
    for line in open(f"{root}/networks/{name}.bif"):
        if line.startswith("variable"):
            fields.append([line.split()[1]])
        elif "type discrete" in line:
            fields[-1].append([w.strip() for w in line.split("{")[1].split("}")[0].split(",")])
    return fields


def queries(root):
    out = []
    r = random.Random(20264)
    for name in ("sprinkler", "asia", "earthquake", "cancer", "alarm"):
        model, fields = load(root, name), names(root, name)
        engine = VariableElimination(model)
        for _ in range(12):
            chosen = r.sample(range(len(fields)), 4)
            targets = chosen[: r.randint(1, 2)]
            given = {}
            for v in chosen[2 : 2 + r.randint(0, 2)]:
                given[v] = r.randrange(len(fields[v][1]))
            try:
                q = engine.query([fields[v][0] for v in targets],
                                 evidence={fields[v][0]: fields[v][1][c] for v, c in given.items()}, show_progress=False)
            except (ValueError, ZeroDivisionError):
                continue
            cells = []
            shape = [len(fields[v][1]) for v in targets]
            for at in np.ndindex(*shape):
                cells.append(float(q.get_value(**{fields[v][0]: fields[v][1][c] for v, c in zip(targets, at)})))
            if not np.isfinite(cells).all():
                continue
            out.append({"network": name, "targets": targets, "given": sorted(given.items()), "cells": cells})
    return out


def scores(root):
    from pgmpy.estimators import HillClimbSearch, TreeSearch
    from pgmpy.structure_score import AIC, BIC, BDeu, K2
    fields = names(root, "asia")
    model = load(root, "asia")
    np.random.seed(7)
    data = model.simulate(400, seed=7, show_progress=False)[[f[0] for f in fields]]
    state = {f[0]: f[1] for f in fields}
    codes = [[f[1].index(x) for x in data[f[0]]] for f in fields]
    families = [[5, [1, 3]], [7, [4, 5]], [1, []], [1, [0]], [3, [2]], [4, [2, 3]], [6, [5]], [0, [7, 6, 5]]]
    out = {"codes": codes, "families": []}
    made = {"bic": BIC(data, state_names=state), "aic": AIC(data, state_names=state), "k2": K2(data, state_names=state),
            "bdeu": BDeu(data, state_names=state, equivalent_sample_size=10)}
    for v, parents in families:
        out["families"].append({"field": v, "parents": parents, **{
            k: float(s.local_score(fields[v][0], tuple(fields[p][0] for p in parents))) for k, s in made.items()}})
    place = {f[0]: i for i, f in enumerate(fields)}
    edges = lambda g: sorted([place[a], place[b]] for a, b in g.edges())
    out["tree"] = edges(TreeSearch(data, root_node=fields[0][0]).estimate(estimator_type="chow-liu", show_progress=False))
    out["climbed"] = edges(HillClimbSearch(data, state_names=state).estimate(
        scoring_method="bic-d", tabu_length=0, show_progress=False))
    out["pairs"] = []
    for a in range(len(fields)):
        for b in range(a + 1, len(fields)):
            table = pd.crosstab(data[fields[a][0]], data[fields[b][0]])
            row = {"a": a, "b": b, "information": float(mutual_info_score(codes[a], codes[b]))}
            for kind, power in (("chi2", 1), ("g2", 0)):
                t = chi2_contingency(table, correction=False, lambda_=power)
                row[kind] = [float(t.statistic), float(t.pvalue), int(t.dof)]
            out["pairs"].append(row)
    return out


def main(root):
    logging.disable(logging.WARNING)
    made = f"tools/reference/bayesnet.py, pgmpy {pgmpy.__version__}, numpy {np.__version__}"
    for package, content in (("bayesnet", {"queries": queries(root)}), ("structure", scores(root))):
        with open(f"{root}/{package}/testdata/pgmpy.json", "w") as f:
            json.dump({"made_by": made, **content}, f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])

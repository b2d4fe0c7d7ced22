"""Goldens of n-gram models: a text made here, what KenLM's lmplz estimates from it, and how its query scores others.

    peers/kenlm.sh DIR          # builds KenLM
    python ngram.py DIR/build/bin ../../services/lm/internal/ngram/testdata

The text is made by a small grammar of our own from a fixed seed. Only the standard library is needed.
"""

import gzip
import json
import pathlib
import random
import subprocess
import sys

NOUNS = "cat dog king queen river house stone letter garden bird child ship mountain song winter book".split()
VERBS = "saw found took left wanted carried forgot painted kept heard followed loved".split()
ADJECTIVES = "old small green quiet broken wise bright heavy lost".split()
PLACES = "near behind under beside beyond".split()
NAMES = "Anna Boris Clara David Elena".split()


def noun_phrase(r, depth=0):
    words = [r.choice(["the", "the", "the", "a", "every", "no"])]
    while r.random() < 0.3:
        words.append(r.choice(ADJECTIVES))
    words.append(r.choice(NOUNS[: r.choice([3, 8, 16])]))
    if depth < 2 and r.random() < 0.25:
        words += [r.choice(PLACES)] + noun_phrase(r, depth + 1)
    return words


def sentence(r):
    words = [r.choice(NAMES)] if r.random() < 0.4 else noun_phrase(r)
    words += [r.choice(VERBS[: r.choice([3, 12])])] + noun_phrase(r)
    if r.random() < 0.3:
        words += [",", "and"] + sentence(r)[:-1]
    return words + [r.choice([".", ".", "!"])]


def main(bin_dir, out):
    bin_dir, out = pathlib.Path(bin_dir), pathlib.Path(out)
    r = random.Random(5)
    text = "".join(" ".join(sentence(r)) + "\n" for _ in range(500))
    # lmplz takes the true counts of the last n-grams of its order for adjusted ones. They end in the word that is new
    # last, which therefore occurs once, where both are the same.
    text += "Anna saw the zebu .\n"
    test = "".join(" ".join(sentence(r)) + "\n" for _ in range(30)) + "the zebra saw Anna near Fred .\n. . the the\n"
    (out / "text.txt").write_text(text)
    (out / "test.txt").write_text(test)
    for name, args in {
        "o2": ["-o", "2"],
        "o3": ["-o", "3"],
        "o4": ["-o", "4"],
        "o5": ["-o", "5"],
        "o3-prune1": ["-o", "3", "--prune", "0", "1"],
        "o5-prune001": ["-o", "5", "--prune", "0", "0", "1", "2"],
    }.items():
        arpa = subprocess.run(
            [bin_dir / "lmplz", *args, "--discount_fallback", "-S", "200M", "-T", str(out)],
            input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        ).stdout
        with open(out / f"lmplz-{name}.arpa.gz", "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
            z.write(arpa)
    # query -v word prints "word=index length log10" for every token
    with gzip.open(out / "lmplz-o5.arpa.gz") as z:
        (out / "o5.arpa").write_bytes(z.read())
    printed = subprocess.run(
        [bin_dir / "query", "-v", "word", out / "o5.arpa"], input=test.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True,
    ).stdout.decode()
    (out / "o5.arpa").unlink()
    fields = [f.split() for f in printed.replace("\n", "\t").split("\t") if "=" in f]
    rows = [[int(f[1]), float(f[2])] for f in fields]
    (out / "query.json").write_text(
        json.dumps({"made_by": "KenLM 4cb443e, lmplz and query", "model": "lmplz-o5.arpa.gz", "scores": rows})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

package dataset

import (
	"context"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// texts returns the registered texts, sorted by name.
func texts() []Entry {
	return []Entry{
		{
			Name: "ewt-dev", Title: "2,001 English sentences with their parts of speech, in CoNLL-U", Weights: true,
			Licence:  "CC BY-SA 4.0",
			Citation: "N. Silveira et al.: A gold standard dependency corpus for English (UD English-EWT), 2014",
			Homepage: "https://github.com/UniversalDependencies/UD_English-EWT",
			Sources: []Source{{
				Path:   "hmm/en_ewt-ud-dev.conllu",
				URL:    "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/master/en_ewt-ud-dev.conllu",
				SHA256: "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
			}},
		},
		{
			Name: "names", Title: "32,033 first names, one a line", Weights: true,
			Licence:  "MIT",
			Citation: "A. Karpathy: makemore, 2022; the names are those of the US Social Security Administration",
			Homepage: "https://github.com/karpathy/makemore",
			Sources: []Source{{
				Path:   "corpus/names.txt",
				URL:    "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
				SHA256: "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
			}},
		},
		{
			Name: "pride-and-prejudice", Title: "J. Austen: Pride and Prejudice", Weights: true,
			Licence:  "public domain",
			Citation: "J. Austen: Pride and Prejudice, 1813; Project Gutenberg 1342",
			Homepage: "https://www.gutenberg.org/ebooks/1342",
			Sources: []Source{{
				Path:   "corpus/pride.txt",
				URL:    "https://raw.githubusercontent.com/GITenberg/Pride-and-Prejudice_1342/master/1342-0.txt",
				SHA256: "48e0522844402a86a3ea98f0947ba85ea54838db3c59022299298ed968a5a163",
			}},
		},
		{
			Name: "tiny-shakespeare", Title: "40,000 lines of Shakespeare's plays", Weights: true,
			Licence:  "public domain",
			Citation: "A. Karpathy: The unreasonable effectiveness of recurrent neural networks, 2015; W. Shakespeare",
			Homepage: "https://github.com/karpathy/char-rnn",
			Sources: []Source{{
				Path:   "corpus/tinyshakespeare.txt",
				URL:    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
				SHA256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
			}},
		},
	}
}

// TextNames lists the registered texts in order.
func TextNames() []string {
	var names []string
	for _, e := range texts() {
		names = append(names, e.Name)
	}
	return names
}

// LookupText finds a registered text. The error is of kind fault.NotFound and lists the names.
func LookupText(name string) (Entry, error) {
	all := texts()
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, fault.E(fault.NotFound, "DATASET_NOT_FOUND", "dataset.LookupText", "no text %.80q, there are %s",
			name, strings.Join(TextNames(), ", "))
	}
	return all[i], nil
}

// FindText returns the path of a registered text's file, verified and downloaded if need be; see Find.
func (l *Locator) FindText(ctx context.Context, name string) (string, Entry, error) {
	e, err := LookupText(name)
	if err != nil {
		return "", e, err
	}
	path, err := l.Find(ctx, e, e.Sources[0])
	return path, e, err
}

package evaluate

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/services/lm/internal/conllu"
	"github.com/manifold-gen/manifold/services/lm/internal/tagger"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Tagging says what to measure of part-of-speech tagging.
type Tagging struct {
	Data  []byte        // a treebank in CoNLL-U
	Name  string        // its name, for the report
	Train int           // sentences to learn from, from the first on; 1,600
	Tags  *tagger.Model // to be measured; nil trains one with the default settings on the first sentences
}

// Rate is a part of n with its interval of 95 % (Wilson 1927).
type Rate struct {
	N    int     `json:"n"`
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

func rate(part, n int) Rate {
	if n == 0 {
		return Rate{}
	}
	const z = 1.959964
	p, m := float64(part)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return Rate{N: n, Rate: p, Low: max(0, middle-half), High: min(1, middle+half)}
}

// TagRow is how one tag fared.
type TagRow struct {
	Tag       string  `json:"tag"`
	Words     int     `json:"words"`
	Recall    float64 `json:"recall"`
	Precision float64 `json:"precision"`
}

// Confusion is a common mistake.
type Confusion struct {
	Truth string `json:"truth"`
	Given string `json:"given"`
	Words int    `json:"words"`
}

// TaggingReport is what was measured. Accuracies are by word, signs and all.
type TaggingReport struct {
	Data           string        `json:"data"`
	TrainSentences int           `json:"train_sentences"`
	TrainWords     int           `json:"train_words"`
	TestSentences  int           `json:"test_sentences"`
	TestWords      int           `json:"test_words"`
	Config         tagger.Config `json:"config"`
	Lambda         [3]float64    `json:"lambda"`
	Accuracy       Rate          `json:"accuracy"`
	Known          Rate          `json:"known_words"`
	Unknown        Rate          `json:"unknown_words"`
	Sentences      Rate          `json:"whole_sentences"`
	// Posterior is the accuracy of the most likely tag of every word by itself.
	Posterior Rate `json:"posterior"`
	// MostFrequent gives every word its most frequent tag, and the most frequent tag of all to unknown ones.
	MostFrequent Rate        `json:"most_frequent_tag"`
	FirstOrder   Rate        `json:"first_order"`
	Tags         []TagRow    `json:"tags"`
	Confusions   []Confusion `json:"confusions"`
	Numerics     int         `json:"numerics"`
	TrainSeconds float64     `json:"train_seconds"`
	WordsASecond float64     `json:"words_per_second"`
}

// split is a treebank as words and numbers of tags.
type split struct {
	words  [][]string
	labels [][]int32
	n      int
}

func splitOf(l []conllu.Sentence, tags []string) (s split, err error) {
	for i, x := range l {
		w, g := make([]string, len(x.Words)), make([]int32, len(x.Words))
		for j, y := range x.Words {
			w[j], g[j] = y.Form, int32(slices.Index(tags, y.UPOS))
			if g[j] < 0 {
				return s, fault.E(fault.Invalid, "BAD_LABELS", "evaluate.Tagging", "word %d of sentence %d has no tag",
					j+1, i+1)
			}
		}
		s.words, s.labels, s.n = append(s.words, w), append(s.labels, g), s.n+len(w)
	}
	return s, nil
}

// Run trains on the first sentences and measures on the others.
func (c Tagging) Run(ctx context.Context) (*TaggingReport, error) {
	const op = "evaluate.Tagging"
	l, err := conllu.Read(c.Data)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if c.Train == 0 {
		c.Train = 1600
	}
	if c.Train < 1 || c.Train >= len(l) {
		return nil, fault.InvalidField(op, "train", "%d sentences of %d, want at least 1 and some left", c.Train, len(l))
	}
	tags := conllu.Tags()
	train, err := splitOf(l[:c.Train], tags)
	if err != nil {
		return nil, err
	}
	test, err := splitOf(l[c.Train:], tags)
	if err != nil {
		return nil, err
	}
	r := &TaggingReport{Data: c.Name, TrainSentences: c.Train, TrainWords: train.n, TestSentences: len(l) - c.Train,
		TestWords: test.n, Numerics: tensor.NumericsVersion}
	m := c.Tags
	if m == nil {
		start := time.Now()
		if m, err = tagger.Train(tags, train.words, train.labels, tagger.Default()); err != nil {
			return nil, fault.Wrap(op, err)
		}
		r.TrainSeconds = time.Since(start).Seconds()
	} else if !slices.Equal(m.Tags(), tags) {
		return nil, fault.E(fault.Invalid, "OTHER_TAGS", op, "the model's tags are not the universal ones")
	}
	r.Config, r.Lambda = m.Config(), m.Lambda()
	if err := r.measure(ctx, m, train, test, tags); err != nil {
		return nil, err
	}
	r.MostFrequent = mostFrequent(train, test, len(tags))
	cfg := m.Config()
	cfg.Order = 1
	first, err := tagger.Train(tags, train.words, train.labels, cfg)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	right := 0
	for i, w := range test.words {
		path, _, err := first.Best(w)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		right += equal(path, test.labels[i])
	}
	r.FirstOrder = rate(right, test.n)
	return r, ctx.Err()
}

func equal(a, b []int32) int {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

// measure fills in what concerns the model itself.
func (r *TaggingReport) measure(ctx context.Context, m *tagger.Model, train, test split, tags []string) error {
	k := len(tags)
	seen := map[string]bool{}
	for _, s := range train.words {
		for _, w := range s {
			seen[w] = true
		}
	}
	table := make([]int, k*k)
	known, unknown, knownRight, unknownRight, whole, single := 0, 0, 0, 0, 0, 0
	var spent time.Duration
	for i, words := range test.words {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		path, _, err := m.Best(words)
		if err != nil {
			return fault.Wrap("evaluate.Tagging", err)
		}
		spent += time.Since(start)
		_, _, post, err := m.Tag(words)
		if err != nil {
			return fault.Wrap("evaluate.Tagging", err)
		}
		for j, w := range words {
			truth, p := test.labels[i][j], post[j*k:(j+1)*k]
			table[int(truth)*k+int(path[j])]++
			right := 0
			if truth == path[j] {
				right = 1
			}
			if p[truth] == slices.Max(p) {
				single++
			}
			if seen[w] {
				known, knownRight = known+1, knownRight+right
			} else {
				unknown, unknownRight = unknown+1, unknownRight+right
			}
		}
		if equal(path, test.labels[i]) == len(path) {
			whole++
		}
	}
	r.Accuracy = rate(knownRight+unknownRight, test.n)
	r.Known, r.Unknown = rate(knownRight, known), rate(unknownRight, unknown)
	r.Sentences, r.Posterior = rate(whole, len(test.words)), rate(single, test.n)
	r.WordsASecond = float64(test.n) / spent.Seconds()
	for a := range k {
		row := TagRow{Tag: tags[a]}
		given := 0
		for b := range k {
			row.Words += table[a*k+b]
			given += table[b*k+a]
			if a != b && table[a*k+b] > 0 {
				r.Confusions = append(r.Confusions, Confusion{tags[a], tags[b], table[a*k+b]})
			}
		}
		if row.Words > 0 {
			row.Recall = float64(table[a*k+a]) / float64(row.Words)
		}
		if given > 0 {
			row.Precision = float64(table[a*k+a]) / float64(given)
		}
		r.Tags = append(r.Tags, row)
	}
	slices.SortStableFunc(r.Confusions, func(a, b Confusion) int { return b.Words - a.Words })
	r.Confusions = r.Confusions[:min(10, len(r.Confusions))]
	return nil
}

// mostFrequent is the baseline; of equally frequent tags the first in the alphabet wins.
func mostFrequent(train, test split, k int) Rate {
	counts, all := map[string][]int{}, make([]int, k)
	for i, s := range train.words {
		for j, w := range s {
			if counts[w] == nil {
				counts[w] = make([]int, k)
			}
			counts[w][train.labels[i][j]]++
			all[train.labels[i][j]]++
		}
	}
	right := 0
	for i, s := range test.words {
		for j, w := range s {
			row := counts[w]
			if row == nil {
				row = all
			}
			if slices.Index(row, slices.Max(row)) == int(test.labels[i][j]) {
				right++
			}
		}
	}
	return rate(right, test.n)
}

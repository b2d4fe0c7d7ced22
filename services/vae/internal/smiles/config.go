package smiles

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Config describes a model.
type Config struct {
	// Vocabulary are the tokens, in ascending order. Their numbers begin at FirstToken.
	Vocabulary []string `json:"vocabulary"`
	Longest    int      `json:"longest"` // tokens of a string
	Width      int      `json:"width"`
	Heads      int      `json:"heads"`
	Encoder    int      `json:"encoder"` // blocks
	Decoder    int      `json:"decoder"` // blocks
	Latent     int      `json:"latent"`  // K, the numbers of a code
}

// Numbers of what is no token of the vocabulary.
const (
	Begin      = 0 // what the decoder is shown first
	End        = 1
	Dropped    = 2 // stands for a token that the decoder is not shown
	FirstToken = 3
)

// Limits of a Config.
const (
	MaxVocabulary = 2048
	MaxLongest    = 512
)

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	n := len(c.Vocabulary)
	different := len(slices.Compact(slices.Clone(c.Vocabulary)))
	if n < 1 || n > MaxVocabulary || !slices.IsSorted(c.Vocabulary) || different != n {
		return fmt.Errorf("smiles: a vocabulary of %d tokens, want 1 to %d different ones in order", n, MaxVocabulary)
	}
	for _, x := range []struct {
		name      string
		n, lo, hi int
	}{
		{"longest", c.Longest, 1, MaxLongest}, {"width", c.Width, 4, 1024}, {"heads", c.Heads, 1, 32},
		{"encoder", c.Encoder, 1, 24}, {"decoder", c.Decoder, 1, 24}, {"latent", c.Latent, 1, 1024},
	} {
		if x.n < x.lo || x.n > x.hi {
			return fmt.Errorf("smiles: %s %d, want %d to %d", x.name, x.n, x.lo, x.hi)
		}
	}
	if c.Width%c.Heads != 0 {
		return fmt.Errorf("smiles: %d heads do not divide a width of %d", c.Heads, c.Width)
	}
	return nil
}

// Size is the number of tokens with those that are none of the vocabulary.
func (c *Config) Size() int { return len(c.Vocabulary) + FirstToken }

// Vocabulary are the tokens of strings in order, and the most that one string has.
func Vocabulary(lines []string) (tokens []string, longest int) {
	seen := map[string]bool{}
	for _, s := range lines {
		l := molecule.Tokens(s)
		longest = max(longest, len(l))
		for _, t := range l {
			if !seen[t] {
				seen[t] = true
				tokens = append(tokens, t)
			}
		}
	}
	slices.Sort(tokens)
	return tokens, longest
}

// Encode is the numbers of a string's tokens.
func (c *Config) Encode(s string) ([]int32, error) {
	l := molecule.Tokens(s)
	if len(l) > c.Longest {
		return nil, fault.E(fault.Invalid, "TOO_LONG", "smiles.Encode", "%d tokens, the model writes up to %d", len(l),
			c.Longest)
	}
	ids := make([]int32, len(l))
	for i, t := range l {
		k, ok := slices.BinarySearch(c.Vocabulary, t)
		if !ok {
			return nil, fault.E(fault.Invalid, "UNKNOWN_TOKEN", "smiles.Encode", "the model does not know %.40q", t)
		}
		ids[i] = int32(k + FirstToken)
	}
	return ids, nil
}

// Batch is strings as numbers, padded to one length.
type Batch struct {
	N, T    int
	In      []int32 // [N*T], what the decoder is shown: Begin and the tokens
	Out     []int32 // [N*T], what it has to write: the tokens and End; -1 behind them
	Read    []int32 // [N*T], what the encoder reads: the tokens and End; End behind them
	Lengths []int   // tokens with End
}

// Fill makes a batch of encoded strings; it keeps the memory of the last one.
func (b *Batch) Fill(rows [][]int32) {
	b.N, b.T = len(rows), 1
	for _, r := range rows {
		b.T = max(b.T, len(r)+1)
	}
	n := b.N * b.T
	b.In, b.Out, b.Read = slices.Grow(b.In[:0], n)[:n], slices.Grow(b.Out[:0], n)[:n], slices.Grow(b.Read[:0], n)[:n]
	b.Lengths = b.Lengths[:0]
	for i, r := range rows {
		in, out, read := b.In[i*b.T:(i+1)*b.T], b.Out[i*b.T:(i+1)*b.T], b.Read[i*b.T:(i+1)*b.T]
		for j := range b.T {
			in[j], out[j], read[j] = End, -1, End
		}
		in[0] = Begin
		copy(in[1:], r)
		copy(out, r)
		copy(read, r)
		out[len(r)] = End
		b.Lengths = append(b.Lengths, len(r)+1)
	}
}

package smiles

import (
	"context"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Sampler draws strings from a model. It is used by one goroutine at a time.
type Sampler struct {
	m    *VAE
	tape *autograd.Tape
}

// NewSampler returns one. The weights may change between calls.
func NewSampler(m *VAE) *Sampler { return &Sampler{m: m, tape: autograd.NewInference(nil)} }

// together is how many strings are written at a time; it does not change a bit.
const together = 128

// Sample draws the strings first to first+n-1 of a stream: codes from the prior, z ~ N(0, T^2), and tokens with the
// decoder's probabilities to the power 1/T.
func (s *Sampler) Sample(ctx context.Context, n int, stream rng.Stream, first uint64, temperature float64) ([]string,
	error) {
	k := s.m.cfg.Latent
	var all []string
	z := make([]float32, together*k)
	for from := 0; from < n; from += together {
		rows := min(together, n-from)
		for i := range rows {
			row := z[i*k : (i+1)*k]
			stream.Normal(row, first+uint64(from+i), 0, rng.Latent)
			for j := range row {
				row[j] *= float32(temperature)
			}
		}
		l, err := s.decode(ctx, z[:rows*k], &chooser{stream, first + uint64(from), temperature})
		if err != nil {
			return nil, err
		}
		all = append(all, l...)
	}
	return all, nil
}

// Decode writes the likeliest token after the other for codes [n][K].
func (s *Sampler) Decode(ctx context.Context, z []float32) ([]string, error) {
	k := s.m.cfg.Latent
	var all []string
	for from := 0; from < len(z); from += together * k {
		l, err := s.decode(ctx, z[from:min(from+together*k, len(z))], nil)
		if err != nil {
			return nil, err
		}
		all = append(all, l...)
	}
	return all, nil
}

// Encode is the mean and the logarithm of the variance of q(z|x), [n][K], of encoded strings.
func (s *Sampler) Encode(rows [][]int32) (mean, logvar []float32) {
	var b Batch
	for from := 0; from < len(rows); from += together {
		s.tape.Reset()
		b.Fill(rows[from:min(from+together, len(rows))])
		mu, lv := s.m.Posterior(s.tape, &b)
		mean, logvar = append(mean, mu.F32()...), append(logvar, lv.F32()...)
	}
	return mean, logvar
}

// decode writes strings until all have ended. Those that have are left out of the following steps.
func (s *Sampler) decode(ctx context.Context, z []float32, c *chooser) ([]string, error) {
	k := s.m.cfg.Latent
	n := len(z) / k
	out, live := make([]strings.Builder, n), make([]int, n)
	shown := make([][]int32, n)
	for i := range n {
		live[i], shown[i] = i, []int32{Begin}
	}
	var ids []int32
	for t := 0; len(live) > 0 && t < s.m.cfg.Longest; t++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.tape.Reset()
		ids = ids[:0]
		codes := s.tape.Arena().New(tensor.Float32, len(live), k)
		for at, i := range live {
			ids = append(ids, shown[i]...)
			copy(codes.F32()[at*k:(at+1)*k], z[i*k:(i+1)*k])
		}
		x := s.m.write(s.tape, s.tape.Const(codes), ids, len(live), t+1)
		x = autograd.Reshape(autograd.Slice(x, 1, t, 1), len(live), -1)
		logits := s.m.Logits.Forward(s.tape, x).F32()
		v := s.m.cfg.Size()
		next := live[:0]
		for at, i := range live {
			token := c.choose(logits[at*v:(at+1)*v], i, t)
			if token == End {
				continue
			}
			out[i].WriteString(s.m.cfg.Vocabulary[token-FirstToken])
			shown[i] = append(shown[i], int32(token))
			next = append(next, i)
		}
		live = next
	}
	l := make([]string, n)
	for i := range l {
		l[i] = out[i].String()
	}
	return l, nil
}

// chooser draws tokens; a nil one takes the likeliest.
type chooser struct {
	stream      rng.Stream
	first       uint64
	temperature float64
}

// choose is a token of the vocabulary or End: the first one at which the sum of probabilities, in ascending order of
// the tokens, exceeds a uniform number, which is that of (row, step).
func (c *chooser) choose(logits []float32, row, step int) int {
	best := End
	for i := FirstToken; i < len(logits); i++ {
		if logits[i] > logits[best] {
			best = i
		}
	}
	if c == nil {
		return best
	}
	weight := func(i int) float64 {
		return tensor.ExpF64((float64(logits[i]) - float64(logits[best])) / c.temperature)
	}
	sum := weight(End)
	for i := FirstToken; i < len(logits); i++ {
		sum += weight(i)
	}
	var u [1]float64
	c.stream.Uniform64(u[:], c.first+uint64(row), uint32(step), rng.Choice)
	left := float64(u[0]*sum) - weight(End)
	if left < 0 {
		return End
	}
	for i := FirstToken; i < len(logits); i++ {
		if left -= weight(i); left < 0 {
			return i
		}
	}
	return best
}

// Package model says what a model of the family is to those who serve, train and measure it. The models themselves lie
// beside it, one package each; they implement what they can.
package model

import "github.com/manifold-gen/manifold/shared/tensor/rng"

// Unconditional is the class of a picture that is made without one.
const Unconditional = -1

// Size is what a model's pictures and codes measure.
type Size struct {
	Height, Width, Channels int   // of a picture: float32 in [0, 1], row by row, channels innermost
	Code                    []int // axes of a code, outermost first; nil for a model without codes
	Classes                 int   // 0 for a model without classes
}

// PictureLen is the number of values of a picture.
func (s Size) PictureLen() int { return s.Height * s.Width * s.Channels }

// CodeLen is the number of values of a code; 0 for a model without codes.
func (s Size) CodeLen() int {
	if len(s.Code) == 0 {
		return 0
	}
	n := 1
	for _, d := range s.Code {
		n *= d
	}
	return n
}

// Model is what the engine asks of every model; what a model can do beyond that, it says by implementing Encoder,
// Decoder, Prior, Chain or Scorer. Methods are called from one goroutine at a time, and what a row gives must not
// depend on the other rows.
type Model interface {
	Size() Size
}

// Encoder gives the code of pictures.
type Encoder interface {
	// Encode writes mean and, where codes are random, variance of n rows; class is nil for a model without classes.
	// variance is nil where the caller does not want it or Deterministic holds.
	Encode(mean, variance, x []float32, n int, class []int32)
	// Deterministic says that codes have no variance.
	Deterministic() bool
}

// Decoder gives the picture of codes.
type Decoder interface {
	// Decode writes the mean pictures of n codes; class is nil for a model without classes.
	Decode(dst, z []float32, n int, class []int32)
}

// Prior draws codes. A model that is a Decoder and not a Prior has codes that are standard normal where its Encoder
// gives variances, and cannot be sampled otherwise.
type Prior interface {
	// Draw writes the code of one sample, which depends on s, sample, temperature and class alone.
	Draw(z []float32, s rng.Stream, sample uint64, temperature float32, class int32)
}

// StandardNormal is implemented by models whose codes are trained towards a standard normal distribution.
type StandardNormal interface{ StandardNormal() bool }

// Indexer gives the indices of the codebook that codes stand for. Unlike the others it may be called from any
// goroutine.
type Indexer interface {
	// Indices writes the indices of n codes, as Encode gave them.
	Indices(dst []int32, codes []float32, n int)
	// Codebook is the number of vectors, and that of indices of one picture.
	Codebook() (vectors, each int)
}

// Hidden says how many units each hidden layer has, from the picture up; for people.
type Hidden interface{ Hidden() []int }

// Bernoulli is implemented by models whose likelihood of a pixel is one: cross-entropies of reconstructions mean
// something then.
type Bernoulli interface{ Bernoulli() bool }

// Chain is a Markov chain whose stationary distribution is the model's.
type Chain interface {
	// StateSize is the number of units in the state of one chain.
	StateSize() int
	// Start makes the state of a new chain: from noise, or from a picture where init is not nil. A class other than
	// Unconditional is clamped for good.
	Start(state []float32, s rng.Stream, chain uint64, init []float32, class int32)
	// Sweep takes every chain one Gibbs sweep further. The draws of a chain depend on its stream, number and sweep alone.
	Sweep(chains []Run)
	// Show writes the probabilities of the visible units.
	Show(dst, state []float32)
	// Energy of the joint configuration in nats at temperature 1.
	Energy(state []float32) float64
	// Sweeps that a sample takes unless told otherwise.
	Sweeps() int
	// Clamps says that a class can be clamped.
	Clamps() bool
}

// Stats describe the codes of the training data. They are kept with a model.
type Stats struct {
	Mean, Deviation []float64   // of the mean codes, by dimension
	KL              []float64   // from the prior, in nats, by dimension; nil for deterministic codes
	ClassMean       [][]float32 // mean code of every class; nil without classes
}

// Run is a chain at a sweep.
type Run struct {
	State       []float32
	Stream      rng.Stream
	Chain       uint64
	Sweep       uint32
	Temperature float32
	Class       int32 // clamped; Unconditional for none
}

// ScoreKind says what a score is.
type ScoreKind uint8

// The kinds of scores.
const (
	NoScore ScoreKind = iota
	Exact
	AISEstimate
	LowerBound
)

// Score holds the log-likelihoods of pictures.
type Score struct {
	Kind       ScoreKind
	Values     []float64 // nats
	ThreeSigma float64   // of the log partition function
	Free       []float64 // negative free energies; nil where there are none
	Samples    int       // of a lower bound
}

// Scorer says how likely pictures are.
type Scorer interface {
	// Score of n pictures; samples is for lower bounds. The draws of picture i depend on s and first+i alone.
	Score(x []float32, n int, class []int32, samples int, s rng.Stream, first uint64) (Score, error)
	// Kind is the kind of score that Score gives.
	Kind() ScoreKind
}

// Package model says what a model of a table is to those who serve, fit and measure it. The models themselves lie
// beside it, one package each; they implement what they can.
package model

import (
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Term is a condition on one field.
type Term struct {
	Field int
	Codes []int32 // a categorical field: any of these, ascending
	// A numeric field lies in [Lo, Hi); one that is equal to a number has Lo = Hi.
	Lo, Hi float64
}

// Method says how a probability was found.
type Method uint8

// The methods.
const (
	Auto                Method = iota // of a query: exact where that is affordable, then LikelihoodWeighting
	Counting                          // rows of the data
	Enumeration                       // of the joint distribution, or in closed form
	VariableElimination               // exact
	JunctionTree                      // exact
	LikelihoodWeighting               // sampled
	Gibbs                             // sampled
)

// Exact says whether a method's answers have no sampling error.
func (m Method) Exact() bool { return m != LikelihoodWeighting && m != Gibbs }

// Query asks for P(targets | given) or, where Event is not empty, for P(event | given); both under do().
type Query struct {
	Targets []int  // fields whose joint distribution is asked for
	Event   []Term // a conjunction
	Given   []Term // a conjunction
	Do      []Term // each sets a field by intervention; models without causal structure refuse it
	Method  Method
	Samples int        // of sampled methods
	Stream  rng.Stream // of sampled methods
	// Stopped is asked now and then by what takes long; an answer other than nil ends it. It may be nil.
	Stopped func() error
}

// Answer is a distribution. Impossible evidence, whose probability is zero, is an error of kind fault.Precondition with
// reason IMPOSSIBLE_EVIDENCE and never an answer.
type Answer struct {
	Method Method
	// Cells are the probabilities of all combinations of the levels of the categorical targets, the last target
	// changing fastest; of an event the one probability. They add up to 1 unless it is an event.
	Cells []float64
	// Counts and Total are the rows behind Cells where the model counts rows: Cells[i] = Counts[i] / Total.
	Counts []int64
	Total  int64
	// Mean and Variance of a numeric target, in the order of Targets; NaN for a categorical one.
	Mean, Variance []float64
	// Evidence is the probability, or density, of what is given; the natural logarithm.
	Evidence float64
	// Errors are the standard errors of Cells and Effective the effective number of samples, where it was sampled.
	Errors    []float64
	Effective float64
}

// Model is what is asked of every model; what it can do beyond that, it says by implementing the others. Methods may be
// called from many goroutines at a time: a fitted model does not change.
type Model interface {
	Schema() *table.Schema
}

// Querier answers questions about probabilities.
type Querier interface {
	Query(q *Query) (*Answer, error)
}

// Sampler draws rows.
type Sampler interface {
	// Sample fills all rows of t, which has the model's schema, under the conditions. Row i depends on s and first+i
	// alone.
	Sample(t *table.Table, s rng.Stream, first uint64, given []Term) error
}

// Scorer gives the log-likelihood of rows.
type Scorer interface {
	// Score writes the natural logarithm of the probability, or density, of each row; missing cells are summed out.
	Score(dst []float64, t *table.Table) error
}

// Contribution is what one field's value adds to the log-odds of a level against all others, in nats.
type Contribution struct {
	Field int     // of the value; -1 for the prior
	Nats  float64 // positive where it speaks for the level
}

// Explainer says why a row is given its class.
type Explainer interface {
	// Target is the field that the model predicts.
	Target() int
	// Predict writes P(target | the other cells) for every row and level.
	Predict(dst []float64, t *table.Table) error
	// Explain says what each cell of one row adds for a level of the target, the prior first.
	Explain(t *table.Table, row int, level int32) ([]Contribution, error)
}

// Edge of a graph. An undirected one has Directed false.
type Edge struct {
	From, To int
	Directed bool
	// Score is what the edge is worth, in the unit that the structure's Score names.
	Score float64
}

// Intervener is a model with causal structure.
type Intervener interface {
	// Intervene is the model in which fields are set from outside, each to one level or one number: what they depend on
	// in the model, they depend on no more.
	Intervene(set []Term) (Model, error)
}

// Structured says how fields depend on one another.
type Structured interface {
	// Edges lists them in the order of From, then To; score names their unit, such as "mutual information in nats".
	Edges() (edges []Edge, score string)
}

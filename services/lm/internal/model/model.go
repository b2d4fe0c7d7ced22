// Package model says what a language model is to those who serve, train and measure it: n-grams, Markov chains and
// hidden Markov models as well as networks. The models themselves lie beside it, one package each; they implement what
// they can.
package model

import "github.com/manifold-gen/manifold/shared/tensor/rng"

// Tokens turns text into tokens and back.
type Tokens interface {
	// Size is the number of tokens, special ones included; tokens are 0 to Size()-1.
	Size() int
	// Encode splits text. What the vocabulary lacks becomes its unknown token, or is an error of kind fault.Invalid with
	// reason UNKNOWN_TOKEN where it has none.
	Encode(text string) ([]int32, error)
	// Append adds the bytes of a token that follows others to dst. The bytes of several tokens together make the text: a
	// character may be split over tokens.
	Append(dst []byte, token int32, first bool) []byte
	// Piece shows one token to people; special tokens in angle brackets.
	Piece(token int32) string
	// End is the token that ends a text; -1 where there is none.
	End() int32
}

// Context is the text so far, as one request sees it. It is not shared between goroutines.
type Context interface {
	// Len is the number of tokens given so far.
	Len() int
}

// Model is what the engine asks of every language model. A model does not change once loaded: what is particular to a
// request lies in its Context. What a row gives depends on its own context alone, not on the other rows.
type Model interface {
	Tokens() Tokens
	// Open begins a text.
	Open() Context
	// Step gives every context its further tokens, which may be none, and writes the natural logarithm of the
	// probability of each token to come next: rows[i] has Size() values and is nil where nobody asks.
	Step(contexts []Context, further [][]int32, rows [][]float64) error
	// Limit is the greatest number of tokens of a context; 0 for none.
	Limit() int
}

// Replier answers a text by rules rather than by going on with it token by token: ELIZA, templates, grammars. Its words
// are chosen by draws of s at the sample alone.
type Replier interface {
	// Reply gives the answer in pieces to be streamed, each with the probability of the choices that led to it.
	Reply(prompt string, s rng.Stream, sample uint64) ([]Piece, error)
}

// Piece is a part of a text with the natural logarithm of its probability.
type Piece struct {
	Text string
	Nats float64
}

// Tagger labels tokens.
type Tagger interface {
	// Tags are the labels, in the order of their numbers.
	Tags() []string
	// Tag gives the most likely sequence, its joint log-probability with the words, and the posterior of every label:
	// len(words) x len(Tags()).
	Tag(words []string) (path []int32, joint float64, posterior []float64, err error)
}

// Filterer follows hidden states while observations come.
type Filterer interface {
	// Filter gives the probability of each state at each word given the words up to it, len(words) x len(Tags()), and
	// the natural logarithm of the probability of all words.
	Filter(words []string) ([]float64, float64, error)
}

// Transitions is a chain whose states can be named: what Chain answers about.
type Transitions interface {
	// States are their names.
	States() []string
	// Matrix is states x states, rows adding up to 1.
	Matrix() []float64
	// Start is the distribution of the first state.
	Start() []float64
}

// Forgetter can be rid of documents exactly.
type Forgetter interface {
	// Forget gives the model that training without these documents would have made. An error where one of them was not
	// part of the training data.
	Forget(documents []string) (Model, error)
}

// Scorer looks up the tokens of a text without the whole distribution.
type Scorer interface {
	// Score gives the context further tokens. nats[i] becomes the natural logarithm of the probability of further[i], the
	// very number that Step gives. lengths, where it is not nil, becomes how many tokens up to and with each of them the
	// model knew together: 0 for an unknown token, 1 for one that it knew alone.
	Score(c Context, further []int32, nats []float64, lengths []int32) error
}

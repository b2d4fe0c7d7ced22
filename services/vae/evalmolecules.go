package vae

import (
	"context"

	"github.com/manifold-gen/manifold/services/vae/internal/evaluate"
)

type (
	// EvalMoleculesConfig is what EvalMolecules measures.
	EvalMoleculesConfig = evaluate.Molecules
	// EvalMoleculesReport is what it tells.
	EvalMoleculesReport = evaluate.MoleculesReport
	// EvalMoleculesRow is a part of that: strings of one origin.
	EvalMoleculesRow = evaluate.MoleculeRow
)

// EvalMolecules draws from a model of molecules and counts the valid, the unique and the novel ones, beside those of a
// Markov chain of the same data, of unseen molecules and of the training set.
func EvalMolecules(ctx context.Context, c EvalMoleculesConfig) (*EvalMoleculesReport, error) {
	return c.Run(ctx)
}

type (
	// EvalNeighboursConfig is what EvalNeighbours measures.
	EvalNeighboursConfig = evaluate.Neighbours
	// EvalNeighboursReport is what it tells.
	EvalNeighboursReport = evaluate.NeighboursReport
	// EvalNeighboursRow is a part of that: one representation.
	EvalNeighboursRow = evaluate.NeighboursRow
)

// EvalNeighbours classifies pictures by their nearest neighbours among raw pixels, principal components and the codes
// of models: accuracy, time of a query, memory.
func EvalNeighbours(ctx context.Context, c EvalNeighboursConfig) (*EvalNeighboursReport, error) {
	return c.Run(ctx)
}

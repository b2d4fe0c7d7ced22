package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// section is the model part of a recipe.
type section interface {
	// setDefaults fills in what does not depend on the data, here and in the rest of the recipe.
	setDefaults(r *Recipe)
	// check returns what is wrong, before any data is opened.
	check(r *Recipe) []fault.Violation
	// further are the configurations of the stages after the first.
	further() []*train.Config
	// train makes the model.
	train(ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event)) (*trained, error)
}

// trained is a model at the end of its training.
type trained struct {
	config  any             // for the manifest
	model   model.Model     // with the published weights
	tensors []weights.Param // the published weights
	normal  bool            // codes have a standard normal prior
	results []*train.Result // of every stage
	about   []string        // sentences for the card
	inputs  []modelstore.Port
	outputs []modelstore.Port
}

// architecture is how recipes of one kind are read and how its published models are made.
type architecture struct {
	decode func(text []byte) (*Recipe, error)
	// open makes a model of a manifest's config, without weights, and names the parameters to bind.
	open func(m *modelstore.Manifest, f *weights.File) (model.Model, error)
	// score is the kind of Score that the models of a manifest give.
	score func(m *modelstore.Manifest) model.ScoreKind
}

var architectures = map[string]architecture{
	"autoencoder": {decodeAs[autoencoderModel], openAutoencoder, scoreNothing},
	"boltzmann":   {decodeAs[boltzmannModel], openBoltzmann, scoreBoltzmann},
	"dbn":         {decodeAs[dbnModel], openDBN, scoreEnergy},
	"rbm":         {decodeAs[rbmModel], openRBM, scoreEnergy},
	Smiles:        {decodeAs[smilesModel], openText, scoreNothing},
	"vae":         {decodeAs[vaeModel], openVAE, scoreBound},
	"vq":          {decodeAs[vqModel], openVQ, scoreVQ},
}

func scoreNothing(*modelstore.Manifest) model.ScoreKind { return model.NoScore }

func scoreBound(*modelstore.Manifest) model.ScoreKind { return model.LowerBound }

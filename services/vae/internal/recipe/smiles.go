package recipe

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/smiles"
)

// Smiles is the architecture of models of molecules.
const Smiles = "smiles"

// smilesModel is the model part of a recipe for a VAE of molecules. Data.Name is a set of molecules, Data.Images the
// trainer's own file of SMILES.
type smilesModel struct {
	Width    int      `yaml:"width"`     // 128
	Heads    int      `yaml:"heads"`     // 4
	Encoder  int      `yaml:"encoder"`   // blocks; 2
	Decoder  int      `yaml:"decoder"`   // blocks; 3
	Latent   *int     `yaml:"latent"`    // numbers of a code; 32
	WordDrop *float64 `yaml:"word_drop"` // share of tokens that the decoder is not shown in training; 0.2

	Beta     *float64 `yaml:"beta"`                // weight of the divergence; 1
	Warmup   int      `yaml:"warmup,omitempty"`    // steps in which beta rises from 0; 0
	FreeBits float64  `yaml:"free_bits,omitempty"` // nats of divergence that each number of a code has for nothing; 0
}

func (s *smilesModel) setDefaults(r *Recipe) {
	orInt(&s.Width, 128)
	orInt(&s.Heads, 4)
	orInt(&s.Encoder, 2)
	orInt(&s.Decoder, 3)
	setDefault(&s.Latent, 32)
	setDefault(&s.WordDrop, 0.2)
	setDefault(&s.Beta, 1)
	if r.Train.Micro == 0 && r.Train.Batch > 0 && r.Train.Batch <= 128 {
		r.Train.Micro = r.Train.Batch
	}
}

// config is the shape of the model for a vocabulary.
func (s *smilesModel) config(vocabulary []string, longest int) smiles.Config {
	return smiles.Config{
		Vocabulary: vocabulary, Longest: longest, Width: s.Width, Heads: s.Heads, Encoder: s.Encoder, Decoder: s.Decoder,
		Latent: *s.Latent,
	}
}

func (s *smilesModel) check(r *Recipe) []fault.Violation {
	var wrong []fault.Violation
	within := func(field string, x, lo, hi float64) {
		if !(x >= lo && x <= hi) {
			wrong = append(wrong, fault.Violation{Field: field, Description: fmt.Sprintf("%v, want %v to %v", x, lo, hi)})
		}
	}
	within("model.word_drop", *s.WordDrop, 0, 1)
	within("model.beta", *s.Beta, 0, maxBeta)
	within("model.warmup", float64(s.Warmup), 0, train.MaxSteps)
	within("model.free_bits", s.FreeBits, 0, maxBeta)
	if r.Data.Size != 0 || r.Data.Channels != 0 {
		wrong = append(wrong, fault.Violation{Field: "data", Description: "molecules have neither size nor channels"})
	}
	cfg := s.config([]string{"C"}, 1)
	return append(wrong, checkConfig(cfg.Validate(), "smiles")...)
}

func (s *smilesModel) further() []*train.Config { return nil }

// train implements section; build takes its place.
func (s *smilesModel) train(context.Context, *Recipe, *recipe.Pictures, string, func(train.Event)) (*trained, error) {
	return nil, fault.E(fault.Internal, "NO_PICTURES", "recipe.smiles", "molecules are no pictures")
}

// ownData is a section whose data is no pictures.
type ownData interface {
	// build trains in a directory and publishes the model.
	build(
		ctx context.Context, r *Recipe, deps recipe.Deps, dir string, events func(train.Event),
	) (modelstore.Entry, error)
}

func (s *smilesModel) build(
	ctx context.Context, r *Recipe, deps recipe.Deps, dir string, events func(train.Event),
) (modelstore.Entry, error) {
	data, err := smiles.Open(ctx, deps.Data, smiles.Request{
		Name: r.Data.Name, Path: r.Data.Images, Licence: r.Data.Licence, Train: r.Data.Train, Select: r.Data.Select,
	})
	if err != nil {
		return modelstore.Entry{}, err
	}
	task, err := newSmilesTask(r, s, data)
	if err != nil {
		return modelstore.Entry{}, err
	}
	res, err := train.Run(ctx, dir, task, r.Train, events)
	if err != nil {
		return modelstore.Entry{}, err
	}
	if err := load(task.twin, res.Weights); err != nil {
		return modelstore.Entry{}, err
	}
	m, err := s.manifest(r, task, res)
	if err != nil {
		return modelstore.Entry{}, err
	}
	card := recipe.Card{
		About: []string{
			fmt.Sprintf("A variational autoencoder of molecules as SMILES: codes of %d numbers, transformers of width %d "+
				"with %d and %d blocks.", *s.Latent, s.Width, s.Encoder, s.Decoder),
			"The data comes from " + data.Origin + ".",
			"What is drawn has to be checked: a string need not be a molecule, nor a molecule be stable or harmless.",
		},
		Training: recipe.Training(res, r.Train, "molecules"), Figures: figures(&m),
	}
	return recipe.Publish(ctx, deps.Store, m, tensorsOf(task.twin), card.Text)
}

func (s *smilesModel) manifest(r *Recipe, t *smilesTask, res *train.Result) (modelstore.Manifest, error) {
	config, err := json.Marshal(t.net.Config())
	if err != nil {
		return modelstore.Manifest{}, err
	}
	public := *r
	public.Data = r.Data.Public()
	text, err := public.YAML()
	if err != nil {
		return modelstore.Manifest{}, err
	}
	m := modelstore.Manifest{
		Family: Family, Architecture: r.Architecture, Config: config, Name: r.Name, Description: r.Description,
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion, Licence: r.Licence,
		Parameters: int64(nn.Count(t.net)), Metrics: map[string]float64{"train_loss": res.Loss},
		Inputs:  []modelstore.Port{{Name: "molecule", Shape: []int{-1}, Description: "SMILES"}},
		Outputs: []modelstore.Port{{Name: "molecule", Shape: []int{-1}, Description: "SMILES"}},
		Data: modelstore.Data{
			Name: t.data.Name, SHA256: t.data.Hash, Licence: t.data.Licence, Samples: len(t.data.Train),
		},
	}
	if m.Licence == "" {
		m.Licence = t.data.Licence
	}
	for name, v := range res.Metrics {
		m.Metrics["select_"+name] = v
	}
	return m, nil
}

// openText is for models that have no pictures: the service cannot run them.
func openText(m *modelstore.Manifest, _ *weights.File) (model.Model, error) {
	return nil, fault.E(fault.Invalid, "NO_PICTURES", "recipe.Open",
		"the model %s writes molecules, not pictures; draw them with manifold generate molecules", m.Ref())
}

// OpenSmiles makes a published model of molecules of its manifest and its weights, which it does not copy.
func OpenSmiles(m *modelstore.Manifest, f *weights.File) (*smiles.VAE, error) {
	const op = "recipe.OpenSmiles"
	if m.Architecture != Smiles {
		return nil, fault.E(fault.Invalid, "NO_MOLECULES", op, "the model %s does not write molecules", m.Ref())
	}
	var cfg smiles.Config
	if err := configOf(m, &cfg); err != nil {
		return nil, fault.Wrap(op, err)
	}
	net, err := smiles.New(cfg)
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MODEL", op, "%w", err)
	}
	if err := bind(net, f); err != nil {
		return nil, fault.Wrap(op, err)
	}
	nn.Pack(net)
	return net, nil
}

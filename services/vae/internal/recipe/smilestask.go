package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/services/vae/internal/smiles"
)

// smilesTask is a VAE of molecules in training.
type smilesTask struct {
	recipe    *Recipe
	spec      *smilesModel
	data      *smiles.Molecules
	seen      [][]int32 // the training strings, encoded
	unseen    [][]int32 // those for selection that the vocabulary can write
	net, twin *smiles.VAE
	sampler   *smiles.Sampler // of the twin
	params    []*nn.Param
	print     string
	tape      *autograd.Tape
	batch     smiles.Batch
	rows      [][]int32
	drop      []float32
	perKL     []float64 // of the last evaluation, means
}

// Strings that an evaluation draws, and those that it encodes and decodes again.
const (
	drawnStrings = 200
	codedStrings = 200
)

func newSmilesTask(r *Recipe, s *smilesModel, data *smiles.Molecules) (*smilesTask, error) {
	const op = "recipe.newSmilesTask"
	vocabulary, longest := smiles.Vocabulary(data.Train)
	cfg := s.config(vocabulary, longest)
	t := &smilesTask{recipe: r, spec: s, data: data, tape: autograd.NewInference(nil)}
	var err error
	if t.net, err = smiles.New(cfg); err == nil {
		t.twin, err = smiles.New(cfg)
	}
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", op, "%w", err)
	}
	for _, line := range data.Train {
		ids, err := cfg.Encode(line)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		t.seen = append(t.seen, ids)
	}
	for _, line := range data.Selection {
		if ids, err := cfg.Encode(line); err == nil {
			t.unseen = append(t.unseen, ids)
		}
	}
	if len(t.unseen) == 0 {
		return nil, fault.E(fault.Invalid, "BAD_SPLIT", op, "no molecule for selection is made of tokens for training")
	}
	nn.Init(t.net, r.Seed)
	t.params, t.sampler = nn.Params(t.net), smiles.NewSampler(t.twin)
	text, err := json.Marshal([]any{
		r.Architecture, r.Seed, data.Hash, data.Selection, cfg, *s.Beta, s.Warmup, s.FreeBits, *s.WordDrop,
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	t.print = hex.EncodeToString(sum[:])
	return t, nil
}

// Params implements train.Task.
func (t *smilesTask) Params() []*nn.Param { return t.params }

// Samples implements train.Task.
func (t *smilesTask) Samples() int { return len(t.seen) }

// Fingerprint implements train.Task.
func (t *smilesTask) Fingerprint() string { return t.print }

// Loss implements train.Task: the negative bound, nats a molecule, with some of what the decoder is shown left out.
func (t *smilesTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	t.rows = t.rows[:0]
	for _, i := range in.Samples {
		t.rows = append(t.rows, t.seen[i])
	}
	t.batch.Fill(t.rows)
	k := *t.spec.Latent
	eps := tape.Arena().New(tensor.Float32, len(t.rows), k)
	for i, d := range in.Draws {
		in.Rng.Normal(eps.F32()[i*k:(i+1)*k], d, uint32(in.Step), rng.Noise)
		shown := t.batch.In[i*t.batch.T : (i+1)*t.batch.T]
		t.drop = append(t.drop[:0], make([]float32, len(t.rows[i]))...)
		in.Rng.Uniform(t.drop, d, uint32(in.Step), rng.Drop)
		for j, u := range t.drop {
			if float64(u) < *t.spec.WordDrop {
				shown[j+1] = smiles.Dropped
			}
		}
	}
	return t.net.ELBO(tape, &t.batch, tape.Const(eps), t.beta(in.Step), t.spec.FreeBits).Loss, nil
}

// beta is the weight of the divergence at a step, as vaeTask has it.
func (t *smilesTask) beta(step int) float64 {
	if step >= t.spec.Warmup {
		return *t.spec.Beta
	}
	return *t.spec.Beta * float64(step+1) / float64(t.spec.Warmup+1)
}

// Evaluate implements train.Task on the selection split: the bound with one sample of every code, the share of strings
// that come back from their codes whole, and the share of drawn strings that are molecules.
func (t *smilesTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.twin, model); err != nil {
		return nil, err
	}
	k, n := *t.spec.Latent, len(t.unseen)
	t.perKL = make([]float64, k)
	var lost, kl, active float64
	stream := rng.New(t.recipe.Seed ^ evalSeed)
	var b smiles.Batch
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := t.unseen[from:min(from+evalRows, n)]
		b.Fill(rows)
		t.tape.Reset()
		eps := t.tape.Arena().New(tensor.Float32, len(rows), k)
		for i := range rows {
			stream.Normal(eps.F32()[i*k:(i+1)*k], uint64(from+i), 0, rng.Noise)
		}
		err := tensor.Catch(func() {
			bound := t.twin.ELBO(t.tape, &b, t.tape.Const(eps), 1, 0)
			lost += float64(bound.Lost.F32()[0]) * float64(len(rows)) / float64(n)
			for i, v := range bound.KL.F32() {
				t.perKL[i%k] += float64(v) / float64(n)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, v := range t.perKL {
		kl += v
		if v > activeKL {
			active++
		}
	}
	m := map[string]float64{
		"loss": lost + float64(*t.spec.Beta*kl), "reconstruction": lost, "kl": kl, "negative_elbo": lost + kl,
		"active_units": active,
		"whole":        0, "valid": 0,
	}
	return m, t.strings(ctx, m, stream)
}

// activeKL is the divergence, in nats, from which on a number of a code is in use.
const activeKL = 0.01

// strings adds the figures that take writing.
func (t *smilesTask) strings(ctx context.Context, m map[string]float64, stream rng.Stream) error {
	rows := t.unseen[:min(codedStrings, len(t.unseen))]
	mean, _ := t.sampler.Encode(rows)
	again, err := t.sampler.Decode(ctx, mean)
	if err != nil {
		return err
	}
	cfg := t.twin.Config()
	for i, s := range again {
		if ids, err := cfg.Encode(s); err == nil && fmt.Sprint(ids) == fmt.Sprint(rows[i]) {
			m["whole"] += 1 / float64(len(rows))
		}
	}
	drawn, err := t.sampler.Sample(ctx, drawnStrings, stream, 0, 1)
	if err != nil {
		return err
	}
	for _, s := range drawn {
		if molecule.Valid(s) {
			m["valid"] += 1.0 / drawnStrings
		}
	}
	return nil
}

// Report implements train.Reporter: the divergence by dimension, and an alarm where codes say nothing.
func (t *smilesTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	r := train.Report{Series: histogram(model)}
	r.Series["kl"] = t.perKL
	used := 0
	for _, v := range t.perKL {
		if v > activeKL {
			used++
		}
	}
	if used == 0 {
		r.Alarms = []string{"No number of the code is in use: the decoder writes without it (posterior collapse)."}
	}
	return r, nil
}

// Preview implements train.Task: molecules are no pictures.
func (t *smilesTask) Preview(context.Context, []weights.Param, int) ([]train.Preview, error) {
	return nil, nil
}

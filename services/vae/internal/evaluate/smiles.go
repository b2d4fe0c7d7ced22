package evaluate

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/services/vae/internal/smiles"
)

// Molecules says what to measure of a model of molecules.
type Molecules struct {
	Store        *modelstore.Store
	Model        string // name or name@version
	Data         *dataset.Locator
	N            int       // strings to draw; 10,000
	Temperatures []float64 // of draws; 1
	Seed         uint64
	// Own is a file of molecules, for a model that was trained on one.
	Own      string
	Progress func(what string, done, of int) // may be nil
}

// Share is a part of n with its interval of 95 % (Wilson 1927).
type Share struct {
	N     int     `json:"n"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func share(part, n int) Share {
	if n == 0 {
		return Share{}
	}
	const z = 1.959964
	p, m := float64(part)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return Share{N: n, Share: p, Low: max(0, middle-half), High: min(1, middle+half)}
}

// MoleculeRow is what was found about strings of one origin.
type MoleculeRow struct {
	Name        string  `json:"name"`
	Temperature float64 `json:"temperature,omitempty"`
	// Valid are those of all strings that are molecules; Unique the different ones of these; Novel those of the different
	// ones that are not among the training molecules. Molecules are compared by what their atoms are and how they hang
	// together, however they are written; stereochemistry aside.
	Valid  Share `json:"valid"`
	Unique Share `json:"unique"`
	Novel  Share `json:"novel"`
	// New is the share of all strings that are new molecules, each counted once.
	New       Share    `json:"new"`
	Atoms     Mean     `json:"atoms"` // of the valid ones, hydrogens aside
	Seconds   float64  `json:"seconds"`
	PerSecond float64  `json:"per_second"`
	Examples  []string `json:"examples"` // new ones
}

// MoleculesReport is what was measured.
type MoleculesReport struct {
	Model    string `json:"model"`
	Digest   string `json:"digest"`
	Data     string `json:"data"`
	Seed     uint64 `json:"seed"`
	Numerics int    `json:"numerics"`
	Train    int    `json:"training_molecules"`
	// Whole are the unseen molecules that come back from the means of their codes letter by letter.
	Whole Share `json:"reconstructed"`
	// KL is the mean divergence of codes of unseen molecules by dimension, in nats.
	KL          []float64     `json:"kl"`
	ActiveUnits int           `json:"active_units"`
	Rows        []MoleculeRow `json:"rows"`
	Seconds     float64       `json:"seconds"`
}

// markovOrder is that of the baseline: characters that the next one depends on.
const markovOrder = 6

// Run measures the model, and beside it strings of a Markov chain of the same data, the unseen molecules and the
// training set itself.
func (c Molecules) Run(ctx context.Context) (*MoleculesReport, error) {
	const op = "evaluate.Molecules"
	start := time.Now()
	if c.N == 0 {
		c.N = 10_000
	}
	if c.N < 1 || c.N > 1_000_000 {
		return nil, fault.InvalidField(op, "n", "%d, want 1 to 1000000", c.N)
	}
	if len(c.Temperatures) == 0 {
		c.Temperatures = []float64{1}
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	net, entry, done, err := c.open()
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	defer done()
	data, err := c.molecules(ctx, entry)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	known, err := keys(data.Train)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := &MoleculesReport{
		Model: entry.Ref(), Digest: entry.Manifest.Digest, Data: data.Name, Seed: c.Seed,
		Numerics: tensor.NumericsVersion, Train: len(data.Train),
	}
	sampler := smiles.NewSampler(net)
	if err := r.codes(ctx, net, sampler, data.Selection, c.Progress); err != nil {
		return nil, fault.Wrap(op, err)
	}
	add := func(name string, temperature float64, draw func() ([]string, error)) error {
		begin := time.Now()
		l, err := draw()
		if err != nil {
			return err
		}
		seconds := time.Since(begin).Seconds()
		row := judge(l, known)
		row.Name, row.Temperature = name, temperature
		row.Seconds, row.PerSecond = seconds, float64(len(l))/max(seconds, 1e-9)
		r.Rows = append(r.Rows, row)
		return nil
	}
	for _, t := range c.Temperatures {
		err := add("model", t, func() ([]string, error) {
			return parts(c.N, "writing molecules", c.Progress, func(from, to int) ([]string, error) {
				return sampler.Sample(ctx, to-from, rng.New(c.Seed), uint64(from), t)
			})
		})
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	err = add(fmt.Sprintf("Markov chain of order %d", markovOrder), 0, func() ([]string, error) {
		m := molecule.NewMarkov(data.Train, markovOrder)
		l := make([]string, c.N)
		for i := range l {
			l[i] = m.Draw(rng.New(c.Seed), uint64(i), 4*net.Config().Longest)
		}
		return l, ctx.Err()
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	for _, l := range [][]string{data.Selection, data.Train} {
		name := "unseen molecules"
		if len(r.Rows) > len(c.Temperatures)+1 {
			name = "training molecules"
		}
		if err := add(name, 0, func() ([]string, error) { return l[:min(c.N, len(l))], nil }); err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	r.Seconds = math.Round(10*time.Since(start).Seconds()) / 10
	return r, nil
}

// parts makes strings 0 to n-1 part by part, and tells how far it is.
func parts(n int, what string, tell func(what string, done, of int), some func(from, to int) ([]string, error)) (
	[]string, error,
) {
	const part = 512
	all := make([]string, 0, n)
	for from := 0; from < n; from += part {
		to := min(from+part, n)
		l, err := some(from, to)
		if err != nil {
			return nil, err
		}
		all = append(all, l...)
		tell(what, to, n)
	}
	return all, nil
}

// open loads the model; the returned function unmaps it.
func (c Molecules) open() (*smiles.VAE, modelstore.Entry, func(), error) {
	e, err := c.Store.Resolve(c.Model)
	if err != nil {
		return nil, e, nil, err
	}
	dir, err := c.Store.Dir(e)
	if err != nil {
		return nil, e, nil, err
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, e, nil, err
	}
	net, err := recipe.OpenSmiles(e.Manifest, f)
	if err != nil {
		f.Close()
		return nil, e, nil, err
	}
	return net, e, func() { f.Close() }, nil
}

// molecules opens those that the model was trained on.
func (c Molecules) molecules(ctx context.Context, e modelstore.Entry) (*smiles.Molecules, error) {
	r, err := recipe.Parse([]byte(e.Manifest.Recipe))
	if err != nil {
		return nil, err
	}
	req := smiles.Request{Name: r.Data.Name, Path: c.Own, Train: r.Data.Train, Select: r.Data.Select}
	data, err := smiles.Open(ctx, c.Data, req)
	if err != nil {
		return nil, err
	}
	if data.Hash != e.Manifest.Data.SHA256 {
		return nil, fault.E(fault.Invalid, "OTHER_DATA", "", "the molecules are not those that %s was trained on", e.Ref())
	}
	return data, nil
}

// codes measures what the codes of unseen molecules say.
func (r *MoleculesReport) codes(
	ctx context.Context, net *smiles.VAE, s *smiles.Sampler, unseen []string, tell func(what string, done, of int),
) error {
	cfg := net.Config()
	var rows [][]int32
	var written []string
	for _, line := range unseen {
		if ids, err := cfg.Encode(line); err == nil {
			rows, written = append(rows, ids), append(written, line)
		}
	}
	mean, logvar := s.Encode(rows)
	k := cfg.Latent
	again, err := parts(len(rows), "reconstructing", tell, func(from, to int) ([]string, error) {
		return s.Decode(ctx, mean[from*k:to*k])
	})
	if err != nil {
		return err
	}
	whole := 0
	for i, line := range again {
		if line == written[i] {
			whole++
		}
	}
	r.Whole = share(whole, len(unseen)) // a string that the model cannot write is one that is lost
	r.KL = make([]float64, k)
	for i, m := range mean {
		v := float64(logvar[i])
		r.KL[i%k] += 0.5 * (float64(m)*float64(m) + math.Exp(v) - v - 1) / float64(len(rows))
	}
	for _, v := range r.KL {
		if v > 0.01 {
			r.ActiveUnits++
		}
	}
	return nil
}

// keys are those of all molecules.
func keys(lines []string) (map[uint64]bool, error) {
	all := make(map[uint64]bool, len(lines))
	for _, s := range lines {
		m, err := molecule.Parse(s)
		if err != nil {
			return nil, err
		}
		all[m.Key()] = true
	}
	return all, nil
}

// judge counts.
func judge(lines []string, known map[uint64]bool) MoleculeRow {
	var row MoleculeRow
	var atoms sum
	valid, novel := 0, 0
	seen := map[uint64]bool{}
	for _, s := range lines {
		m, err := molecule.Parse(s)
		if err != nil {
			continue
		}
		valid++
		atoms.add(float64(len(m.Atoms)))
		k := m.Key()
		if seen[k] {
			continue
		}
		seen[k] = true
		if known[k] {
			continue
		}
		novel++
		if len(row.Examples) < 12 {
			row.Examples = append(row.Examples, s)
		}
	}
	row.Valid, row.Unique, row.Novel = share(valid, len(lines)), share(len(seen), valid), share(novel, len(seen))
	row.New = share(novel, len(lines))
	if valid > 0 {
		row.Atoms = atoms.mean()
	}
	return row
}

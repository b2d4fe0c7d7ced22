package smiles

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Grammar is the set of molecules that is drawn, for tests and for machines without data.
const Grammar = "molecule-grammar"

// sets are the registered sets of molecules beside Grammar.
var sets = []dataset.Entry{
	{
		Name: "qm9", Title: "QM9: 132,737 molecules of up to 9 atoms of C, N, O and F", Licence: "CC0 1.0",
		Citation: "R. Ramakrishnan et al.: Quantum chemistry structures and properties of 134 kilo molecules, 2014",
		Homepage: "https://quantum-machine.org/datasets/",
		Sources: []dataset.Source{{
			Path: "chem/qm9.csv", URL: "https://raw.githubusercontent.com/valence-discovery/lapool/master/data/qm9.csv",
			SHA256: "f7cc792c3e8c066fabf0645d11d8e3e98a41f4c6b7b6bed1e5b6425e5251c133",
		}},
	}, {
		Name: "zinc", Title: "ZINC: 24,445 drug-like molecules", Licence: "none stated; ZINC is free to use",
		Citation: "T. Sterling, J. J. Irwin: ZINC 15, 2015; the split of W. Jin et al., 2018",
		Homepage: "https://zinc15.docking.org/",
		Sources: []dataset.Source{{
			Path:   "chem/zinc-valid.smi",
			URL:    "https://raw.githubusercontent.com/wengong-jin/icml18-jtnn/master/data/zinc/valid.txt",
			SHA256: "ad7d9c2bfebd93ffda6c32ed0e89d1714ae1f592f6340c0e6ae057521bbae30d",
		}},
	},
}

// Names lists the sets of molecules.
func Names() []string {
	names := []string{Grammar}
	for _, e := range sets {
		names = append(names, e.Name)
	}
	return names
}

// Molecules are the strings of a set, divided at random, always in the same way.
type Molecules struct {
	Train, Selection []string
	Name             string
	Licence, Origin  string
	Hash             string // SHA-256 of the training strings, one a line
}

// Request names molecules: a registered set or a file, of lines that begin with a SMILES string or of comma separated
// values with a column "smiles".
type Request struct {
	Name, Path string
	Licence    string // of the file
	// Train and Select are numbers of molecules: 0 for one in fifty, but at most 2,000, for selection, and all others
	// for training.
	Train, Select int
}

// limits of a set of molecules.
const (
	maxFile = 256 << 20
	minSet  = 10
)

// Open finds molecules. Strings that are none are left out, and refused where they are more than one in a hundred: of
// QM9's, 510 are carbon cations with four bonds.
func Open(ctx context.Context, l *dataset.Locator, r Request) (*Molecules, error) {
	const op = "smiles.Open"
	m := &Molecules{Name: r.Name, Licence: r.Licence, Origin: "the trainer's own molecules"}
	var all []string
	var err error
	switch i := slices.IndexFunc(sets, func(e dataset.Entry) bool { return e.Name == r.Name }); {
	case (r.Name == "") == (r.Path == ""):
		return nil, fault.InvalidField(op, "data", "want one of name and images")
	case r.Path != "":
		m.Name = "molecules"
		all, err = read(r.Path)
	case r.Name == Grammar:
		m.Licence, m.Origin = "made by this project", "drawn from a grammar"
		all = draw(rng.New(1), 4000)
	case i < 0:
		return nil, fault.InvalidField(op, "data.name", "%.80q, sets of molecules are %s", r.Name,
			strings.Join(Names(), ", "))
	default:
		m.Licence, m.Origin = sets[i].Licence, sets[i].Homepage
		if l == nil {
			l = new(dataset.Locator)
		}
		var path string
		if path, err = l.Find(ctx, sets[i], sets[i].Sources[0]); err == nil {
			all, err = read(path)
		}
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if m.Licence == "" {
		m.Licence = "not stated"
	}
	return m, fault.Wrap(op, m.divide(all, r))
}

// divide takes the molecules for selection out at random.
func (m *Molecules) divide(all []string, r Request) error {
	n, sel := len(all), r.Select
	if sel == 0 {
		sel = max(1, min(n/50, 2000))
	}
	tr := r.Train
	if tr == 0 {
		tr = n - sel
	}
	if n < minSet || tr < 1 || tr+sel > n {
		return fault.E(fault.Invalid, "BAD_SPLIT", "", "%d molecules for training and %d for selection of %d", tr, sel, n)
	}
	h := sha256.New()
	for at, i := range rng.New(0).Perm(n, 0)[:tr+sel] {
		if at < sel {
			m.Selection = append(m.Selection, all[i])
			continue
		}
		m.Train = append(m.Train, all[i])
		_, _ = io.WriteString(h, all[i]+"\n")
	}
	m.Hash = hex.EncodeToString(h.Sum(nil))
	return nil
}

// read reads a file of molecules.
func read(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", "", "the molecules %q cannot be opened", filepath.Base(path))
	}
	defer func() { _ = f.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fault.E(fault.Invalid, "TOO_LARGE", "", "more than %d bytes of molecules", maxFile)
	}
	var all []string
	if strings.HasSuffix(strings.ToLower(path), ".csv") {
		all, err = column(text)
	} else {
		all, err = lines(text)
	}
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_DATA", "", "%s: %w", filepath.Base(path), err)
	}
	var bad error
	n := len(all)
	all = slices.DeleteFunc(all, func(s string) bool {
		_, err := molecule.Parse(s)
		if err != nil && bad == nil {
			bad = fault.E(fault.Invalid, "BAD_MOLECULE", "", "%.80q: %w", s, err)
		}
		return err != nil
	})
	if n-len(all) > n/100 {
		return nil, fault.E(fault.Invalid, "BAD_MOLECULES", "", "%d of %d are no molecules; the first is %w", n-len(all), n,
			bad)
	}
	return all, nil
}

func lines(text []byte) (all []string, err error) {
	sc := bufio.NewScanner(bytes.NewReader(text))
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) > 0 {
			all = append(all, f[0])
		}
	}
	return all, sc.Err()
}

func column(text []byte) ([]string, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	at := slices.IndexFunc(rows[0], func(s string) bool { return strings.EqualFold(s, "smiles") })
	if at < 0 {
		return nil, fault.E(fault.Invalid, "BAD_DATA", "", "no column is named smiles")
	}
	var all []string
	for _, r := range rows[1:] {
		all = append(all, strings.TrimSpace(r[at]))
	}
	return all, nil
}

// parts are what Grammar is made of: anything bonds to anything.
var parts = []string{"C", "C", "C", "O", "N", "CC", "C(C)", "C(=O)", "C(O)", "C(F)", "C=C", "C1CC1", "c1ccc(cc1)",
	"[C@H](N)"}

// draw makes different strings of two to six parts.
func draw(s rng.Stream, n int) []string {
	seen := map[string]bool{}
	var all []string
	pick := make([]int32, 7)
	for i := 0; len(all) < n; i++ {
		s.Ints(pick, int32(60*len(parts)), uint64(i), 0, rng.General) // 60 is a multiple of the counts of lengths
		var b strings.Builder
		for _, k := range pick[1 : 3+pick[0]%5] {
			b.WriteString(parts[int(k)%len(parts)])
		}
		if t := b.String(); !seen[t] {
			seen[t] = true
			all = append(all, t)
		}
	}
	return all
}

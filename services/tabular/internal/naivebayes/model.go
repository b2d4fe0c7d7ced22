package naivebayes

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Model is a fitted classifier.
type Model struct {
	Config     Config
	Statistics *Statistics
	schema     *table.Schema
	prior      []float64   // log P(c), -Inf for a class without rows
	fields     []parameter // one a field
	complement bool        // some field has no distribution
}

// parameter is P(x | c) of one field.
type parameter struct {
	log      []float64 // [C, levels]: of categories and bits; [C] of a count: ln theta or the complement's weight
	mean     []float64 // [C]
	variance []float64 // [C]
	norm     []float64 // [C]: -ln(2 pi variance)/2
}

// Fit counts a source and makes a model of it.
func Fit(src table.Source, c Config) (*Model, error) {
	c, err := c.check(src.Schema())
	if err != nil {
		return nil, err
	}
	st, err := collect(src, &c)
	if err != nil {
		return nil, err
	}
	return New(src.Schema(), c, st)
}

// More is a model of the rows of m and of those of a source, with m's settings; m stays as it is.
func (m *Model) More(src table.Source) (*Model, error) {
	st, err := collect(src, &m.Config)
	if err != nil {
		return nil, err
	}
	return New(m.schema, m.Config, Merge(m.Statistics, st))
}

// New makes a model of statistics, also of stored ones, which it checks.
func New(s *table.Schema, c Config, st *Statistics) (*Model, error) {
	c, err := c.check(s)
	if err != nil {
		return nil, err
	}
	if err := st.check(newStatistics(s, &c)); err != nil {
		return nil, err
	}
	m := &Model{Config: c, Statistics: st, schema: s, fields: make([]parameter, len(s.Fields))}
	m.setPrior()
	largest := 0.0
	for j := range st.Fields {
		f := &st.Fields[j]
		if n, _, m2 := f.pooled(); n > 0 {
			largest = max(largest, m2/float64(n))
		}
	}
	for j := range st.Fields {
		switch c.Kinds[j] {
		case Categorical, Bernoulli:
			m.fields[j].log = logRatios(st.Fields[j].Counts, len(st.Classes), c.Alpha)
		case Gaussian:
			m.setGaussian(j, float64(c.VarSmoothing*largest))
		}
	}
	m.setCounts()
	return m, nil
}

// check compares the shapes with those that they must have.
func (s *Statistics) check(want *Statistics) error {
	bad := func(what string) error {
		return fault.E(fault.Corrupt, "BAD_STATISTICS", "naivebayes.New", "statistics that do not fit the schema: %s", what)
	}
	if len(s.Classes) != len(want.Classes) || len(s.Fields) != len(want.Fields) {
		return bad("classes or fields")
	}
	total := int64(0)
	for _, n := range s.Classes {
		if n < 0 {
			return bad("a negative count")
		}
		total += n
	}
	if total != s.Rows {
		return bad("the classes do not add up")
	}
	for j := range s.Fields {
		f, w := &s.Fields[j], &want.Fields[j]
		if len(f.Counts) != len(w.Counts) || len(f.N) != len(w.N) || len(f.Mean) != len(w.Mean) ||
			len(f.M2) != len(w.M2) || len(f.Sum) != len(w.Sum) {
			return bad("a field's size")
		}
		for _, n := range append(append([]int64{}, f.Counts...), f.N...) {
			if n < 0 {
				return bad("a negative count")
			}
		}
		for i, x := range append(append(append([]float64{}, f.M2...), f.Sum...), f.Mean...) {
			if x-x != 0 || (x < 0 && i < len(f.M2)+len(f.Sum)) {
				return bad("a sum that is negative or not finite")
			}
		}
	}
	if total == 0 {
		return fault.E(fault.Invalid, "EMPTY_TABLE", "naivebayes.New", "no row has a class")
	}
	return nil
}

func (m *Model) setPrior() {
	st := m.Statistics
	m.prior = make([]float64, len(st.Classes))
	seen := 0
	for _, n := range st.Classes {
		if n > 0 {
			seen++
		}
	}
	for c, n := range st.Classes {
		switch {
		case n == 0:
			m.prior[c] = math.Inf(-1)
		case m.Config.UniformPrior:
			m.prior[c] = -tensor.LogF64(float64(seen))
		default:
			m.prior[c] = tensor.LogF64(float64(n) / float64(st.Rows))
		}
	}
}

// logRatios are ln (n_cv + alpha)/(n_c + alpha V), uniform where a class has no cell and alpha is 0.
func logRatios(counts []int64, classes int, alpha float64) []float64 {
	out := make([]float64, len(counts))
	v := len(counts) / classes
	for c := range classes {
		total := int64(0)
		for _, n := range counts[c*v : (c+1)*v] {
			total += n
		}
		below := float64(total) + float64(alpha*float64(v))
		for i, n := range counts[c*v : (c+1)*v] {
			p := (float64(n) + alpha) / below
			switch {
			case below == 0:
				p = 1 / float64(v)
			case p == 0:
				out[c*v+i] = math.Inf(-1)
				continue
			}
			out[c*v+i] = tensor.LogF64(p)
		}
	}
	return out
}

// pooled joins the classes of a Gaussian field.
func (f *Sufficient) pooled() (n int64, mean, m2 float64) {
	for c := range f.N {
		n, mean, m2 = pool(n, mean, m2, f.N[c], f.Mean[c], f.M2[c])
	}
	return n, mean, m2
}

// setGaussian gives a class without a cell the mean and variance of all.
func (m *Model) setGaussian(j int, smoothing float64) {
	f, p := &m.Statistics.Fields[j], &m.fields[j]
	classes := len(f.N)
	p.mean, p.variance, p.norm = make([]float64, classes), make([]float64, classes), make([]float64, classes)
	n, mean, m2 := f.pooled()
	for c := range classes {
		k, mu, square := f.N[c], f.Mean[c], f.M2[c]
		if k == 0 {
			k, mu, square = max(n, 1), mean, m2
		}
		v := square/float64(k) + smoothing
		if !(v > 0) {
			v = max(1e-9, float64(float64(mu*mu)*1e-18)) // a field of one value
		}
		p.mean[c], p.variance[c] = mu, v
		p.norm[c] = float64(-0.5 * tensor.LogF64(float64(2*math.Pi*v)))
	}
}

// setCounts fills in the multinomial and the complement fields, which share their totals.
func (m *Model) setCounts() {
	classes := len(m.prior)
	total, all := make([]float64, classes), make([]float64, len(m.fields))
	inverse, everything := make([]float64, classes), 0.0
	multinomial, complement := 0, 0
	for j, k := range m.Config.Kinds {
		for c, x := range m.Statistics.Fields[j].Sum {
			if k == Multinomial {
				total[c] += x
			} else {
				inverse[c] += x
				all[j] += x
				everything += x
			}
		}
		switch k {
		case Multinomial:
			multinomial++
		case Complement:
			complement++
		}
	}
	alpha := m.Config.Alpha
	weights := make([]float64, classes)
	for j, k := range m.Config.Kinds {
		if k != Multinomial && k != Complement {
			continue
		}
		p := &m.fields[j]
		p.log = make([]float64, classes)
		for c, x := range m.Statistics.Fields[j].Sum {
			if k == Multinomial {
				p.log[c] = logOf((x + alpha) / (total[c] + float64(alpha*float64(multinomial))))
				continue
			}
			p.log[c] = -logOf((all[j] - x + alpha) / (everything - inverse[c] + float64(alpha*float64(complement))))
			weights[c] += p.log[c]
		}
	}
	m.complement = complement > 0
	if !m.Config.Norm {
		return
	}
	for j, k := range m.Config.Kinds {
		for c := range m.fields[j].log {
			if k == Complement {
				m.fields[j].log[c] /= weights[c]
			}
		}
	}
}

func logOf(x float64) float64 {
	if !(x > 0) {
		return math.Inf(-1)
	}
	return tensor.LogF64(x)
}

// Schema implements model.Model.
func (m *Model) Schema() *table.Schema { return m.schema }

// Target implements model.Explainer.
func (m *Model) Target() int { return m.Config.Target }

// add adds ln P(x_j | c) of a cell to dst [C]; it adds nothing where the cell is missing.
func (m *Model) add(dst []float64, t *table.Table, row, j int) (known bool) {
	p, col := &m.fields[j], &t.Columns[j]
	switch m.Config.Kinds[j] {
	case Categorical:
		v := col.Codes[row]
		if v < 0 {
			return false
		}
		levels := len(m.schema.Fields[j].Levels)
		for c := range dst {
			dst[c] += p.log[c*levels+int(v)]
		}
		return true
	case Ignored, Auto:
		return false
	}
	x := col.Numbers[row]
	if x != x {
		return false
	}
	for c := range dst {
		switch m.Config.Kinds[j] {
		case Gaussian:
			dst[c] += p.density(c, x)
		case Bernoulli:
			dst[c] += p.log[2*c+int(bit(x, m.Config.Threshold))]
		default:
			if x > 0 {
				dst[c] += float64(x * p.log[c])
			}
		}
	}
	return true
}

// density is the logarithm of a normal's.
func (p *parameter) density(c int, x float64) float64 {
	d := x - p.mean[c]
	return p.norm[c] - float64(d*d)/(2*p.variance[c])
}

// start writes the logarithms that a row begins with: the prior's, or zeros where every field is the complement's.
func (m *Model) start(dst []float64) {
	copy(dst, m.prior)
	for _, k := range m.Config.Kinds {
		if k != Complement && k != Ignored {
			return
		}
	}
	if !m.complement {
		return
	}
	for c := range dst {
		if dst[c] > math.Inf(-1) {
			dst[c] = 0
		}
	}
}

// joint writes ln P(c, x) of a row.
func (m *Model) joint(dst []float64, t *table.Table, row int) {
	m.start(dst)
	for j := range m.fields {
		m.add(dst, t, row, j)
	}
}

// Predict implements model.Explainer: dst is [rows, C].
func (m *Model) Predict(dst []float64, t *table.Table) error {
	classes := len(m.prior)
	if len(dst) != t.Rows*classes {
		return fault.E(fault.Invalid, "BAD_SHAPE", "naivebayes.Predict", "%d numbers for %d rows of %d classes", len(dst),
			t.Rows, classes)
	}
	for i := range t.Rows {
		p := dst[i*classes : (i+1)*classes]
		m.joint(p, t, i)
		all := special.LogSum(p)
		if math.IsInf(all, -1) {
			return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", "naivebayes.Predict",
				"row %d has probability zero in every class; a larger alpha makes all levels possible", i+1)
		}
		for c := range p {
			p[c] = tensor.ExpF64(p[c] - all)
		}
	}
	return nil
}

// Explain implements model.Explainer. What a cell adds is the change of the log-odds when the cell becomes known after
// those before it: of two classes, ln P(x|c)/P(x|not c), in which order does not matter.
func (m *Model) Explain(t *table.Table, row int, level int32) ([]model.Contribution, error) {
	if row < 0 || row >= t.Rows || level < 0 || int(level) >= len(m.prior) {
		return nil, fault.E(fault.Invalid, "BAD_INDEX", "naivebayes.Explain", "level %d of row %d, there are %d of %d",
			level, row, len(m.prior), t.Rows)
	}
	p, rest := make([]float64, len(m.prior)), make([]float64, 0, len(m.prior))
	odds := func() float64 {
		rest = append(append(rest[:0], p[:level]...), p[level+1:]...)
		return p[level] - special.LogSum(rest)
	}
	m.start(p)
	before := odds()
	out := []model.Contribution{{Field: -1, Nats: before}}
	for j := range m.fields {
		if !m.add(p, t, row, j) {
			continue
		}
		now := odds()
		out = append(out, model.Contribution{Field: j, Nats: now - before})
		before = now
	}
	return out, nil
}

// generative refuses what has no distribution.
func (m *Model) generative(op string) error {
	if m.complement {
		return fault.E(fault.Invalid, "NOT_GENERATIVE", op, "complement fields have weights and no distribution")
	}
	return nil
}

// Score implements model.Scorer: the class's cell counts like any other. Of multinomial fields it is the probability
// of the counts given their total.
func (m *Model) Score(dst []float64, t *table.Table) error {
	const op = "naivebayes.Score"
	if err := m.generative(op); err != nil {
		return err
	}
	if len(dst) != t.Rows {
		return fault.E(fault.Invalid, "BAD_SHAPE", op, "%d numbers for %d rows", len(dst), t.Rows)
	}
	p := make([]float64, len(m.prior))
	for i := range dst {
		m.joint(p, t, i)
		if c := t.Columns[m.Config.Target].Codes[i]; c >= 0 {
			dst[i] = p[c]
		} else {
			dst[i] = special.LogSum(p)
		}
		dst[i] += m.coefficient(t, i)
	}
	return nil
}

// coefficient is the logarithm of the number of orders of the counts of a row.
func (m *Model) coefficient(t *table.Table, row int) float64 {
	total, sum, some := 0.0, 0.0, false
	for j, k := range m.Config.Kinds {
		if k != Multinomial {
			continue
		}
		if x := t.Columns[j].Numbers[row]; x > 0 {
			total += x
			sum += special.LogGamma(x + 1)
			some = true
		}
	}
	if !some {
		return 0
	}
	return special.LogGamma(total+1) - sum
}

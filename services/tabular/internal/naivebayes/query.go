package naivebayes

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// maxCells bounds the combinations of the levels of a query's targets.
const maxCells = 1 << 20

// between is the probability that a Gaussian field lies in [lo, hi).
func (p *parameter) between(c int, lo, hi float64) float64 {
	s := math.Sqrt(p.variance[c])
	a, b := (lo-p.mean[c])/s, (hi-p.mean[c])/s
	if a > 0 { // the tail in which the difference keeps its digits
		a, b = -b, -a
	}
	return max(0, special.NormalCDF(b)-special.NormalCDF(a))
}

// condition adds ln P(term | c) to dst, a density where a number is given exactly.
func (m *Model) condition(dst []float64, t *model.Term) error {
	j := t.Field
	p := &m.fields[j]
	if j == m.Config.Target {
		for c := range dst {
			if !contains(t.Codes, int32(c)) {
				dst[c] = math.Inf(-1)
			}
		}
		return nil
	}
	for c := range dst {
		switch m.Config.Kinds[j] {
		case Categorical:
			levels := len(m.schema.Fields[j].Levels)
			sum := 0.0
			for _, v := range t.Codes {
				sum += tensor.ExpF64(p.log[c*levels+int(v)])
			}
			dst[c] += logOf(sum)
		case Gaussian:
			if t.Lo == t.Hi {
				dst[c] += p.density(c, t.Lo)
			} else {
				dst[c] += logOf(p.between(c, t.Lo, t.Hi))
			}
		case Bernoulli:
			sum := 0.0
			for b := range 2 {
				if inside(t, float64(b)) {
					sum += tensor.ExpF64(p.log[2*c+b])
				}
			}
			dst[c] += logOf(sum)
		default:
			return fault.E(fault.Invalid, "NO_DISTRIBUTION", "naivebayes.Query",
				"field %.80q is %s: no condition on it alone has a probability", m.schema.Fields[j].Name, m.Config.Kinds[j])
		}
	}
	return nil
}

func contains(codes []int32, c int32) bool {
	for _, v := range codes {
		if v == c {
			return true
		}
	}
	return false
}

func inside(t *model.Term, x float64) bool {
	return (x >= t.Lo && x < t.Hi) || (t.Lo == t.Hi && x == t.Lo)
}

// evidence is ln P(c, terms) for every class.
func (m *Model) evidence(terms []model.Term) ([]float64, error) {
	w := append([]float64(nil), m.prior...)
	for i := range terms {
		if err := m.condition(w, &terms[i]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// impossible is the error of evidence whose probability is zero.
func impossible(op string) error {
	return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", op, "what is given has probability zero in every class")
}

// Query implements model.Querier in closed form: given the class the fields are independent. Numbers that are Bernoulli
// are 0 and 1.
func (m *Model) Query(q *model.Query) (*model.Answer, error) {
	const op = "naivebayes.Query"
	if err := m.generative(op); err != nil {
		return nil, err
	}
	if len(q.Do) > 0 {
		return nil, fault.E(fault.Invalid, "NO_CAUSES", op, "naive Bayes says nothing of interventions")
	}
	if q.Method != model.Auto && q.Method != model.Enumeration {
		return nil, fault.E(fault.Invalid, "METHOD_NOT_SUPPORTED", op, "naive Bayes answers in closed form only")
	}
	if err := model.CheckQuery(m.schema, q); err != nil {
		return nil, err
	}
	w, err := m.evidence(q.Given)
	if err != nil {
		return nil, err
	}
	a := &model.Answer{Method: model.Enumeration, Evidence: special.LogSum(w)}
	if math.IsInf(a.Evidence, -1) {
		return nil, impossible(op)
	}
	if len(q.Event) > 0 {
		return m.event(q, a)
	}
	a.Cells = []float64{0}
	cells := 1
	for _, t := range q.Targets {
		if m.schema.Fields[t].Kind == table.Categorical {
			if cells *= len(m.schema.Fields[t].Levels); cells > maxCells {
				return nil, fault.E(fault.Invalid, "TOO_MANY_CELLS", op,
					"the targets have more than %d combinations of levels", maxCells)
			}
		}
	}
	a.Cells = make([]float64, cells)
	a.Mean, a.Variance = make([]float64, len(q.Targets)), make([]float64, len(q.Targets))
	second := make([]float64, len(q.Targets))
	part := make([]float64, 0, cells)
	for c := range w {
		weight := tensor.ExpF64(w[c] - a.Evidence)
		if weight == 0 {
			continue
		}
		part = append(part[:0], weight)
		for k, t := range q.Targets {
			f := &m.schema.Fields[t]
			if f.Kind == table.Categorical {
				part = spread(part, m.levels(c, t, given(q.Given, t)))
				continue
			}
			mean, variance, err := m.moments(c, t, given(q.Given, t))
			if err != nil {
				return nil, err
			}
			a.Mean[k] += float64(weight * mean)
			second[k] += float64(weight * (variance + float64(mean*mean)))
		}
		for i, p := range part {
			a.Cells[i] += p
		}
	}
	for k, t := range q.Targets {
		a.Variance[k] = max(0, second[k]-float64(a.Mean[k]*a.Mean[k]))
		if m.schema.Fields[t].Kind == table.Categorical {
			a.Mean[k], a.Variance[k] = math.NaN(), math.NaN()
		}
	}
	return a, nil
}

// given finds the condition on a field; nil for none.
func given(terms []model.Term, field int) *model.Term {
	for i := range terms {
		if terms[i].Field == field {
			return &terms[i]
		}
	}
	return nil
}

// spread is the products of every element with every factor, the factors changing fastest.
func spread(part, factors []float64) []float64 {
	out := make([]float64, 0, len(part)*len(factors))
	for _, p := range part {
		for _, f := range factors {
			out = append(out, p*f)
		}
	}
	return out
}

// levels are P(level | c, the field's condition).
func (m *Model) levels(c, j int, t *model.Term) []float64 {
	n := len(m.schema.Fields[j].Levels)
	p := make([]float64, n)
	sum := 0.0
	for v := range p {
		switch {
		case t != nil && !contains(t.Codes, int32(v)):
		case j != m.Config.Target:
			p[v] = 1 / float64(n)
			if m.Config.Kinds[j] == Categorical {
				p[v] = tensor.ExpF64(m.fields[j].log[c*n+v])
			}
		case v == c:
			p[v] = 1
		}
		sum += p[v]
	}
	for v := range p {
		p[v] /= sum
	}
	return p
}

// moments are the mean and the variance of a numeric field given the class and the field's condition.
func (m *Model) moments(c, j int, t *model.Term) (mean, variance float64, err error) {
	p := &m.fields[j]
	switch m.Config.Kinds[j] {
	case Gaussian:
		if t == nil {
			return p.mean[c], p.variance[c], nil
		}
		if t.Lo == t.Hi {
			return t.Lo, 0, nil
		}
		// Of a truncated normal: mu + s d and s^2 (1 + e - d^2), d = (phi(a)-phi(b))/Z, e = (a phi(a) - b phi(b))/Z.
		s, z := math.Sqrt(p.variance[c]), p.between(c, t.Lo, t.Hi)
		if z == 0 {
			return 0, 0, nil // of no weight
		}
		pa, ea := normalEdge((t.Lo - p.mean[c]) / s)
		pb, eb := normalEdge((t.Hi - p.mean[c]) / s)
		d := (pa - pb) / z
		return p.mean[c] + float64(s*d), float64(p.variance[c] * (1 + (ea-eb)/z - float64(d*d))), nil
	case Bernoulli:
		zero, one := tensor.ExpF64(p.log[2*c]), tensor.ExpF64(p.log[2*c+1])
		if t != nil && !inside(t, 0) {
			zero = 0
		}
		if t != nil && !inside(t, 1) {
			one = 0
		}
		mean = one / (zero + one)
		return mean, float64(mean * (1 - mean)), nil
	}
	return 0, 0, fault.E(fault.Invalid, "NO_DISTRIBUTION", "naivebayes.Query", "field %.80q is %s: it has no moments",
		m.schema.Fields[j].Name, m.Config.Kinds[j])
}

// normalEdge is phi(x) and x phi(x), zero where x is infinite.
func normalEdge(x float64) (phi, xphi float64) {
	if math.IsInf(x, 0) {
		return 0, 0
	}
	phi = float64(tensor.ExpF64(float64(-0.5*x*x)) * 0.3989422804014327)
	return phi, x * phi
}

// event is P(event | given), of which both may name a field.
func (m *Model) event(q *model.Query, a *model.Answer) (*model.Answer, error) {
	a.Cells = []float64{0}
	both := append([]model.Term(nil), q.Given...)
	for _, e := range q.Event {
		t := given(both, e.Field)
		if t == nil {
			both = append(both, e)
			continue
		}
		var ok bool
		if *t, ok = intersect(*t, e, m.schema.Fields[e.Field].Kind); !ok {
			return a, nil
		}
	}
	w, err := m.evidence(both)
	if err != nil {
		return nil, err
	}
	a.Cells[0] = tensor.ExpF64(special.LogSum(w) - a.Evidence)
	for _, e := range q.Event { // a point has no probability, unless it is what is given
		t := given(q.Given, e.Field)
		if e.Lo == e.Hi && m.Config.Kinds[e.Field] == Gaussian && (t == nil || t.Lo != t.Hi) {
			a.Cells[0] = 0
		}
	}
	return a, nil
}

func intersect(a, b model.Term, k table.Kind) (model.Term, bool) {
	out := model.Term{Field: a.Field}
	if k == table.Categorical {
		for _, c := range a.Codes {
			if contains(b.Codes, c) {
				out.Codes = append(out.Codes, c)
			}
		}
		return out, len(out.Codes) > 0
	}
	switch {
	case a.Lo == a.Hi:
		return a, inside(&b, a.Lo)
	case b.Lo == b.Hi:
		return b, inside(&a, b.Lo)
	}
	out.Lo, out.Hi = max(a.Lo, b.Lo), min(a.Hi, b.Hi)
	return out, out.Lo < out.Hi
}

// Sample implements model.Sampler: the class, then every field given it. A multinomial row has the mean total of its
// class, rounded. Ignored fields stay missing.
func (m *Model) Sample(t *table.Table, s rng.Stream, first uint64, terms []model.Term) error {
	const op = "naivebayes.Sample"
	if err := m.generative(op); err != nil {
		return err
	}
	if err := model.CheckTerms(m.schema, "given", terms); err != nil {
		return err
	}
	w, err := m.evidence(terms)
	if err != nil {
		return err
	}
	all := special.LogSum(w)
	if math.IsInf(all, -1) {
		return impossible(op)
	}
	for c := range w {
		w[c] = tensor.ExpF64(w[c] - all)
	}
	u := make([]float64, len(m.fields)+1)
	for i := range t.Rows {
		sample := first + uint64(i)
		s.Uniform64(u, sample, 0, rng.Choice)
		c := draw(w, u[len(u)-1])
		for j := range m.fields {
			m.cell(t, i, j, c, u[j], given(terms, j))
		}
		m.counts(t, i, c, s, sample)
	}
	return nil
}

// draw is the first index at which the running sum of p exceeds u.
func draw(p []float64, u float64) int {
	sum, last := 0.0, 0
	for i, v := range p {
		if v > 0 {
			last = i
		}
		if sum += v; u < sum {
			return i
		}
	}
	return last
}

// cell draws one field from one uniform number.
func (m *Model) cell(t *table.Table, row, j, c int, u float64, cond *model.Term) {
	p, col := &m.fields[j], &t.Columns[j]
	switch m.Config.Kinds[j] {
	case Categorical:
		col.Codes[row] = int32(draw(m.levels(c, j, cond), u))
	case Gaussian:
		var x float64
		switch {
		case cond != nil && cond.Lo == cond.Hi:
			x = cond.Lo
		case cond != nil:
			x = p.truncated(c, cond.Lo, cond.Hi, u)
		default:
			x = p.mean[c] + float64(math.Sqrt(p.variance[c])*special.NormalQuantile(u+0x1p-54))
		}
		if m.schema.Fields[j].Integer && (cond == nil || inside(cond, math.Floor(x+0.5))) {
			x = math.Floor(x + 0.5)
		}
		col.Numbers[row] = x
	case Bernoulli:
		mean, _, _ := m.moments(c, j, cond)
		col.Numbers[row] = 0
		if u < mean {
			col.Numbers[row] = 1
		}
	case Ignored:
		if j == m.Config.Target {
			col.Codes[row] = int32(c)
		} else if col.Codes != nil {
			col.Codes[row] = table.Missing
		} else {
			col.Numbers[row] = math.NaN()
		}
	}
}

// truncated is the u-quantile of a normal on [lo, hi), taken from the tail that is nearer.
func (p *parameter) truncated(c int, lo, hi, u float64) float64 {
	s := math.Sqrt(p.variance[c])
	a, b, sign := (lo-p.mean[c])/s, (hi-p.mean[c])/s, 1.0
	if a > 0 {
		a, b, sign, u = -b, -a, -1, 1-u
	}
	from, to := special.NormalCDF(a), special.NormalCDF(b)
	z := special.NormalQuantile(from + float64(u*(to-from)))
	z = min(max(z, a), b)
	x := p.mean[c] + float64(float64(sign*s)*z)
	return min(max(x, lo), math.Nextafter(hi, lo))
}

// counts draws the multinomial fields of a row, one at a time out of the total.
func (m *Model) counts(t *table.Table, row, c int, s rng.Stream, sample uint64) {
	var fields []int
	var p []float64
	total := 0.0
	for j, k := range m.Config.Kinds {
		if k == Multinomial {
			fields = append(fields, j)
			p = append(p, tensor.ExpF64(m.fields[j].log[c]))
			total += m.Statistics.Fields[j].Sum[c]
			t.Columns[j].Numbers[row] = 0
		}
	}
	if len(fields) == 0 || m.Statistics.Classes[c] == 0 {
		return
	}
	const most = 1 << 20
	n := int(min(most, math.Floor(total/float64(m.Statistics.Classes[c])+0.5)))
	u := make([]float64, n)
	s.Uniform64(u, sample, 1, rng.Choice)
	for _, v := range u {
		t.Columns[fields[draw(p, v)]].Numbers[row]++
	}
}

package naivebayes

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"strconv"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

var (
	_ model.Querier   = (*Model)(nil)
	_ model.Sampler   = (*Model)(nil)
	_ model.Scorer    = (*Model)(nil)
	_ model.Explainer = (*Model)(nil)
)

// golden is what tools/reference/naivebayes.py wrote.
type golden struct {
	Y                   []int32
	Gauss, Bits, Counts [][]float64
	Cat                 [][]int32
	Predict             map[string][]float64
}

func readGolden(t testing.TB) *golden {
	t.Helper()
	text, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func levels(n int) (l []string) {
	for i := range n {
		l = append(l, strconv.Itoa(i))
	}
	return l
}

// tableOf makes a table of a class and columns of numbers, or of levels.
func tableOf(y []int32, numbers [][]float64, cat [][]int32, domains []int) *table.Table {
	s := &table.Schema{Fields: []table.Field{{Name: "y", Levels: levels(3)}}}
	if numbers != nil {
		for j := range numbers[0] {
			s.Fields = append(s.Fields, table.Field{Name: "x" + strconv.Itoa(j), Kind: table.Numeric})
		}
	}
	for j, n := range domains {
		s.Fields = append(s.Fields, table.Field{Name: "c" + strconv.Itoa(j), Levels: levels(n)})
	}
	t := table.New(s, len(y))
	copy(t.Columns[0].Codes, y)
	for i := range y {
		at := 1
		if numbers != nil {
			for _, x := range numbers[i] {
				t.Columns[at].Numbers[i] = x
				at++
			}
		}
		for j := range domains {
			t.Columns[at].Codes[i] = cat[i][j]
			at++
		}
	}
	return t
}

func kinds(n int, k Kind) []Kind {
	all := make([]Kind, n+1)
	for i := range all {
		all[i] = k
	}
	return all
}

func fit(t testing.TB, rows *table.Table, c Config) *Model {
	t.Helper()
	m, err := Fit(table.FromTable(rows), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestScikitLearn compares the probabilities of every kind with those of scikit-learn.
func TestScikitLearn(t *testing.T) {
	g := readGolden(t)
	gauss, bits, counts := tableOf(g.Y, g.Gauss, nil, nil), tableOf(g.Y, g.Bits, nil, nil), tableOf(g.Y, g.Counts, nil, nil)
	cat := tableOf(g.Y, nil, g.Cat, []int{5, 2})
	for name, r := range map[string]struct {
		rows *table.Table
		c    Config
	}{
		"gaussian":        {gauss, Default(0)},
		"categorical":     {cat, Config{Alpha: 0.5}},
		"bernoulli":       {bits, Config{Alpha: 0.3, Kinds: kinds(4, Bernoulli)}},
		"uniform":         {bits, Config{Alpha: 1, Kinds: kinds(4, Bernoulli), UniformPrior: true}},
		"multinomial":     {counts, Config{Alpha: 1, Kinds: kinds(4, Multinomial)}},
		"complement":      {counts, Config{Alpha: 0.7, Kinds: kinds(4, Complement)}},
		"complement_norm": {counts, Config{Alpha: 0.7, Kinds: kinds(4, Complement), Norm: true}},
	} {
		m := fit(t, r.rows.View(0, 90), r.c)
		got := make([]float64, 90)
		if err := m.Predict(got, r.rows.View(90, 120)); err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, want := range g.Predict[name] {
			worst = max(worst, math.Abs(got[i]-want)/max(want, 1e-3))
		}
		if !(worst < 1e-11) {
			t.Errorf("%s: off by %g", name, worst)
		}
	}
}

// mixed is a table with every kind that has a distribution.
func mixed(t testing.TB) (*table.Table, Config) {
	t.Helper()
	g := readGolden(t)
	numbers := make([][]float64, len(g.Y))
	for i := range numbers {
		numbers[i] = []float64{g.Gauss[i][0], g.Gauss[i][1], g.Bits[i][0]}
	}
	rows := tableOf(g.Y, numbers, g.Cat, []int{5, 2})
	c := Default(0)
	c.Kinds = []Kind{Ignored, Gaussian, Auto, Bernoulli, Auto, Categorical}
	return rows, c
}

// TestMissingIsSummedOut compares the score of rows with missing cells with the sum over all that they could be.
func TestMissingIsSummedOut(t *testing.T) {
	rows, c := mixed(t)
	rows.Columns[4].Codes[3], rows.Columns[1].Numbers[5] = table.Missing, math.NaN()
	m := fit(t, rows, c)
	probe := table.New(rows.Schema, 31) // row 0 lacks the class and both categories
	probe.Columns[3].Numbers[0] = 1
	at := 1
	for k := range int32(3) {
		for v := range int32(5) {
			for w := range int32(2) {
				probe.Columns[0].Codes[at], probe.Columns[4].Codes[at], probe.Columns[5].Codes[at] = k, v, w
				probe.Columns[3].Numbers[at] = 1
				at++
			}
		}
	}
	score := make([]float64, 31)
	if err := m.Score(score, probe); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, s := range score[1:] {
		sum += math.Exp(s)
	}
	if math.Abs(math.Exp(score[0])-sum) > 1e-15 {
		t.Errorf("%g, want %g", math.Exp(score[0]), sum)
	}
}

// TestExplanationAddsUp: the contributions are the log-odds of the prediction, and of two classes the ratios of the
// likelihoods.
func TestExplanationAddsUp(t *testing.T) {
	rows, c := mixed(t)
	m := fit(t, rows, c)
	p := make([]float64, rows.Rows*3)
	if err := m.Predict(p, rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range []int{0, 17, 80} {
		for level := range int32(3) {
			parts, err := m.Explain(rows, row, level)
			if err != nil || len(parts) != 6 || parts[0].Field != -1 {
				t.Fatal(parts, err)
			}
			sum := 0.0
			for _, c := range parts {
				sum += c.Nats
			}
			if q := p[row*3+int(level)]; math.Abs(1/(1+math.Exp(-sum))-q) > 1e-12 {
				t.Errorf("row %d level %d: %g, want %g", row, level, 1/(1+math.Exp(-sum)), q)
			}
		}
	}
}

// TestQueries compares closed forms with the predictions and with sums over the joint distribution.
func TestQueries(t *testing.T) {
	rows, c := mixed(t)
	m := fit(t, rows, c)
	ask := func(q model.Query) *model.Answer {
		t.Helper()
		a, err := m.Query(&q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	evidence := []model.Term{{Field: 4, Codes: []int32{1, 3}}, {Field: 1, Lo: 0.5, Hi: 0.5}, {Field: 3, Lo: 0, Hi: 1}}
	joint := ask(model.Query{Targets: []int{0, 5, 4}, Given: evidence})
	if len(joint.Cells) != 30 {
		t.Fatal(len(joint.Cells))
	}
	sum, class, level := 0.0, [3]float64{}, [5]float64{}
	for i, p := range joint.Cells {
		sum += p
		class[i/10] += p
		level[i%5] += p
	}
	if math.Abs(sum-1) > 1e-14 || level[0] != 0 || level[2] != 0 {
		t.Error(sum, level)
	}
	for i, p := range ask(model.Query{Targets: []int{0}, Given: evidence}).Cells {
		if math.Abs(p-class[i]) > 1e-14 {
			t.Error(i, p, class[i])
		}
		e := ask(model.Query{Event: []model.Term{{Field: 0, Codes: []int32{int32(i)}}}, Given: evidence}).Cells[0]
		if math.Abs(e-p) > 1e-14 {
			t.Error(i, e, p)
		}
	}
	// An interval's probability is the integral of the density; its moments too.
	given := []model.Term{{Field: 1, Lo: 0.2, Hi: 1.4}}
	a := ask(model.Query{Targets: []int{1}, Given: given})
	mass, mean, square := 0.0, 0.0, 0.0
	const steps = 20000
	for i := range steps {
		x := 0.2 + 1.2*(float64(i)+0.5)/steps
		d := math.Exp(ask(model.Query{Targets: []int{0}, Given: []model.Term{{Field: 1, Lo: x, Hi: x}}}).Evidence) * 1.2 / steps
		mass += d
		mean += d * x
		square += d * x * x
	}
	mean, square = mean/mass, square/mass
	if math.Abs(math.Exp(a.Evidence)-mass) > 1e-8 || math.Abs(a.Mean[0]-mean) > 1e-8 || math.Abs(a.Variance[0]-(square-mean*mean)) > 1e-7 {
		t.Errorf("%+v, want %g %g %g", a, math.Log(mass), mean, square-mean*mean)
	}
	var e *fault.Error
	_, err := m.Query(&model.Query{Targets: []int{0}, Given: []model.Term{{Field: 3, Lo: 5, Hi: 6}}})
	if !errors.As(err, &e) || e.Reason != "IMPOSSIBLE_EVIDENCE" || e.Kind != fault.Precondition {
		t.Error(err)
	}
	if _, err := m.Query(&model.Query{Targets: []int{0}, Do: given}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestSamplesFollowTheJoint compares frequencies and means of sampled rows with the closed forms, with evidence.
func TestSamplesFollowTheJoint(t *testing.T) {
	rows, c := mixed(t)
	m := fit(t, rows, c)
	given := []model.Term{{Field: 1, Lo: 0.2, Hi: 1.4}, {Field: 5, Codes: []int32{0}}}
	want, err := m.Query(&model.Query{Targets: []int{0, 4, 1, 2}, Given: given})
	if err != nil {
		t.Fatal(err)
	}
	const n = 40000
	out := table.New(rows.Schema, n)
	if err := m.Sample(out, rng.New(5), 0, given); err != nil {
		t.Fatal(err)
	}
	freq := make([]float64, 15)
	var mean [2]float64
	for i := range n {
		freq[out.Columns[0].Codes[i]*5+out.Columns[4].Codes[i]] += 1.0 / n
		if x := out.Columns[1].Numbers[i]; x < 0.2 || x >= 1.4 || out.Columns[5].Codes[i] != 0 {
			t.Fatal("a row without what is given")
		}
		mean[0] += out.Columns[1].Numbers[i] / n
		mean[1] += out.Columns[2].Numbers[i] / n
	}
	for i, p := range want.Cells {
		if math.Abs(freq[i]-p) > 5*math.Sqrt(p*(1-p)/n)+1e-12 {
			t.Errorf("cell %d: %g, want %g", i, freq[i], p)
		}
	}
	for k := range mean {
		if math.Abs(mean[k]-want.Mean[2+k]) > 5*math.Sqrt(want.Variance[2+k]/n) {
			t.Errorf("mean %g, want %g", mean[k], want.Mean[2+k])
		}
	}
	one := table.New(rows.Schema, 1)
	if err := m.Sample(one, rng.New(5), 777, given); err != nil {
		t.Fatal(err)
	}
	for j := range one.Schema.Fields {
		if one.Text(0, j, "?") != out.Text(777, j, "?") {
			t.Error("row 777 depends on how many are drawn")
		}
	}
}

// short gives a source's rows a few at a time.
type short struct {
	table.Source
	n int
}

func (s *short) Next(t *table.Table) (int, error) { return s.Source.Next(t.View(0, min(t.Rows, s.n))) }

// TestChunksAndMoreRows: chunks change no bit; more rows make a new model, whose counts are those of one fit.
func TestChunksAndMoreRows(t *testing.T) {
	rows, c := mixed(t)
	whole := fit(t, rows, c)
	for _, n := range []int{1, 7, 4096} {
		m, err := Fit(&short{table.FromTable(rows), n}, c)
		if err != nil || !reflect.DeepEqual(m, whole) {
			t.Errorf("chunks of %d: another model (%v)", n, err)
		}
	}
	half := fit(t, rows.View(0, 50), c)
	before, _ := json.Marshal(half.Statistics)
	both, err := half.More(table.FromTable(rows.View(50, 120)))
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(half.Statistics); string(after) != string(before) {
		t.Error("the first model changed")
	}
	for j := range both.Statistics.Fields {
		a, b := &both.Statistics.Fields[j], &whole.Statistics.Fields[j]
		if !reflect.DeepEqual(a.Counts, b.Counts) || !reflect.DeepEqual(a.N, b.N) {
			t.Error("counts of field", j)
		}
		for k := range a.M2 {
			if math.Abs(a.M2[k]-b.M2[k]) > 1e-12*b.M2[k] || math.Abs(a.Mean[k]-b.Mean[k]) > 1e-13*math.Abs(b.Mean[k]) {
				t.Error("moments of field", j)
			}
		}
	}
	// Stored and read again it is the same model.
	var st Statistics
	text, _ := json.Marshal(whole.Statistics)
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	again, err := New(rows.Schema, whole.Config, &st)
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]float64, 360), make([]float64, 360)
	if err := errors.Join(whole.Predict(a, rows), again.Predict(b, rows)); err != nil || !reflect.DeepEqual(a, b) {
		t.Error("another model after storing", err)
	}
}

func TestRefusals(t *testing.T) {
	g := readGolden(t)
	counts := tableOf(g.Y, g.Counts, nil, nil)
	wants := func(err error, reason string) {
		t.Helper()
		var e *fault.Error
		if !errors.As(err, &e) || e.Reason != reason {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	m := fit(t, counts, Config{Alpha: 1, Kinds: kinds(4, Complement)})
	_, err := m.Query(&model.Query{Targets: []int{0}})
	wants(err, "NOT_GENERATIVE")
	wants(m.Sample(table.New(counts.Schema, 1), rng.New(1), 0, nil), "NOT_GENERATIVE")
	counts.Columns[1].Numbers[4] = -1
	_, err = Fit(table.FromTable(counts), Config{Alpha: 1, Kinds: kinds(4, Multinomial)})
	wants(err, "NEGATIVE_COUNT")
	_, err = Fit(table.FromTable(counts), Config{Target: 1})
	wants(err, "INVALID_ARGUMENT")
	_, err = Fit(table.FromTable(counts), Config{Alpha: -1})
	wants(err, "INVALID_ARGUMENT")
	_, err = Fit(table.FromTable(counts), Config{Kinds: kinds(4, Categorical)})
	wants(err, "INVALID_ARGUMENT")
	_, err = Fit(table.FromTable(table.New(counts.Schema, 3)), Default(0))
	wants(err, "EMPTY_TABLE")
	cat := tableOf(g.Y, nil, g.Cat, []int{5, 2})
	sharp := fit(t, cat, Config{}) // no smoothing: level 4 of the domain never occurs
	cat.Columns[1].Codes[0] = 4
	wants(sharp.Predict(make([]float64, 360), cat), "IMPOSSIBLE_EVIDENCE")
	bad := *sharp.Statistics
	bad.Rows++
	_, err = New(cat.Schema, sharp.Config, &bad)
	wants(err, "BAD_STATISTICS")
}

// TestMultinomialSamples: rows have the mean total of their class, divided as the parameters say.
func TestMultinomialSamples(t *testing.T) {
	g := readGolden(t)
	rows := tableOf(g.Y, g.Counts, nil, nil)
	m := fit(t, rows, Config{Alpha: 1, Kinds: kinds(4, Multinomial)})
	out := table.New(rows.Schema, 3000)
	if err := m.Sample(out, rng.New(1), 0, []model.Term{{Field: 0, Codes: []int32{1}}}); err != nil {
		t.Fatal(err)
	}
	var sums [4]float64
	total := 0.0
	for j := range sums {
		for _, x := range out.Columns[j+1].Numbers {
			sums[j] += x
			total += x
		}
	}
	for j := range sums {
		p := math.Exp(m.fields[j+1].log[1])
		if math.Abs(sums[j]/total-p) > 5*math.Sqrt(p*(1-p)/total) {
			t.Errorf("field %d: %g, want %g", j, sums[j]/total, p)
		}
	}
}

package structure

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestPrivateStructure: with much epsilon it finds the strong edges, with little it is random; a bad epsilon is
// refused.
func TestPrivateStructure(t *testing.T) {
	_, x, truth := sampled(t, "asia", 20_000, 1)
	for _, epsilon := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := Private(x, PrivateOptions{Epsilon: epsilon}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("epsilon %v: %v", epsilon, err)
		}
	}
	want := Pattern(truth)
	found := func(epsilon float64) float64 {
		var sum float64
		for seed := range uint64(20) {
			parents, err := Private(x, PrivateOptions{Epsilon: epsilon, Degree: 1, Stream: rng.New(seed)})
			if err != nil {
				t.Fatal(err)
			}
			if topological(parents) == nil {
				t.Fatalf("a cycle in %v", parents)
			}
			sum += float64(Compare(Pattern(parents), want).Common) / 20
		}
		return sum
	}
	much, little := found(100), found(1e-4)
	t.Logf("true edges found: %.2f with epsilon 100, %.2f with 0.0001", much, little)
	if much < 4.5 || little > 3.5 {
		t.Errorf("true edges found: %v and %v", much, little)
	}
}

// TestInformationSensitivity replaces single rows in small tables: no change of mutual information is above the bound,
// and the largest comes near it.
func TestInformationSensitivity(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{{Name: "a", Levels: []string{"0", "1", "2"}}, {Name: "b", Levels: []string{"0", "1", "2"}}}}
	const rows = 5
	bound := informationSensitivity(rows)
	information := func(code int) (float64, *table.Table) {
		x := table.New(s, rows)
		for i := range rows {
			x.Columns[0].Codes[i], x.Columns[1].Codes[i] = int32(code%9/3), int32(code%3)
			code /= 9
		}
		p := privateSearch{t: x, known: map[string]float64{}, at: make([]int32, rows)}
		return p.information(1, []int{0}), x
	}
	var most float64
	for code := range 9 * 9 * 9 * 9 * 9 {
		base, _ := information(code)
		for k := range 9 {
			other, _ := information(code/9*9 + k)
			most = max(most, math.Abs(base-other))
		}
	}
	t.Logf("the largest change is %v, the bound %v", most, bound)
	if most > bound+1e-12 || most < bound/2 {
		t.Errorf("the largest change is %v, the bound %v", most, bound)
	}
}

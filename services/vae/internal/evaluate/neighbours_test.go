package evaluate

import (
	"context"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestIndex compares with the distances in float64, one by one.
func TestIndex(t *testing.T) {
	for i, n := range []int{1, 5, 64, 100, blockRows, blockRows + 70} {
		const q, k = 41, 7
		d := []int{9, 140}[i%2] // short rows and others
		rows, queries := tensor.New(tensor.Float32, n, d), tensor.New(tensor.Float32, q, d)
		rng.New(1).Normal(rows.F32(), 0, 0, rng.General)
		rng.New(2).Normal(queries.F32(), 0, 0, rng.General)
		near, err := newIndex(rows).nearest(context.Background(), queries, k)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range near {
			distance := make([]float64, n)
			order := make([]int32, n)
			for j := range n {
				order[j] = int32(j)
				for c := range d {
					e := float64(queries.F32()[i*d+c]) - float64(rows.F32()[j*d+c])
					distance[j] += e * e
				}
			}
			slices.SortStableFunc(order, func(a, b int32) int {
				switch {
				case distance[a] < distance[b]:
					return -1
				case distance[a] > distance[b]:
					return 1
				}
				return 0
			})
			if want := order[:min(k, n)]; !slices.Equal(got, want) {
				t.Fatalf("%d rows, query %d: %v, want %v", n, i, got, want)
			}
		}
	}
}

// TestIndexTies: of rows at one distance the first are found, across blocks as well.
func TestIndexTies(t *testing.T) {
	rows, query := tensor.New(tensor.Float32, blockRows+3, 2), tensor.New(tensor.Float32, 1, 2)
	rows.Fill(1)
	rows.F32()[2*blockRows], rows.F32()[2*blockRows+1] = 0.5, 0.5
	near, err := newIndex(rows).nearest(context.Background(), query, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(near[0], []int32{blockRows, 0, 1}) {
		t.Error(near[0])
	}
}

// TestNeighbours: on drawn digits both representations find most classes, principal components in less memory.
func TestNeighbours(t *testing.T) {
	r, err := Neighbours{
		Data: new(dataset.Locator), Name: "glyphs", Size: 12, Components: 16, Train: 1500, Select: 150, Report: 200, Rounds: 1,
	}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Train != 1500 || r.Report != 200 || len(r.Rows) != 2 {
		t.Fatalf("%+v", r)
	}
	pixels, pca := r.Rows[0], r.Rows[1]
	if pixels.Numbers != 144 || pca.Numbers != 16 || pca.Bytes*5 > pixels.Bytes {
		t.Errorf("%+v", r.Rows)
	}
	for _, row := range r.Rows {
		if row.Report.Share < 0.7 || row.Search <= 0 || row.K < 1 || row.K%2 == 0 || row.Report.N != 200 {
			t.Errorf("%+v", row)
		}
	}
	if d := 100*(pixels.Report.Share-pca.Report.Share) - pca.Below.Value; d > 1e-9 || d < -1e-9 || pixels.Below.Value != 0 {
		t.Errorf("%+v", pca)
	}
	again, err := Neighbours{
		Data: new(dataset.Locator), Name: "glyphs", Size: 12, Components: 16, Train: 1500, Select: 150, Report: 200, Rounds: 1,
	}.Run(context.Background())
	if err != nil || again.Rows[1].Report != pca.Report || again.Rows[1].K != pca.K {
		t.Error("another result", err)
	}
}

func TestShare(t *testing.T) {
	// scipy.stats.binomtest(97, 100).proportion_ci(method="wilson")
	s := share(97, 100)
	if s.Share != 0.97 || s.Low < 0.91547 || s.Low > 0.91549 || s.High < 0.98973 || s.High > 0.98975 {
		t.Errorf("%+v", s)
	}
	if share(0, 0) != (Share{}) {
		t.Error("a share of nothing")
	}
}

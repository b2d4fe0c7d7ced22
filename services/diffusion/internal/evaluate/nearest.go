package evaluate

import (
	"context"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/classify"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// nearest finds, for each of the pictures x of size elements, the training picture at the least Euclidean distance and
// that distance. Candidates are found by float32 products and their distances computed again in float64.
func nearest(
	ctx context.Context, x []float32, size int, train dataset.Dataset,
) (index []int, distance []float64, err error) {
	n := len(x) / size
	index, distance = make([]int, n), make([]float64, n)
	best := make([]float32, n)
	for i := range best {
		best[i] = float32(math.Inf(1))
	}
	a := tensor.FromFloat32(x, n, size)
	const chunk = 3000
	products := make([]float32, n*chunk)
	kept := make([]float32, n*size) // the nearest picture so far of each
	for from := 0; from < train.Len(); from += chunk {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		rows := min(chunk, train.Len()-from)
		y, _, err := classify.Pictures(train, from, from+rows)
		if err != nil {
			return nil, nil, err
		}
		squares := make([]float32, rows)
		for r := range squares {
			for _, v := range y[r*size : (r+1)*size] {
				squares[r] += v * v
			}
		}
		ab := products[:n*rows]
		err = tensor.Catch(func() {
			tensor.MatMul(tensor.FromFloat32(ab, n, rows), a, tensor.FromFloat32(y, rows, size), false, true)
		})
		if err != nil {
			return nil, nil, err
		}
		for i := range n {
			for r, p := range ab[i*rows : (i+1)*rows] {
				if d := squares[r] - 2*p; d < best[i] { // the picture's own square is the same for all
					best[i], index[i] = d, from+r
					copy(kept[i*size:(i+1)*size], y[r*size:(r+1)*size])
				}
			}
		}
	}
	for i := range n {
		var sum float64
		for k, v := range x[i*size : (i+1)*size] {
			d := float64(v) - float64(kept[i*size+k])
			sum += d * d
		}
		distance[i] = math.Sqrt(sum)
	}
	return index, distance, nil
}

// spread describes distances.
func spread(d []float64) Spread {
	s := slices.Sorted(slices.Values(d))
	var sum float64
	for _, v := range s {
		sum += v
	}
	return Spread{Mean: sum / float64(len(s)), Min: s[0], First: s[len(s)/100], Median: s[len(s)/2]}
}

// compare measures generated pictures, and real ones that no model has seen, against the training set.
func compare(ctx context.Context, generated, unseen []float32, size int, train dataset.Dataset) (*Nearest, error) {
	at, dg, err := nearest(ctx, generated, size, train)
	if err != nil {
		return nil, err
	}
	_, dr, err := nearest(ctx, unseen, size, train)
	if err != nil {
		return nil, err
	}
	n := &Nearest{Training: train.Len(), Generated: spread(dg), Real: spread(dr)}
	closer, least := 0, 0
	for i, d := range dg {
		if d < n.Real.First {
			closer++
		}
		if d < dg[least] {
			least = i
		}
	}
	n.Closer = float64(closer) / float64(len(dg))
	n.Closest = [2]int{least, at[least]}
	return n, nil
}

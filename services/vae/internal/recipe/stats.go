package recipe

import (
	"context"
	"math"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Names of the statistics in a model's file.
const (
	statsMean      = "stats.mean"       // [K] of the mean codes of the training pictures
	statsStd       = "stats.std"        // [K] their standard deviation
	statsKL        = "stats.kl"         // [K] mean divergence from the prior; absent for deterministic codes
	statsClassMean = "stats.class_mean" // [classes, K]; absent without labels
)

// statsRows is how many pictures are encoded at a time; it does not change a bit.
const statsRows = 256

// statistics measures the codes of the training pictures; nothing for a model without codes. normal says that they
// are drawn to a standard normal prior, from which there is a divergence.
func statistics(ctx context.Context, m model.Model, p *recipe.Pictures, normal bool) ([]weights.Param, error) {
	enc, ok := m.(model.Encoder)
	if !ok {
		return nil, nil
	}
	size := m.Size()
	k, classes := size.CodeLen(), len(p.Classes)
	sum, square, kl := make([]float64, k), make([]float64, k), make([]float64, k)
	byClass, counts := make([]float64, classes*k), make([]float64, classes)
	x, labels := make([]float32, statsRows*size.PictureLen()), make([]int32, statsRows)
	mean, variance := make([]float32, statsRows*k), make([]float32, statsRows*k)
	if enc.Deterministic() || !normal {
		variance = nil
	}
	n := p.Train.Len()
	for from := 0; from < n; from += statsRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(statsRows, n-from)
		if err := pictures(x, labels, p, from, rows, size.PictureLen()); err != nil {
			return nil, err
		}
		class := labels[:rows]
		if size.Classes == 0 {
			class = nil
		}
		enc.Encode(mean, variance, x, rows, class)
		for i := range rows {
			for j, v := range mean[i*k : (i+1)*k] {
				m := float64(v)
				sum[j] += m
				square[j] += float64(m * m)
				if variance != nil {
					s := float64(variance[i*k+j])
					kl[j] += float64(0.5 * (float64(m*m) + s - tensor.LogF64(s) - 1))
				}
				if classes > 0 {
					byClass[int(labels[i])*k+j] += m
				}
			}
			if classes > 0 {
				counts[labels[i]]++
			}
		}
	}
	deviation := make([]float64, k)
	for j := range sum {
		sum[j] /= float64(n)
		kl[j] /= float64(n)
		deviation[j] = math.Sqrt(max(0, square[j]/float64(n)-float64(sum[j]*sum[j])))
	}
	for i := range byClass {
		byClass[i] /= max(1, counts[i/k])
	}
	out := []weights.Param{vector(statsMean, sum, k), vector(statsStd, deviation, k)}
	if variance != nil {
		out = append(out, vector(statsKL, kl, k))
	}
	if classes > 0 {
		out = append(out, vector(statsClassMean, byClass, classes, k))
	}
	return out, nil
}

// pictures fills x with training pictures in [0, 1] and their labels.
func pictures(x []float32, labels []int32, p *recipe.Pictures, from, rows, size int) error {
	for i := range rows {
		at := p.Train.Index(from + i)
		row := x[i*size : (i+1)*size]
		if err := p.Train.Picture(at, row); err != nil {
			return err
		}
		dataset.ToUnit(row)
		labels[i] = int32(p.Train.Label(at))
	}
	return nil
}

func vector(name string, x []float64, shape ...int) weights.Param {
	t := tensor.New(tensor.Float32, shape...)
	for i, v := range x {
		t.F32()[i] = float32(v)
	}
	return weights.Param{Name: name, Tensor: t}
}

// readStatistics is the statistics of a file; nil where it holds none.
func readStatistics(f *weights.File, size model.Size) (*model.Stats, error) {
	k := size.CodeLen()
	if _, ok := f.Info(statsMean); !ok || k == 0 {
		return nil, nil
	}
	var s model.Stats
	for _, part := range []struct {
		name string
		to   *[]float64
	}{{statsMean, &s.Mean}, {statsStd, &s.Deviation}, {statsKL, &s.KL}} {
		if _, ok := f.Info(part.name); !ok && part.name == statsKL {
			continue
		}
		t, err := f.Float32(part.name)
		if err != nil {
			return nil, err
		}
		if t.Len() != k {
			return nil, fault.E(fault.Corrupt, "BAD_MODEL", "", "%s has %d numbers, want %d", part.name, t.Len(), k)
		}
		for _, v := range t.F32() {
			*part.to = append(*part.to, float64(v))
		}
	}
	if _, ok := f.Info(statsClassMean); ok {
		t, err := f.Float32(statsClassMean)
		if err != nil {
			return nil, err
		}
		if t.Rank() != 2 || t.Dim(1) != k {
			return nil, fault.E(fault.Corrupt, "BAD_MODEL", "", "%s is of shape %v, want rows of %d", statsClassMean,
				t.Shape(), k)
		}
		for c := range t.Dim(0) {
			s.ClassMean = append(s.ClassMean, append([]float32(nil), t.F32()[c*k:(c+1)*k]...))
		}
	}
	return &s, nil
}

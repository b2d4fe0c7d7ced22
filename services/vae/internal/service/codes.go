package service

import (
	"context"
	"encoding/binary"
	"math"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Encode gives the codes of pictures.
func (s *Service) Encode(ctx context.Context, req *vaev1.EncodeRequest) (*vaev1.EncodeResponse, error) {
	const op = "vae.Encode"
	var bad wire.Violations
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	x, n, class, err := c.rows(req.GetImages(), req.GetLabels(), maxPictures)
	if err != nil {
		return nil, err
	}
	mean, variance, t, err := c.m.Encode(ctx, x, n, class)
	if err != nil {
		return nil, c.fail(err)
	}
	r := &vaev1.EncodeResponse{Mean: codesOf(mean, n)}
	if variance != nil {
		c.seed = seed
		r.Variance, r.Sample = codesOf(variance, n), codesOf(c.draw(mean, variance, n), n)
	}
	if q, ok := c.m.Model.(model.Indexer); ok {
		r.Indices = indices(q, mean, n)
	}
	r.Answered = c.answered(t)
	return r, nil
}

// rows decodes the pictures and labels of a request.
func (c *call) rows(images []*tensorv1.Image, labels []string, most int) (x []float32, n int, class []int32,
	err error) {
	if x, err = c.pictures("images", images, most); err != nil {
		return nil, 0, nil, err
	}
	n = len(images)
	class, err = c.classes(labels, n)
	return x, n, class, err
}

// draw samples the posterior of n codes: a normal distribution, or on and off for units.
func (c *call) draw(mean, variance []float32, n int) []float32 {
	k := len(mean) / n
	z := make([]float32, len(mean))
	random := rng.New(c.seed)
	_, units := c.m.Model.(model.Chain)
	for i := range n {
		row := z[i*k : (i+1)*k]
		if units {
			random.Uniform(row, uint64(i), 0, rng.Latent)
		} else {
			random.Normal(row, uint64(i), 0, rng.Latent)
		}
		for j, e := range row {
			m, v := mean[i*k+j], variance[i*k+j]
			switch {
			case !units:
				row[j] = m + float32(e*float32(math.Sqrt(float64(v))))
			case e < m:
				row[j] = 1
			default:
				row[j] = 0
			}
		}
	}
	return z
}

// indices is the message of the codebook indices of n codes.
func indices(q model.Indexer, codes []float32, n int) *tensorv1.Tensor {
	_, each := q.Codebook()
	ids := make([]int32, n*each)
	q.Indices(ids, codes, n)
	m := &tensorv1.Tensor{Dtype: tensorv1.DataType_DATA_TYPE_I64, Shape: []int64{int64(n), int64(each)}}
	for _, id := range ids {
		m.Data = binary.LittleEndian.AppendUint64(m.Data, uint64(id))
	}
	return m
}

// Decode turns codes into pictures.
func (s *Service) Decode(ctx context.Context, req *vaev1.DecodeRequest) (*vaev1.DecodeResponse, error) {
	const op = "vae.Decode"
	var bad wire.Violations
	encoding := bad.Encoding(req.GetEncoding())
	bad.RequestID(req.GetRequestId())
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	z, n, err := c.codes("codes", req.GetCodes(), maxPictures)
	if err != nil {
		return nil, err
	}
	class, err := c.classes(req.GetLabels(), n)
	if err != nil {
		return nil, err
	}
	images, t, err := c.decode(ctx, z, n, class, encoding)
	if err != nil {
		return nil, err
	}
	return &vaev1.DecodeResponse{Answered: c.answered(t), Images: images}, nil
}

// decode makes the pictures of n codes.
func (c *call) decode(ctx context.Context, z []float32, n int, class []int32,
	encoding tensorv1.ImageEncoding) ([]*tensorv1.Image, engine.Timing, error) {
	if p := c.m.Model.Size().PictureLen(); n > max(1, maxAnswer/p) {
		return nil, engine.Timing{}, fault.InvalidField(c.op, "codes",
			"%d pictures of %d values each, want at most %d of them in one answer", n, p, max(1, maxAnswer/p))
	}
	x, t, err := c.m.Decode(ctx, z, n, class)
	if err != nil {
		return nil, t, c.fail(err)
	}
	images, err := c.images(c.split(x, n), encoding)
	return images, t, err
}

// split turns n rows of values into the bytes of pictures.
func (c *call) split(x []float32, n int) [][]byte {
	p := c.m.Model.Size().PictureLen()
	pix := make([][]byte, n)
	for i := range pix {
		pix[i] = engine.Pixels(x[i*p : (i+1)*p])
	}
	return pix
}

// Reconstruct encodes and decodes pictures.
func (s *Service) Reconstruct(ctx context.Context, req *vaev1.ReconstructRequest) (*vaev1.ReconstructResponse, error) {
	const op = "vae.Reconstruct"
	var bad wire.Violations
	encoding := bad.Encoding(req.GetEncoding())
	bad.RequestID(req.GetRequestId())
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	x, n, class, err := c.rows(req.GetImages(), req.GetLabels(), maxPictures)
	if err != nil {
		return nil, err
	}
	mean, _, t, err := c.m.Encode(ctx, x, n, class)
	if err != nil {
		return nil, c.fail(err)
	}
	y, second, err := c.m.Decode(ctx, mean, n, class)
	if err != nil {
		return nil, c.fail(err)
	}
	t = engine.Timing{Queue: t.Queue + second.Queue, Compute: t.Compute + second.Compute, Total: t.Total + second.Total}
	r := &vaev1.ReconstructResponse{Answered: c.answered(t)}
	if r.Images, err = c.images(c.split(y, n), encoding); err != nil {
		return nil, err
	}
	b, ok := c.m.Model.(model.Bernoulli)
	p := len(x) / n
	for i := range n {
		r.Errors = append(r.Errors, distance(x[i*p:(i+1)*p], y[i*p:(i+1)*p], ok && b.Bernoulli()))
	}
	return r, nil
}

// distance compares a picture with its reconstruction; sums run in float64 in the order of the pixels.
func distance(x, y []float32, bernoulli bool) *vaev1.ReconstructionError {
	const least = 1e-7 // a probability of 0 for a pixel that is on would be infinitely wrong
	var squares, entropy float64
	for i := range x {
		v, p := float64(x[i]), float64(y[i])
		d := v - p
		squares += float64(d * d)
		p = min(max(p, least), 1-least)
		entropy -= float64(v*tensor.LogF64(p)) + float64((1-v)*tensor.LogF64(1-p))
	}
	e := &vaev1.ReconstructionError{MeanSquaredError: squares / float64(len(x))}
	if bernoulli {
		e.CrossEntropy = &entropy
	}
	return e
}

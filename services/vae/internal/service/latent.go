package service

import (
	"context"
	"fmt"
	"math"
	"slices"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// term finds the code that a Term means.
func (c *call) term(ctx context.Context, field string, t *vaev1.Term, class []int32) ([]float32, error) {
	k := c.m.Model.Size().CodeLen()
	if k == 0 {
		return nil, c.unsupported("place anything in a latent space")
	}
	switch v := t.GetTerm().(type) {
	case *vaev1.Term_Label:
		return c.classMean(field, v.Label)
	case *vaev1.Term_Code:
		z, _, err := c.codes(field+".code", v.Code, 1)
		return z, err
	case *vaev1.Term_Seed:
		return c.drawn(ctx, field, v.Seed, class)
	case *vaev1.Term_Pictures:
		return c.meanOf(ctx, field+".pictures.images", v.Pictures, class)
	}
	return nil, fault.InvalidField(c.op, field, "missing: give a label, pictures, a code or a seed")
}

// classMean is the mean code of a class over the training data.
func (c *call) classMean(field, label string) ([]float32, error) {
	if c.m.Stats == nil || len(c.m.Stats.ClassMean) == 0 {
		return nil, fault.E(fault.Precondition, "NO_CLASS_MEANS", c.op,
			"model %s keeps no mean code of a class: give pictures of it instead", c.ref)
	}
	if label == "" {
		return nil, fault.InvalidField(c.op, field, "an empty label, want one of the model's")
	}
	var bad wire.Violations
	bad.Labels([]string{label})
	if bad == nil {
		if ids := bad.Classes([]string{label}, c.m.Entry.Manifest.Labels, c.ref); bad == nil {
			return slices.Clone(c.m.Stats.ClassMean[ids[0]]), nil
		}
	}
	bad[0].Field = field // of the term, not of the request
	return nil, bad.Err(c.op)
}

// drawn is a draw from the prior.
func (c *call) drawn(ctx context.Context, field string, seed uint64, class []int32) ([]float32, error) {
	if seed > rng.MaxSeed {
		return nil, fault.InvalidField(c.op, field+".seed", "%d, want 0 to %d (2^53-1)", seed, uint64(rng.MaxSeed))
	}
	if !engine.CanDraw(c.m.Model) {
		return nil, c.unsupported("draw codes: they have no prior; give pictures instead")
	}
	z, _, _, err := c.m.Draw(ctx, rng.New(seed), 1, 1, class[:min(1, len(class))])
	if err != nil {
		return nil, c.fail(err)
	}
	return z, nil
}

// meanOf is the mean code of pictures.
func (c *call) meanOf(ctx context.Context, field string, m *vaev1.Pictures, class []int32) ([]float32, error) {
	x, err := c.pictures(field, m.GetImages(), maxPictures)
	if err != nil {
		return nil, err
	}
	n := len(m.GetImages())
	var each []int32
	if class != nil {
		each = slices.Repeat(class[:1], n)
	}
	mean, _, _, err := c.m.Encode(ctx, x, n, each)
	if err != nil {
		return nil, c.fail(err)
	}
	z := make([]float32, len(mean)/n)
	for d := range z {
		var sum float64
		for i := range n {
			sum += float64(mean[i*len(z)+d])
		}
		z[d] = float32(sum / float64(n))
	}
	return z, nil
}

// Interpolate walks between two codes.
func (s *Service) Interpolate(ctx context.Context, req *vaev1.InterpolateRequest) (*vaev1.InterpolateResponse, error) {
	const op = "vae.Interpolate"
	var bad wire.Violations
	encoding := bad.Encoding(req.GetEncoding())
	bad.RequestID(req.GetRequestId())
	steps := whole(&bad, "steps", req.Steps, 2, maxWalk, defaultWalk)
	switch req.GetPath() {
	case vaev1.Path_PATH_UNSPECIFIED, vaev1.Path_PATH_LINEAR, vaev1.Path_PATH_SPHERICAL:
	default:
		bad.Addf("path", "%v, want LINEAR or SPHERICAL", req.GetPath())
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	class, err := c.label(req.GetLabel(), steps)
	if err != nil {
		return nil, err
	}
	from, err := c.term(ctx, "from", req.GetFrom(), class)
	if err != nil {
		return nil, err
	}
	to, err := c.term(ctx, "to", req.GetTo(), class)
	if err != nil {
		return nil, err
	}
	z := walk(from, to, steps, req.GetPath() != vaev1.Path_PATH_LINEAR)
	images, t, err := c.decode(ctx, z, steps, class, encoding)
	if err != nil {
		return nil, err
	}
	return &vaev1.InterpolateResponse{Answered: c.answered(t), Images: images, Codes: codesOf(z, steps)}, nil
}

// walk gives the codes from a to b: along the straight line, or along the great circle between their directions with
// the length changing evenly (Shoemake, "Animating rotation with quaternion curves", 1985). Where the directions are
// equal or opposite, or an end lies at the origin, there is no one circle, and the walk is straight.
func walk(a, b []float32, steps int, spherical bool) []float32 {
	var aa, bb, ab float64
	for i := range a {
		aa += float64(float64(a[i]) * float64(a[i]))
		bb += float64(float64(b[i]) * float64(b[i]))
		ab += float64(float64(a[i]) * float64(b[i]))
	}
	na, nb := math.Sqrt(aa), math.Sqrt(bb)
	var angle float64
	if na > 0 && nb > 0 {
		angle = arccos(ab / (na * nb))
	}
	sin := tensor.SinF64(angle)
	spherical = spherical && sin > 1e-4
	z := make([]float32, 0, steps*len(a))
	for s := range steps {
		t := float64(s) / float64(steps-1)
		u, v := 1-t, t
		if spherical {
			length := float64((1-t)*na) + float64(t*nb)
			u = tensor.SinF64(float64((1-t)*angle)) / sin * length / na
			v = tensor.SinF64(float64(t*angle)) / sin * length / nb
		}
		for i := range a {
			z = append(z, float32(float64(u*float64(a[i]))+float64(v*float64(b[i]))))
		}
	}
	return z
}

// LatentGrid decodes a plane of the latent space.
func (s *Service) LatentGrid(ctx context.Context, req *vaev1.LatentGridRequest) (*vaev1.LatentGridResponse, error) {
	const op = "vae.LatentGrid"
	var bad wire.Violations
	encoding := bad.Encoding(req.GetEncoding())
	bad.RequestID(req.GetRequestId())
	columns := whole(&bad, "columns", req.Columns, 1, maxSide, defaultSide)
	rows := whole(&bad, "rows", req.Rows, 1, maxSide, defaultSide)
	span := between(&bad, "span", req.Span, 1e-6, maxSpan, defaultSpan)
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	st, _ := c.m.Plane()
	k := c.m.Model.Size().CodeLen()
	if _, ok := c.m.Model.(model.Decoder); !ok || st == nil || k < 2 {
		return nil, c.unsupported("show a plane of its latent space")
	}
	x, y := widest(st)
	x = whole(&bad, "x_dimension", req.XDimension, 0, k-1, x)
	y = whole(&bad, "y_dimension", req.YDimension, 0, k-1, y)
	if x == y {
		bad.Addf("y_dimension", "%d, the same as x_dimension", y)
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	at := make([]float32, k)
	for i, v := range st.Mean {
		at[i] = float32(v)
	}
	if req.GetAt() != nil {
		if at, _, err = c.codes("at", req.GetAt(), 1); err != nil {
			return nil, err
		}
	}
	n := rows * columns
	class, err := c.label(req.GetLabel(), n)
	if err != nil {
		return nil, err
	}
	r := &vaev1.LatentGridResponse{
		XDimension: int32(x), YDimension: int32(y),
		X: spread(columns, span, st.Mean[x], st.Deviation[x]), Y: spread(rows, span, st.Mean[y], st.Deviation[y]),
	}
	slices.Reverse(r.Y) // the top is where y is largest
	z := make([]float32, 0, n*k)
	for i := range n {
		z = append(z, at...)
		z[i*k+x], z[i*k+y] = float32(r.X[i%columns]), float32(r.Y[i/columns])
	}
	images, t, err := c.decode(ctx, z, n, class, encoding)
	if err != nil {
		return nil, err
	}
	r.Answered, r.Images = c.answered(t), images
	return r, nil
}

// widest are the two dimensions that say most: by KL divergence, or by deviation where codes are deterministic.
func widest(st *model.Stats) (x, y int) {
	by := st.KL
	if len(by) == 0 {
		by = st.Deviation
	}
	order := make([]int, len(by))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case by[a] > by[b]:
			return -1
		case by[a] < by[b]:
			return 1
		}
		return 0
	})
	return order[0], order[1]
}

// spread gives n values at evenly spread quantiles of a normal distribution cut at span deviations, so that equal
// shares of the data lie between neighbours (Kingma and Welling 2013, figure 4).
func spread(n int, span, mean, deviation float64) []float64 {
	edge := normalTail(span) // probability beyond the span on one side
	v := make([]float64, n)
	for i := range v {
		if n == 1 {
			v[i] = mean
			continue
		}
		p := edge + float64((1-float64(2*edge))*(float64(min(i, n-1-i))/float64(n-1)))
		x := normalQuantile(p) // of the lower half, where it is precise; the upper one mirrors it
		if i > n-1-i {
			x = -x
		}
		v[i] = mean + float64(deviation*x)
	}
	return v
}

// Arithmetic decodes a - b + c.
func (s *Service) Arithmetic(ctx context.Context, req *vaev1.ArithmeticRequest) (*vaev1.ArithmeticResponse, error) {
	const op = "vae.Arithmetic"
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
	class, err := c.label(req.GetLabel(), 4)
	if err != nil {
		return nil, err
	}
	k := c.m.Model.Size().CodeLen()
	z := make([]float32, k, 4*max(k, 1))
	for i, t := range []*vaev1.Term{req.GetA(), req.GetB(), req.GetC()} {
		v, err := c.term(ctx, fmt.Sprintf("%c", 'a'+i), t, class)
		if err != nil {
			return nil, err
		}
		z = append(z, v...)
	}
	for i := range k {
		z[i] = z[k+i] - z[2*k+i] + z[3*k+i]
	}
	images, t, err := c.decode(ctx, z, 4, class, encoding)
	if err != nil {
		return nil, err
	}
	return &vaev1.ArithmeticResponse{Answered: c.answered(t), Image: images[0], Terms: images[1:], Codes: codesOf(z, 4)},
		nil
}

package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// Preview implements train.Task: a grid of samples from the same noise every time, class by class, so that one can
// watch the same pictures get better.
func (t *task) Preview(ctx context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	n := t.previews()
	states, err := t.sample(ctx, n)
	if err != nil {
		return nil, err
	}
	c := t.cfg
	pictures := make([]*picture.Picture, n)
	for i, s := range states {
		pictures[i] = picture.FromSamples(s.X, c.ImageSize, c.ImageSize, c.InChannels)
	}
	columns := 1
	for columns*columns < n {
		columns++
	}
	if n > 4 && n%5 == 0 {
		columns = 5
	}
	grid, err := picture.Grid(pictures, columns, 1)
	if err != nil {
		return nil, err
	}
	return []train.Preview{{Name: fmt.Sprintf("step-%d", step), Image: grid.Image()}}, nil
}

// previews is how many pictures a preview shows.
func (t *task) previews() int {
	if n := t.recipe.Preview.Count; n > 0 {
		return n
	}
	if t.cfg.Classes > 0 {
		return min(t.cfg.Classes, 16)
	}
	return 16
}

// sample draws n pictures with the recipe's sampler.
func (t *task) sample(ctx context.Context, n int) ([]*sampler.State, error) {
	method, err := sampler.New(t.recipe.Preview.Sampler, t.sch, sampler.Config{Steps: t.recipe.Preview.Steps})
	if err != nil {
		return nil, err
	}
	size := t.cfg.ImageSize * t.cfg.ImageSize * t.cfg.InChannels
	stream := rng.New(t.recipe.Seed ^ evalSeed)
	states := make([]*sampler.State, n)
	for i := range states {
		noise := make([]float32, size)
		stream.Normal(noise, uint64(i), 0, rng.Latent)
		states[i] = sampler.NewState(method, noise)
	}
	for !method.Done(states[0]) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.denoise(method, states, stream); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// denoise takes all states one evaluation further; they are all at the same one.
func (t *task) denoise(method sampler.Sampler, states []*sampler.State, stream rng.Stream) error {
	n, c := len(states), t.cfg
	guidance := 1.0
	if c.Classes > 0 {
		guidance = 2
		if g := t.recipe.Preview.Guidance; g != nil {
			guidance = *g
		}
	}
	rows := n
	if guidance != 1 {
		rows = 2 * n // the second half does not see the class
	}
	t.tape.Reset()
	t.room(rows)
	x := t.tape.Arena().New(tensor.Float32, rows, c.ImageSize, c.ImageSize, c.InChannels)
	size := len(t.x0)
	timestep, alphaBar := method.At(states[0])
	for i := range rows {
		copy(x.F32()[i*size:(i+1)*size], states[i%n].X)
		t.timestep[i] = float32(timestep)
		t.class[i] = int32(c.Classes)
		if i < n && c.Classes > 0 {
			t.class[i] = int32(i % c.Classes)
		}
	}
	var out []float32
	err := tensor.Catch(func() { out = t.twin.Forward(t.tape, t.tape.Const(x), t.timestep, t.class).F32() })
	if err != nil {
		return err
	}
	for i, s := range states {
		p := out[i*size : (i+1)*size]
		if rows > n {
			u := out[(n+i)*size : (n+i+1)*size]
			for j, v := range u {
				p[j] = v + float32(float32(guidance)*(p[j]-v))
			}
		}
		schedule.ToX0(t.x0, p, s.X, t.pred, alphaBar, true)
		method.Step(s, t.x0, func(dst []float32, step int) {
			stream.Normal(dst, uint64(i), uint32(step), rng.Ancestor)
		})
	}
	return nil
}

package recipe

import (
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
)

// ForImages writes the recipe for a folder or zip archive of pictures for which somebody gave nothing else. The size
// is 28 for pictures of 28x28 and 32 for all others, grey when the pictures that were looked at are grey; classes
// come from the folders. The steps follow from the size of the network, so that training takes about minutes on two
// cores that together do 100 billion operations a second: the same pictures give the same recipe anywhere.
func ForImages(path, name string, minutes float64) (*Recipe, error) {
	const op = "recipe.ForImages"
	if !(minutes > 0 && minutes <= 100_000) {
		return nil, fault.InvalidField(op, "minutes", "%v, want above 0 and up to 100000", minutes)
	}
	look, err := recipe.LookAt(path)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := &Recipe{Name: name, Seed: 1, Data: recipe.Data{Images: path, Size: 32, Channels: 3}}
	if look.All28 {
		r.Data.Size = 28
	}
	if look.Grey {
		r.Data.Channels = 1
	}
	r.Train.Batch, r.Train.Micro = 64, 32
	r.Train.LearningRate, r.Train.WeightDecay, r.Train.Clip, r.Train.EMA = 1e-3, 0.01, 1, 0.999
	r.Train.Steps = 1 // replaced below, but validate wants it
	r.setDefaults()
	if err := r.validate(); err != nil {
		return nil, fault.Wrap(op, err)
	}
	net, err := r.network(r.Data.Size, r.Data.Channels, 0)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	// A training step costs about three forward passes.
	const speed = 100e9 * 60
	steps := int(minutes * speed / (3 * float64(net.FLOPs()) * float64(r.Train.Batch)))
	r.Train.Steps = min(max(steps, 100), 1_000_000)
	r.Train.Warmup = min(500, r.Train.Steps/10)
	r.Train.PreviewEvery = max(r.Train.Steps/20, 50)
	r.Train.EvalEvery = r.Train.PreviewEvery
	return r, nil
}

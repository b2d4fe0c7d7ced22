package recipe

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
)

// Recipe says how to make a model. Zero values mean the defaults that each field states.
type Recipe struct {
	Name        string `yaml:"name"`                  // of the model: lower-case letters, digits, dashes
	Family      string `yaml:"family,omitempty"`      // diffusion, also when it is left out
	Description string `yaml:"description,omitempty"` // one paragraph for people
	Licence     string `yaml:"licence,omitempty"`     // of the weights; that of the data
	Seed        uint64 `yaml:"seed"`                  // of initial weights, data order and all draws; 0

	Data      recipe.Data  `yaml:"data"`
	Model     Model        `yaml:"model,omitempty"`
	Diffusion Diffusion    `yaml:"diffusion,omitempty"`
	Train     train.Config `yaml:"train"`
	Preview   Preview      `yaml:"preview,omitempty"`
}

// Model is the network, as unet.Config; zero values are those of the default for the size of the pictures.
type Model struct {
	PatchSize       int   `yaml:"patch_size,omitempty"`
	Channels        []int `yaml:"channels,omitempty,flow"`
	Blocks          int   `yaml:"blocks,omitempty"`
	AttentionLevels []int `yaml:"attention_levels,omitempty,flow"`
	Heads           int   `yaml:"heads,omitempty"`
	TimeDim         int   `yaml:"time_dim,omitempty"`
	Groups          int   `yaml:"groups,omitempty"`
}

// Diffusion is the process and the loss.
type Diffusion struct {
	Schedule   string `yaml:"schedule,omitempty"`   // cosine
	Timesteps  int    `yaml:"timesteps,omitempty"`  // of training; 1000
	Prediction string `yaml:"prediction,omitempty"` // epsilon, x0 or v; v
	// MinSNR is gamma of the loss weight min(SNR, gamma) of Hang et al., "Efficient Diffusion Training via Min-SNR
	// Weighting Strategy" (2023), in terms of the picture; 0 gives every timestep the same weight.
	MinSNR float64 `yaml:"min_snr,omitempty"`
	// ClassDropout is how often the class is hidden from the network, which guidance needs; 0.1 with classes.
	ClassDropout *float64 `yaml:"class_dropout,omitempty"`
	// Flip mirrors half of the pictures left to right. Digits and letters do not survive it; false.
	Flip bool `yaml:"flip,omitempty"`
}

// Preview says how the pictures in progress are made.
type Preview struct {
	Sampler  string   `yaml:"sampler,omitempty"`  // ddim
	Steps    int      `yaml:"steps,omitempty"`    // 25
	Guidance *float64 `yaml:"guidance,omitempty"` // 2 with classes
	Count    int      `yaml:"count,omitempty"`    // pictures; one a class, at most 16
}

// Family is the name of this family in recipes and manifests.
const Family = "diffusion"

// Parse reads a recipe in YAML and fills in the defaults that do not depend on the data. Errors are of kind Invalid.
func Parse(text []byte) (*Recipe, error) {
	const op = "recipe.Parse"
	if err := recipe.CheckFamily(text, Family); err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := new(Recipe)
	if err := recipe.Decode(text, r); err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.setDefaults()
	return r, fault.Wrap(op, r.validate())
}

func (r *Recipe) setDefaults() {
	d := &r.Diffusion
	if d.Schedule == "" {
		d.Schedule = "cosine"
	}
	if d.Timesteps == 0 {
		d.Timesteps = 1000
	}
	if d.Prediction == "" {
		d.Prediction = "v"
	}
	if r.Preview.Sampler == "" {
		r.Preview.Sampler = "ddim"
	}
	if r.Preview.Steps == 0 {
		r.Preview.Steps = 25
	}
	if r.Train.Seed == 0 {
		r.Train.Seed = r.Seed
	}
}

func (r *Recipe) validate() error {
	var wrong []fault.Violation
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	wrong = append(append(wrong, recipe.CheckName(r.Name)...), r.Data.Check()...)
	if r.Family != "" && r.Family != Family {
		bad("family", "%.80q, this service trains diffusion", r.Family)
	}
	for _, n := range []struct {
		field       string
		v, low, top int
	}{
		{"diffusion.timesteps", r.Diffusion.Timesteps, 1, 1_000_000},
		{"preview.steps", r.Preview.Steps, 1, r.Diffusion.Timesteps}, {"preview.count", r.Preview.Count, 0, 256},
	} {
		if n.v < n.low || n.v > n.top {
			bad(n.field, "%d, want %d to %d", n.v, n.low, n.top)
		}
	}
	if p := r.Diffusion.ClassDropout; p != nil && !(*p >= 0 && *p < 1) {
		bad("diffusion.class_dropout", "%v, want 0 up to below 1", *p)
	}
	if g := r.Diffusion.MinSNR; !(g >= 0 && g <= 1e6) {
		bad("diffusion.min_snr", "%v, want 0 to 1e6", g)
	}
	if g := r.Preview.Guidance; g != nil && !(*g >= 0 && *g <= 100) {
		bad("preview.guidance", "%v, want 0 to 100", *g)
	}
	if _, err := schedule.Parse(r.Diffusion.Schedule, min(max(r.Diffusion.Timesteps, 1), 1_000_000)); err != nil {
		bad("diffusion.schedule", "%v", strings.TrimPrefix(err.Error(), "schedule: "))
	}
	if _, err := schedule.ParsePrediction(r.Diffusion.Prediction); err != nil {
		bad("diffusion.prediction", "%v", strings.TrimPrefix(err.Error(), "schedule: "))
	}
	if c, err := r.checkModel(); err != nil {
		bad("model", "%s", strings.TrimPrefix(err.Error(), "unet: "))
	} else if most := max(1, int(microElements/c.Elements())); r.Train.Micro > most {
		bad("train.micro", "%d, want at most %d for pictures and a network of this size", r.Train.Micro, most)
	}
	if _, err := r.Train.Defaults(1); err != nil {
		bad("train", "%v", strings.TrimPrefix(err.Error(), "train.Config: "))
	}
	return fault.InvalidFields("", wrong...).AsError()
}

// YAML is the recipe as text that Parse reads, with its defaults filled in.
func (r *Recipe) YAML() ([]byte, error) {
	text, err := yaml.Marshal(r)
	return text, fault.Wrap("recipe.YAML", err)
}

// network returns the network's configuration for pictures of the given size.
func (r *Recipe) network(size, channels, classes int) (unet.Config, error) {
	c := r.fill(size, channels, classes)
	if err := c.Validate(); err != nil {
		return c, fault.E(fault.Invalid, "BAD_MODEL", "recipe.network", "model: %s",
			strings.TrimPrefix(err.Error(), "unet: "))
	}
	return c, nil
}

// checkModel holds the network to the limits before any data is opened: what the recipe leaves to the data is taken
// to be small here, and network checks it again.
func (r *Recipe) checkModel() (unet.Config, error) {
	size, channels := 32, 3
	if r.Data.Size >= 1 && r.Data.Size <= 1024 {
		size = r.Data.Size
	}
	if r.Data.Channels == 1 {
		channels = 1
	}
	c := r.fill(size, channels, 0)
	c.Steps = 1000 // the timesteps are checked under their own name
	return c, c.CheckLimits()
}

// microElements bounds the activations of one micro-batch, as inference would keep them; training keeps several times
// as many.
const microElements = 1 << 30

// fill is the default for a size of pictures with what the recipe says, unchecked.
func (r *Recipe) fill(size, channels, classes int) unet.Config {
	c := defaultNetwork(size, channels)
	m := r.Model
	replace(&c.PatchSize, m.PatchSize)
	replace(&c.Blocks, m.Blocks)
	replace(&c.Heads, m.Heads)
	replace(&c.TimeDim, m.TimeDim)
	replace(&c.Groups, m.Groups)
	if m.Channels != nil {
		c.Channels = m.Channels
	}
	if m.AttentionLevels != nil {
		c.AttentionLevels = m.AttentionLevels
	}
	c.ImageSize, c.InChannels, c.Classes = size, channels, classes
	c.Prediction, c.Schedule, c.Steps = r.Diffusion.Prediction, r.Diffusion.Schedule, r.Diffusion.Timesteps
	return c
}

func replace(x *int, v int) {
	if v != 0 {
		*x = v
	}
}

// defaultNetwork is a network that trains in minutes: that of the digits, wider for colour, with as many levels as
// bring the pictures down to 8x8 or to an odd size.
func defaultNetwork(size, channels int) unet.Config {
	c := unet.MNIST()
	first, rest := c.Channels[0], c.Channels[1]
	if channels > 1 {
		first, rest, c.Heads = 48, 96, 4
	}
	c.Channels, c.PatchSize = []int{first}, 1
	side := size
	if size >= 16 && size%2 == 0 {
		c.PatchSize, side = 2, size/2
	}
	for ; side > 8 && side%2 == 0; side /= 2 {
		c.Channels = append(c.Channels, rest)
	}
	if len(c.Channels) == 1 {
		c.Heads = 4
	}
	return c
}

package recipe

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
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

	Data      Data         `yaml:"data"`
	Model     Model        `yaml:"model,omitempty"`
	Diffusion Diffusion    `yaml:"diffusion,omitempty"`
	Train     train.Config `yaml:"train"`
	Preview   Preview      `yaml:"preview,omitempty"`
}

// Data names the pictures. Exactly one of Name and Images is set.
type Data struct {
	Name     string `yaml:"name,omitempty"`     // of a registered data set, whose splits train and select are used
	Images   string `yaml:"images,omitempty"`   // a folder or .zip of pictures, classes by folder; a .csv; an IDX file
	Size     int    `yaml:"size,omitempty"`     // height and width; the data set's own, or the first picture's
	Channels int    `yaml:"channels,omitempty"` // 1 or 3; the data set's own, or 3
	Licence  string `yaml:"licence,omitempty"`  // of Images
	// Train and Select are numbers of pictures. Of a registered set they limit its splits; 0 takes all of a split. Of
	// Images, Select are taken at random, 0 for one in twenty but at most 1,000, and Train of the others, 0 for all.
	Train  int `yaml:"train,omitempty"`
	Select int `yaml:"select,omitempty"`
	// Unlabelled leaves the classes of the set aside.
	Unlabelled bool `yaml:"unlabelled,omitempty"`
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

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// MaxRecipe is the largest recipe in bytes.
const MaxRecipe = 64 << 10

// Parse reads a recipe in YAML and fills in the defaults that do not depend on the data. Errors are of kind Invalid.
func Parse(text []byte) (*Recipe, error) {
	const op = "recipe.Parse"
	r := new(Recipe)
	if err := decodeStrict(text, r); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_RECIPE", op, "%w", err)
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
	if !namePattern.MatchString(r.Name) {
		bad("name", "%.80q, want 1 to 63 lower-case letters, digits and dashes, not beginning with a dash", r.Name)
	}
	if r.Family != "" && r.Family != "diffusion" {
		bad("family", "%.80q, this service trains diffusion", r.Family)
	}
	if (r.Data.Name == "") == (r.Data.Images == "") {
		bad("data", "want one of name and images")
	}
	for _, n := range []struct {
		field       string
		v, low, top int
	}{
		{"data.size", r.Data.Size, 0, 1024},
		{"data.train", r.Data.Train, 0, 1 << 30}, {"data.select", r.Data.Select, 0, 1 << 30},
		{"diffusion.timesteps", r.Diffusion.Timesteps, 1, 1_000_000},
		{"preview.steps", r.Preview.Steps, 1, r.Diffusion.Timesteps}, {"preview.count", r.Preview.Count, 0, 256},
	} {
		if n.v < n.low || n.v > n.top {
			bad(n.field, "%d, want %d to %d", n.v, n.low, n.top)
		}
	}
	if c := r.Data.Channels; c != 0 && c != 1 && c != 3 {
		bad("data.channels", "%d, want 1 (grey) or 3 (colour)", c)
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

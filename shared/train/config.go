package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Config says how to train. Zero values mean the defaults that each field states; Defaults fills them in.
type Config struct {
	// Exactly one of Steps, optimisation steps, and Epochs, passes over the data, is set.
	Steps  int     `yaml:"steps,omitempty" json:"steps"`
	Epochs float64 `yaml:"epochs,omitempty" json:"epochs"`
	// Batch is the samples of one step; 64. Micro is those of one forward pass and divides Batch; its largest divisor
	// up to 32.
	Batch int `yaml:"batch,omitempty" json:"batch"`
	Micro int `yaml:"micro,omitempty" json:"micro"`

	// LearningRate is the highest one; 1e-3. It is reached linearly in Warmup steps, 0, and then falls along half a
	// cosine to MinLearningRate, 0.
	LearningRate    float64 `yaml:"learning_rate,omitempty" json:"learning_rate"`
	MinLearningRate float64 `yaml:"min_learning_rate,omitempty" json:"min_learning_rate"`
	Warmup          int     `yaml:"warmup,omitempty" json:"warmup"`
	// Optimizer is adamw, also when it is left out, or sgd. Momentum is that of sgd; 0.
	Optimizer string  `yaml:"optimizer,omitempty" json:"optimizer,omitempty"`
	Momentum  float64 `yaml:"momentum,omitempty" json:"momentum,omitempty"`
	// Of adamw: 0.9, 0.999, 1e-8, and no decay. The decay spares parameters of rank 1 and 0; that of adamw is decoupled,
	// that of sgd a part of the gradient.
	Beta1       float64 `yaml:"beta1,omitempty" json:"beta1"`
	Beta2       float64 `yaml:"beta2,omitempty" json:"beta2"`
	Epsilon     float64 `yaml:"epsilon,omitempty" json:"epsilon"`
	WeightDecay float64 `yaml:"weight_decay,omitempty" json:"weight_decay"`
	// Clip is the largest global norm of the gradient; 0 for none. EMA is the decay of the averaged weights; 0 for none.
	Clip float64 `yaml:"clip,omitempty" json:"clip"`
	EMA  float64 `yaml:"ema,omitempty" json:"ema"`

	// Recompute asks the task to drop activations in the forward pass and to compute them again in the backward pass
	// (gradient checkpointing): less memory, more time, the same result.
	Recompute bool `yaml:"gradient_checkpointing,omitempty" json:"-"`

	// Seed is that of the order of the data and of all draws.
	Seed uint64 `yaml:"seed,omitempty" json:"seed,string"`

	// EvalEvery is the steps between evaluations; 0 for one at the end alone. Select names the metric that makes one
	// the best, where lower is better; "loss". Patience is how many evaluations without a better one stop the run; 0
	// for no early stop.
	EvalEvery int    `yaml:"eval_every,omitempty" json:"eval_every"`
	Patience  int    `yaml:"patience,omitempty" json:"patience"`
	Select    string `yaml:"select,omitempty" json:"select"`

	// Steps between checkpoints, 500; between previews, 0 for none; between Stepped events, 10. They do not change the
	// result.
	CheckpointEvery int `yaml:"checkpoint_every,omitempty" json:"-"`
	PreviewEvery    int `yaml:"preview_every,omitempty" json:"-"`
	LogEvery        int `yaml:"log_every,omitempty" json:"-"`
}

// The optimisers.
const (
	AdamW = "adamw"
	SGD   = "sgd"
)

// Limits of a Config: larger numbers are mistakes.
const (
	MaxSteps = 1 << 31
	MaxBatch = 1 << 16
)

// Defaults returns the config with every default filled in and Epochs turned into Steps for a data set of
// the given number of samples. The errors, of kind Invalid, name every field that is wrong.
func (c Config) Defaults(samples int) (Config, error) {
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.Micro == 0 {
		c.Micro = largestDivisor(c.Batch, 32)
	}
	if c.Optimizer == "" {
		c.Optimizer = AdamW
	}
	setDefault(&c.LearningRate, 1e-3)
	setDefault(&c.Beta1, 0.9)
	setDefault(&c.Beta2, 0.999)
	setDefault(&c.Epsilon, 1e-8)
	if c.Select == "" {
		c.Select = "loss"
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = 500
	}
	if c.LogEvery == 0 {
		c.LogEvery = 10
	}
	if samples < 1 {
		return c, fault.E(fault.Invalid, "NO_DATA", "train.Config", "the training split has no samples")
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	if c.Steps == 0 {
		// Passes over the data times samples may not divide into batches: the last step is a whole one.
		c.Steps = int(math.Ceil(c.Epochs * float64(samples) / float64(c.Batch)))
		c.Epochs = 0
	}
	if c.Warmup > c.Steps {
		c.Warmup = c.Steps
	}
	return c, nil
}

func setDefault(x *float64, v float64) {
	if *x == 0 {
		*x = v
	}
}

// largestDivisor is the largest divisor of n that is at most limit.
func largestDivisor(n, limit int) int {
	for d := min(n, limit); d > 1; d-- {
		if n%d == 0 {
			return d
		}
	}
	return 1
}

func (c *Config) validate() error {
	var wrong []fault.Violation
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "train." + field, Description: fmt.Sprintf(format, args...)})
	}
	within := func(field string, x, lo, hi float64) {
		if !(x >= lo && x <= hi) { // written so that NaN fails
			bad(field, "%v, want %v to %v", x, lo, hi)
		}
	}
	count := func(field string, x, lo, hi int) {
		if x < lo || x > hi {
			bad(field, "%d, want %d to %d", x, lo, hi)
		}
	}
	switch {
	case c.Steps != 0 && c.Epochs != 0:
		bad("steps", "steps and epochs are both given, want one of them")
	case c.Steps == 0 && c.Epochs == 0:
		bad("steps", "neither steps nor epochs is given, want one of them")
	case c.Epochs != 0:
		within("epochs", c.Epochs, 1e-6, 1e6)
	default:
		count("steps", c.Steps, 1, MaxSteps)
	}
	count("batch", c.Batch, 1, MaxBatch)
	if c.Micro < 1 || c.Micro > c.Batch || c.Batch%c.Micro != 0 {
		bad("micro", "%d, want a divisor of the batch of %d", c.Micro, c.Batch)
	}
	switch c.Optimizer {
	case AdamW:
		if c.Momentum != 0 {
			bad("momentum", "%v, but adamw has its own; want optimizer sgd", c.Momentum)
		}
	case SGD:
		within("momentum", c.Momentum, 0, 1-1e-9)
	default:
		bad("optimizer", "%.80q, want adamw or sgd", c.Optimizer)
	}
	within("learning_rate", c.LearningRate, 0, 10)
	within("min_learning_rate", c.MinLearningRate, 0, c.LearningRate)
	count("warmup", c.Warmup, 0, MaxSteps)
	within("beta1", c.Beta1, 0, 1-1e-9)
	within("beta2", c.Beta2, 0, 1-1e-9)
	within("epsilon", c.Epsilon, 1e-30, 1)
	within("weight_decay", c.WeightDecay, 0, 10)
	within("clip", c.Clip, 0, 1e12)
	within("ema", c.EMA, 0, 1-1e-9)
	count("eval_every", c.EvalEvery, 0, MaxSteps)
	count("patience", c.Patience, 0, MaxSteps)
	if c.Patience > 0 && c.EvalEvery == 0 {
		bad("patience", "%d, but eval_every is 0: there is nothing to wait for", c.Patience)
	}
	count("checkpoint_every", c.CheckpointEvery, 1, MaxSteps)
	count("preview_every", c.PreviewEvery, 0, MaxSteps)
	count("log_every", c.LogEvery, 1, MaxSteps)
	return fault.InvalidFields("train.Config", wrong...).AsError()
}

// fingerprint identifies everything that the result depends on besides the binary.
func (c *Config) fingerprint(task Task) (string, error) {
	same := *c
	if same.Optimizer == AdamW {
		same.Optimizer = "" // as in the checkpoints from before there was a choice
	}
	text, err := json.Marshal(struct {
		Config   *Config
		Task     string
		Samples  int
		Numerics int
	}{&same, task.Fingerprint(), task.Samples(), tensor.NumericsVersion})
	if err != nil {
		return "", fault.Wrap("train.Config", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

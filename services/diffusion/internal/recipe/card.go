package recipe

import (
	"fmt"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/train"
)

// card is the text about a model for people: what it is, what it was made from, and the figures known at the end of
// training.
func (t *task) card(m *modelstore.Manifest, res *train.Result) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	c := t.cfg
	line("# %s", m.Ref())
	line("")
	if m.Description != "" {
		line("%s", m.Description)
		line("")
	}
	line("A U-Net with %d parameters (%.3f GFLOP a forward pass) for pictures of %dx%d pixels with %d %s.",
		m.Parameters, float64(c.FLOPs())/1e9, c.ImageSize, c.ImageSize, c.InChannels, plural(c.InChannels, "channel"))
	line("It predicts %s under the %s schedule of %d timesteps.", predictionWords[c.Prediction], c.Schedule, c.Steps)
	if len(m.Labels) > 0 {
		line("Its %d classes: %s. Classes were hidden from it %.3g %% of the time, so guidance works.", len(m.Labels),
			someLabels(m.Labels), 100*float64(t.drop))
	} else {
		line("It knows no classes.")
	}
	line("")
	line("| | |")
	line("|---|---|")
	line("| data | %s: %d pictures for training, %d for selection |", m.Data.Name, t.data.train.Len(),
		t.data.selection.Len())
	line("| source of the data | %s |", t.data.origin)
	line("| licence of the data | %s |", m.Data.Licence)
	line("| licence of the weights | %s |", m.Licence)
	line("| SHA-256 of the training set | `%s` |", m.Data.SHA256)
	line("| digest of the model | `%s` |", m.Digest)
	line("| seed | %d |", m.Seed)
	line("| numerics version | %d |", m.Numerics)
	line("| training | %d steps of %d pictures, %s |", res.Steps, batchOf(t.recipe), round(res.Elapsed))
	line("| loss at the end | %.5f on training pictures |", res.Loss)
	if v, ok := res.Metrics["loss"]; ok {
		line("| loss of the averaged weights | %.5f on pictures for selection |", v)
	}
	line("")
	if t.recipe.Data.Images != "" {
		line("The recipe, from which `manifold train` makes the same bytes again where it finds the same pictures:")
	} else {
		line("The recipe, from which `manifold train` makes the same bytes again:")
	}
	line("")
	line("```yaml\n%s```", m.Recipe)
	return b.String()
}

var predictionWords = map[string]string{
	"epsilon": "the noise", "x0": "the picture", "sample": "the picture", "v": "the velocity",
	"v_prediction": "the velocity",
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// someLabels lists labels, the first twenty when there are more.
func someLabels(labels []string) string {
	if len(labels) > 20 {
		return strings.Join(labels[:20], ", ") + " ..."
	}
	return strings.Join(labels, ", ")
}

// batchOf is the recipe's batch with its default filled in.
func batchOf(r *Recipe) int {
	c, err := r.Train.Defaults(1)
	if err != nil {
		return r.Train.Batch
	}
	return c.Batch
}

func round(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

package recipe

import (
	"fmt"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/train"
)

// Card is the text about a model for people: what it is, what it was made from, and the figures known at the end of
// training.
type Card struct {
	About    []string // sentences about the model, one a line
	Pictures *Pictures
	Training string   // "12000 steps of 64 pictures, 25m0s"; see Training
	Figures  []Figure // known at the end of training
}

// Figure is a row of a card's table.
type Figure struct{ Name, Text string }

// Text is the card of the model that a manifest describes, in Markdown.
func (c *Card) Text(m *modelstore.Manifest) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s", m.Ref())
	line("")
	if m.Description != "" {
		line("%s", m.Description)
		line("")
	}
	for _, s := range c.About {
		line("%s", s)
	}
	line("")
	line("| | |")
	line("|---|---|")
	p := c.Pictures
	if p != nil {
		line("| data | %s: %d pictures for training, %d for selection |", m.Data.Name, p.Train.Len(), p.Selection.Len())
		line("| source of the data | %s |", p.Origin)
	} else {
		line("| data | %s: %d samples for training |", m.Data.Name, m.Data.Samples)
	}
	line("| licence of the data | %s |", m.Data.Licence)
	line("| licence of the weights | %s |", m.Licence)
	line("| SHA-256 of the training set | `%s` |", m.Data.SHA256)
	line("| digest of the model | `%s` |", m.Digest)
	line("| seed | %d |", m.Seed)
	line("| numerics version | %d |", m.Numerics)
	if c.Training != "" {
		line("| training | %s |", c.Training)
	}
	for _, f := range c.Figures {
		line("| %s | %s |", f.Name, f.Text)
	}
	line("")
	if p != nil && p.Own {
		line("The recipe, from which `manifold train` makes the same bytes again where it finds the same pictures:")
	} else {
		line("The recipe, from which `manifold train` makes the same bytes again:")
	}
	line("")
	line("```yaml\n%s```", m.Recipe)
	return b.String()
}

// Training says in words how long a run was; unit is "pictures" or whatever the samples are.
func Training(res *train.Result, c train.Config, unit string) string {
	if filled, err := c.Defaults(1); err == nil {
		c = filled
	}
	return fmt.Sprintf("%d steps of %d %s, %s", res.Steps, c.Batch, unit, Elapsed(res.Elapsed))
}

// Elapsed is a duration as cards show it.
func Elapsed(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Plural is the word with an s unless n is 1.
func Plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// SomeLabels lists labels, the first twenty when there are more.
func SomeLabels(labels []string) string {
	if len(labels) > 20 {
		return strings.Join(labels[:20], ", ") + " ..."
	}
	return strings.Join(labels, ", ")
}

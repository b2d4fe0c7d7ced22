package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

type benchAccuracyCmd struct {
	Filter string `arg:"" optional:"" help:"Only networks whose name contains this."`
	outFlag
}

// Run compares every narrow form of the networks of random weights with float32.
func (c benchAccuracyCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.ready(); err != nil {
		return err
	}
	var results []bench.Accuracy
	for _, n := range bench.AccuracyNames() {
		if !strings.Contains(n, c.Filter) {
			continue
		}
		a, err := unless(ctx, func() bench.Accuracy {
			a, _ := bench.MeasureAccuracy(n)
			return a
		})
		if err != nil {
			return err
		}
		results = append(results, a)
		if !g.JSON {
			fmt.Fprintf(g.out, "%-30s cosine %.6f (least %.6f)  relative error %.2e  of %s\n",
				a.Name, a.Cosine, a.Least, a.Error, a.Of)
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no network is named like %q; there are %s", c.Filter,
			strings.Join(bench.AccuracyNames(), ", "))
	}
	return c.finish(g, results)
}

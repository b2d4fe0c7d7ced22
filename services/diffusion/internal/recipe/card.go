package recipe

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

// card is the text about a model for people.
func (t *task) card(m *modelstore.Manifest, res *train.Result) string {
	c := t.cfg
	about := []string{
		fmt.Sprintf("A U-Net with %d parameters (%.3f GFLOP a forward pass) for pictures of %dx%d pixels with %d %s.",
			m.Parameters, float64(c.FLOPs())/1e9, c.ImageSize, c.ImageSize, c.InChannels,
			recipe.Plural(c.InChannels, "channel")),
		fmt.Sprintf("It predicts %s under the %s schedule of %d timesteps.", predictionWords[c.Prediction], c.Schedule,
			c.Steps),
		"It knows no classes.",
	}
	if len(m.Labels) > 0 {
		about[2] = fmt.Sprintf("Its %d classes: %s. Classes were hidden from it %.3g %% of the time, so guidance works.",
			len(m.Labels), recipe.SomeLabels(m.Labels), 100*float64(t.drop))
	}
	figures := []recipe.Figure{{Name: "loss at the end", Text: fmt.Sprintf("%.5f on training pictures", res.Loss)}}
	if v, ok := res.Metrics["loss"]; ok {
		figures = append(figures, recipe.Figure{Name: "loss of the averaged weights",
			Text: fmt.Sprintf("%.5f on pictures for selection", v)})
	}
	card := recipe.Card{About: about, Pictures: t.data, Training: recipe.Training(res, t.recipe.Train, "pictures"),
		Figures: figures}
	return card.Text(m)
}

var predictionWords = map[string]string{
	"epsilon": "the noise", "x0": "the picture", "sample": "the picture", "v": "the velocity",
	"v_prediction": "the velocity",
}

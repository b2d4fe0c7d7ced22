package wire

import (
	"image"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/train"
)

// maxETA is the longest estimate that is passed on: a week says as much as a year.
const maxETA = 7 * 24 * time.Hour

// TrainingEvent describes a report of a run, without sequence and state, which belong to the job. The metrics of an
// evaluation stand also among the losses, under "select/" and their name, as they did before they had a place of their
// own. Of a report's numbers those that are not finite are 0, since JSON has none.
func TrainingEvent(e train.Event) (*trainingv1.TrainingEvent, error) {
	m := &trainingv1.TrainingEvent{
		Step:             int64(e.Step),
		Epoch:            number(e.Epoch),
		LearningRate:     number(e.LearningRate),
		SamplesPerSecond: number(e.PerSecond),
		Checkpoint:       e.Checkpoint,
		Stage:            e.Stage,
		StageIndex:       int32(e.StageIndex),
		Stages:           int32(e.Stages),
		Metrics:          maps.Clone(e.Metrics),
		Alarms:           e.Alarms,
	}
	for _, name := range slices.Sorted(maps.Keys(e.Series)) {
		values := make([]float64, len(e.Series[name]))
		for i, v := range e.Series[name] {
			values[i] = number(v)
		}
		m.Series = append(m.Series, &trainingv1.Series{Name: name, Values: values})
	}
	if e.ETA > 0 {
		m.Eta = durationpb.New(min(e.ETA, maxETA))
	}
	if len(e.Losses)+len(e.Metrics) > 0 {
		m.Losses = make(map[string]float64, len(e.Losses)+len(e.Metrics))
	}
	for name, v := range e.Losses {
		m.Losses[name] = v
	}
	for name, v := range e.Metrics {
		m.Losses["select/"+name] = v
	}
	for _, p := range e.Previews {
		img, err := stdImage(p.Image)
		if err != nil {
			return nil, fault.Wrap("wire.TrainingEvent", err)
		}
		m.Previews = append(m.Previews, img)
	}
	return m, nil
}

// number keeps infinities out of messages: JSON has none.
func number(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// stdImage encodes an image as PNG.
func stdImage(m image.Image) (*tensorv1.Image, error) {
	return Image(picture.FromImage(m), tensorv1.ImageEncoding_IMAGE_ENCODING_PNG)
}

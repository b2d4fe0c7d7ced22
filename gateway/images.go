package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// defaultSteps is what the service takes when a request names no number of steps.
const defaultSteps int32 = 50

// imagesRequest is POST /v1/images/generations: OpenAI's fields, then ours.
type imagesRequest struct {
	Prompt            *string   `json:"prompt"`
	Model             string    `json:"model"`
	N                 *int32    `json:"n"`
	Size              string    `json:"size"`
	ResponseFormat    string    `json:"response_format"`
	OutputFormat      string    `json:"output_format"`
	OutputCompression *int      `json:"output_compression"`
	Stream            bool      `json:"stream"`
	PartialImages     int32     `json:"partial_images"`
	User              string    `json:"user"`       // accepted with a warning: nothing here depends on it
	Quality           string    `json:"quality"`    // accepted with a warning: the number of steps decides
	Style             string    `json:"style"`      // accepted with a warning
	Background        string    `json:"background"` // accepted with a warning
	Moderation        string    `json:"moderation"` // accepted with a warning
	Seed              *flexible `json:"seed"`
	NegativePrompt    string    `json:"negative_prompt"`
	NumInferenceSteps *int32    `json:"num_inference_steps"`
	GuidanceScale     *float64  `json:"guidance_scale"`
	Sampler           string    `json:"sampler"`
	Eta               *float64  `json:"eta"`
}

func (q *imagesRequest) modelName() string { return q.Model }

func (q *imagesRequest) warnings() []string {
	var l []string
	for _, f := range []struct{ name, value string }{
		{"user", q.User}, {"quality", q.Quality}, {"style", q.Style},
		{"background", q.Background}, {"moderation", q.Moderation},
	} {
		if f.value != "" {
			l = append(l, f.name)
		}
	}
	return l
}

// request checks the fields against the model and turns them into our own message.
func (q *imagesRequest) request(m *modelv1.Model) (*diffusionv1.GenerateRequest, error) {
	const op = "gateway.Images"
	var bad []fault.Violation
	wrong := func(field, format string, args ...any) {
		bad = append(bad, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if err := wrongFamily(m, "diffusion", "draws"); err != nil {
		return nil, err
	}
	if size := modelSize(m); q.Size != "" && q.Size != "auto" && q.Size != size {
		wrong("size", "%q: this model makes %s", shorten(q.Size), size)
	}
	switch q.ResponseFormat {
	case "", "b64_json":
	default:
		wrong("response_format", "%q: only b64_json is offered; nothing is stored behind a URL", shorten(q.ResponseFormat))
	}
	if q.OutputFormat != "" && q.OutputFormat != "png" {
		wrong("output_format", "%q: only png is offered", shorten(q.OutputFormat))
	}
	if q.OutputCompression != nil && *q.OutputCompression != 100 {
		wrong("output_compression", "%d: PNG is lossless; leave it out or send 100", *q.OutputCompression)
	}
	if q.NegativePrompt != "" {
		wrong("negative_prompt", "class-conditional models have none; leave it out")
	}
	if q.PartialImages < 0 || q.PartialImages > 1000 {
		wrong("partial_images", "%d: want 0 to 1000", q.PartialImages)
	}
	if q.PartialImages > 0 && !q.Stream {
		wrong("partial_images", "needs stream: true")
	}
	if q.Prompt == nil {
		wrong("prompt", "is required; labels of this model: %s", strings.Join(m.GetLabels(), ", "))
	}
	if err := fault.InvalidFields(op, bad...); err != nil {
		return nil, err
	}
	req := &diffusionv1.GenerateRequest{
		Model: m.GetName() + "@" + m.GetVersion(), N: q.N, Steps: q.NumInferenceSteps, GuidanceScale: q.GuidanceScale,
		Sampler: q.Sampler, Eta: q.Eta, Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_PNG,
		PreviewContent: diffusionv1.PreviewContent_PREVIEW_CONTENT_SAMPLE,
	}
	if strings.TrimSpace(*q.Prompt) != "" {
		label, err := matchLabel(*q.Prompt, m.GetLabels())
		if err != nil {
			return nil, err
		}
		req.Label = label
	}
	if q.Seed != nil {
		seed := uint64(*q.Seed)
		req.Seed = &seed
	}
	if q.PartialImages > 0 {
		steps := defaultSteps
		if q.NumInferenceSteps != nil {
			steps = *q.NumInferenceSteps
		}
		req.PreviewEvery = max(1, steps/(q.PartialImages+1))
	}
	return req, nil
}

// modelSize is "28x28" for a model whose output is 28 x 28.
func modelSize(m *modelv1.Model) string {
	for _, o := range m.GetOutputs() {
		if s := o.GetShape(); len(s) == 4 {
			return strconv.FormatInt(s[2], 10) + "x" + strconv.FormatInt(s[1], 10)
		}
	}
	return "auto"
}

func (g *Gateway) openAIImages(w http.ResponseWriter, r *http.Request) {
	q := &imagesRequest{}
	m, err := g.readOpenAI(w, r, q)
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	req, err := q.request(m)
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	if q.Stream {
		g.streamImages(w, r, q, m, req)
		return
	}
	var done *diffusionv1.Completed
	err = g.images.run(r.Context(), req, "", func(ev *diffusionv1.GenerateResponse) error {
		if c := ev.GetCompleted(); c != nil {
			done = c
		}
		return nil
	})
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	type datum struct {
		B64JSON string `json:"b64_json"`
	}
	res := struct {
		Created           int64   `json:"created"`
		Data              []datum `json:"data"`
		Size              string  `json:"size"`
		OutputFormat      string  `json:"output_format"`
		Seed              string  `json:"seed"`
		SystemFingerprint string  `json:"system_fingerprint"`
	}{
		Created: time.Now().Unix(), Size: modelSize(m), OutputFormat: "png",
		Seed: strconv.FormatUint(done.GetSeed(), 10), SystemFingerprint: fingerprint(done),
	}
	for _, im := range done.GetImages() {
		res.Data = append(res.Data, datum{base64.StdEncoding.EncodeToString(im.GetData())})
	}
	writeJSON(w, http.StatusOK, res)
}

// imageEvent is one server-sent event: OpenAI's fields, then image_index, step and seed of ours.
type imageEvent struct {
	Type              string `json:"type"`
	B64JSON           string `json:"b64_json"`
	CreatedAt         int64  `json:"created_at"`
	Size              string `json:"size"`
	Quality           string `json:"quality"`
	Background        string `json:"background"`
	OutputFormat      string `json:"output_format"`
	PartialImageIndex *int32 `json:"partial_image_index,omitempty"`
	Usage             *usage `json:"usage,omitempty"`
	ImageIndex        int    `json:"image_index"`
	Step              int32  `json:"step"`
	Seed              string `json:"seed"`
	SystemFingerprint string `json:"system_fingerprint,omitempty"`
}

// usage counts nothing for these models, but OpenAI's clients expect it.
type usage struct {
	TotalTokens  int `json:"total_tokens"`
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	Details      struct {
		ImageTokens int `json:"image_tokens"`
		TextTokens  int `json:"text_tokens"`
	} `json:"input_tokens_details"`
}

// streamImages sends pictures as server-sent events while they are being denoised.
func (g *Gateway) streamImages(
	w http.ResponseWriter, r *http.Request, q *imagesRequest, m *modelv1.Model, req *diffusionv1.GenerateRequest,
) {
	s := &sse{w: w, c: http.NewResponseController(w)}
	stop := s.keepAlive(r.Context(), 15*time.Second)
	defer stop()
	base := imageEvent{
		CreatedAt: time.Now().Unix(), Size: modelSize(m), Quality: "auto", Background: "opaque", OutputFormat: "png",
	}
	every, steps := req.GetPreviewEvery(), defaultSteps
	if req.Steps != nil {
		steps = req.GetSteps()
	}
	err := g.images.run(r.Context(), req, r.Header.Get("Last-Event-Id"), func(ev *diffusionv1.GenerateResponse) error {
		id, err := parseEventID(g.fleetKey, ev.GetEventId())
		if err != nil {
			return err
		}
		base.Seed = strconv.FormatUint(id.seed, 10)
		switch {
		case ev.GetStarted() != nil:
			return s.start()
		case ev.GetPreview() != nil:
			e, p := base, ev.GetPreview()
			index := p.GetStep()/every - 1
			if index >= q.PartialImages {
				return nil
			}
			e.Type, e.PartialImageIndex, e.Step = "image_generation.partial_image", &index, p.GetStep()
			return s.pictures(ev.GetEventId(), e, p.GetImages())
		case ev.GetCompleted() != nil:
			e, c := base, ev.GetCompleted()
			e.Type, e.Usage, e.Step, e.SystemFingerprint = "image_generation.completed", &usage{}, steps, fingerprint(c)
			return s.pictures(ev.GetEventId(), e, c.GetImages())
		}
		return nil
	})
	if err != nil {
		s.fail(err)
	}
}

// pictures sends one event per picture; only the last one carries the id, so that taking the stream up again never
// splits a group.
func (s *sse) pictures(id string, e imageEvent, l []*tensorv1.Image) error {
	for i, im := range l {
		e.ImageIndex = i
		e.B64JSON = base64.StdEncoding.EncodeToString(im.GetData())
		eventID := ""
		if i == len(l)-1 {
			eventID = id
		}
		if err := s.event(e.Type, eventID, e); err != nil {
			return err
		}
	}
	return nil
}

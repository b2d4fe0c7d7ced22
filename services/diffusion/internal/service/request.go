package service

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Limits and defaults of requests, as the protobuf comments state them.
const (
	maxSteps       = 1000
	defaultSteps   = 50
	defaultSampler = "ddim"
	maxGuidance    = 50
)

// generation is a Generate request with all defaults filled in.
type generation struct {
	model    string // as asked for
	labels   []string
	steps    int
	sampler  string
	eta      float64
	guidance float64
	seed     uint64
	drawn    bool // the seed was not given
	previews int
	content  diffusionv1.PreviewContent
	encoding tensorv1.ImageEncoding
	states   bool
	resume   *diffusionv1.ResumeState
}

// parse checks what can be checked without the model and fills in defaults.
func parse(op string, req *diffusionv1.GenerateRequest) (*generation, error) {
	g := &generation{
		model: req.GetModel(), steps: defaultSteps, sampler: defaultSampler, eta: req.GetEta(), guidance: 1,
		previews: int(req.GetPreviewEvery()), content: diffusionv1.PreviewContent_PREVIEW_CONTENT_SAMPLE,
		states: req.GetResumeStates(), resume: req.GetResume(),
	}
	var bad wire.Violations
	n := 1
	if req.N != nil {
		n = int(req.GetN())
	}
	if n < 1 || n > engine.MaxPictures {
		bad.Addf("n", "%d, want 1 to %d", n, engine.MaxPictures)
		n = 1
	}
	g.parseLabels(&bad, req, n)
	if req.Steps != nil {
		g.steps = int(req.GetSteps())
	}
	if g.steps < 1 || g.steps > maxSteps {
		bad.Addf("steps", "%d, want 1 to %d", g.steps, maxSteps)
	}
	if req.GetSampler() != "" {
		g.sampler = req.GetSampler()
	}
	if !slices.Contains(sampler.Names(), g.sampler) {
		bad.Addf("sampler", "%.40q, want one of %s", g.sampler, strings.Join(sampler.Names(), ", "))
	} else if req.Eta != nil && g.sampler != "ddim" {
		bad.Addf("eta", "%g, but %s has no such parameter; only ddim has", g.eta, g.sampler)
	}
	if !(g.eta >= 0 && g.eta <= 1) {
		bad.Addf("eta", "%g, want 0 to 1", g.eta)
	}
	g.parseGuidance(&bad, req)
	g.parseSeed(&bad, req.Seed)
	if req.GetPreviewEvery() < 0 {
		bad.Addf("preview_every", "%d, want at least 0", req.GetPreviewEvery())
	}
	switch c := req.GetPreviewContent(); c {
	case diffusionv1.PreviewContent_PREVIEW_CONTENT_UNSPECIFIED:
	case diffusionv1.PreviewContent_PREVIEW_CONTENT_SAMPLE, diffusionv1.PreviewContent_PREVIEW_CONTENT_ESTIMATE:
		g.content = c
	default:
		bad.Addf("preview_content", "%v, want SAMPLE or ESTIMATE", c)
	}
	g.encoding = bad.Encoding(req.GetEncoding())
	bad.RequestID(req.GetRequestId())
	return g, bad.Err(op)
}

func (g *generation) parseLabels(bad *wire.Violations, req *diffusionv1.GenerateRequest, n int) {
	switch all := req.GetLabels(); {
	case len(all) == 0:
		g.labels = slices.Repeat([]string{req.GetLabel()}, n)
	case req.GetLabel() != "":
		bad.Addf("label", "%.40q, want it empty when labels is set", req.GetLabel())
	case len(all) != n:
		bad.Addf("labels", "%d labels for n = %d pictures, want one for each", len(all), n)
	default:
		g.labels = all
	}
	bad.Labels(g.labels)
}

func (g *generation) parseGuidance(bad *wire.Violations, req *diffusionv1.GenerateRequest) {
	if req.GuidanceScale == nil {
		return
	}
	g.guidance = req.GetGuidanceScale()
	if !(g.guidance >= 0 && g.guidance <= maxGuidance) {
		bad.Addf("guidance_scale", "%g, want 0 to %d", g.guidance, maxGuidance)
		return
	}
	if g.guidance != 1 && slices.Contains(g.labels, "") {
		bad.Addf("guidance_scale", "%g, but guidance needs a label for every picture", g.guidance)
	}
}

func (g *generation) parseSeed(bad *wire.Violations, seed *uint64) {
	switch {
	case seed != nil:
		g.seed = bad.Seed(seed)
	case g.resume != nil:
		g.seed = g.resume.GetSeed() // the digest of the request says whether it is the right one
		if g.seed > rng.MaxSeed {
			bad.Addf("resume.seed", "%d, want 0 to %d (2^53-1)", g.seed, uint64(rng.MaxSeed))
		}
	default:
		g.seed, g.drawn = wire.DrawSeed(), true
	}
}

// request makes the engine's request for a model: labels become classes, steps are laid out, a state is taken up.
func (g *generation) request(op string, m *engine.Loaded) (engine.Request, error) {
	r := engine.Request{
		Seed: g.seed, Guidance: g.guidance, PreviewEvery: g.previews, States: g.states,
		PreviewEstimate: g.content == diffusionv1.PreviewContent_PREVIEW_CONTENT_ESTIMATE,
	}
	var bad wire.Violations
	r.Classes = bad.Classes(g.labels, m.Entry.Manifest.Labels, m.Entry.Ref())
	if T := m.Model.Schedule.T(); g.steps > T {
		bad.Addf("steps", "%d, model %s has %d training timesteps", g.steps, m.Entry.Ref(), T)
	}
	if err := bad.Err(op); err != nil {
		return r, err
	}
	var err error
	r.Sampler, err = sampler.New(g.sampler, m.Model.Schedule, sampler.Config{Steps: g.steps, Eta: g.eta})
	if err != nil {
		return r, fault.InvalidField(op, "steps", "%s", strings.TrimPrefix(err.Error(), "sampler: "))
	}
	if g.resume != nil {
		r.Resume, err = g.unpackResume(op, m)
	}
	return r, err
}

// digest is a SHA-256 over everything that decides the events of the request on a model, seed and defaults filled in.
// It is this service's own: others carry it and do not compute it.
func (g *generation) digest(ref string) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "manifold.diffusion.v1.GenerateRequest 1\nmodel %q\nseed %d\nsteps %d\nsampler %q\n", ref, g.seed,
		g.steps, g.sampler)
	fmt.Fprintf(h, "eta %x\nguidance %x\n", math.Float64bits(g.eta), math.Float64bits(g.guidance))
	fmt.Fprintf(h, "previews %d %d\nencoding %d\nlabels %q\n", g.previews, g.content, g.encoding, g.labels)
	return h.Sum(nil)
}

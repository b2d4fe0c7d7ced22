package service

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
	"github.com/manifold-gen/manifold/shared/wire/models"
)

// Family is the name of this family in manifests and metrics.
const Family = "tabular"

// Service implements tabular.v1.TabularService.
type Service struct {
	tabularv1.UnimplementedTabularServiceServer
	models *models.Service[*engine.Loaded]
	pool   *engine.Pool
	cfg    Config
}

// Config is what the service needs besides its models.
type Config struct {
	Store *modelstore.Store
	Files jobs.Files // finds registered tables and uploads
}

// New makes the service over loaded and loadable models.
func New(models *models.Service[*engine.Loaded], pool *engine.Pool, cfg Config) *Service {
	return &Service{models: models, pool: pool, cfg: cfg}
}

// call is a request on a model that is held.
type call struct {
	op   string
	m    *engine.Loaded
	ref  string
	seed uint64
	free func()
}

// begin holds a model for a call, unless the server drains. The caller must call free.
func (s *Service) begin(ctx context.Context, op, ref string) (*call, error) {
	h, err := s.models.Acquire(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	e := h.Entry()
	return &call{op: op, m: h.Model(), ref: e.Ref(), free: h.Release}, nil
}

func (c *call) schema() *table.Schema { return c.m.Model.Schema() }

// unsupported is the error for what the model cannot do.
func (c *call) unsupported(what string) error {
	return fault.E(fault.Precondition, "NOT_SUPPORTED", c.op, "model %s is a %s and cannot %s; it answers %s", c.ref,
		c.m.Entry.Manifest.Architecture, what, strings.Join(calls(c.m.Model), ", "))
}

// answered is what an answer says about how it was made.
func (c *call) answered(t engine.Timing) *tabularv1.Answered {
	a := timed(t)
	a.Model, a.ModelDigest, a.Seed = c.ref, c.m.Entry.Manifest.Digest, c.seed
	return a
}

func timed(t engine.Timing) *tabularv1.Answered {
	return &tabularv1.Answered{NumericsVersion: tensor.NumericsVersion, Queue: durationpb.New(t.Queue),
		Compute: durationpb.New(t.Compute), Total: durationpb.New(t.Total)}
}

// calls are those that a model answers, by name.
func calls(m model.Model) []string {
	all := []string{"Describe", "Profile"}
	add := func(ok bool, names ...string) {
		if ok {
			all = append(all, names...)
		}
	}
	_, queries := m.(model.Querier)
	_, explains := m.(model.Explainer)
	_, samples := m.(model.Sampler)
	_, structured := m.(model.Structured)
	_, scores := m.(model.Scorer)
	add(queries, "Query")
	add(explains, "Explain")
	add(samples, "Sample", "Report")
	add(structured, "Structure")
	add(scores, "Score")
	return all
}

// Describe adds to the description of a stored model what kind of score its architecture gives.
func Describe(e modelstore.Entry, m *modelv1.Model) {
	if slices.Contains([]string{"kmeans", "logistic"}, e.Manifest.Architecture) {
		return
	}
	m.ScoreKind = modelv1.ScoreKind_SCORE_KIND_EXACT
}

// Describe says what a model can do.
func (s *Service) Describe(ctx context.Context, req *tabularv1.DescribeRequest) (*tabularv1.DescribeResponse, error) {
	const op = "tabular.Describe"
	if err := checkID(op, req.GetRequestId()); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m := c.m.Model
	_, causal := m.(model.Intervener)
	r := &tabularv1.DescribeResponse{
		Interventions: causal, Methods: methodsOf(m),
		Answered: c.answered(engine.Timing{}), Architecture: c.m.Entry.Manifest.Architecture, Calls: calls(m),
		Fields: fields(c.schema()), Rows: c.m.Profile.Rows, ScoreKind: modelv1.ScoreKind_SCORE_KIND_NONE,
	}
	if name := c.m.Entry.Manifest.Data.Name; slices.Contains(s.cfg.Files.Known(), name) {
		r.DataSet = name
	}
	if _, ok := m.(model.Scorer); ok {
		r.ScoreKind = modelv1.ScoreKind_SCORE_KIND_EXACT
	}
	if e, ok := m.(model.Explainer); ok {
		r.Target = c.schema().Fields[e.Target()].Name
	}
	return r, nil
}

var kinds = map[table.Kind]tabularv1.Kind{
	table.Categorical: tabularv1.Kind_KIND_CATEGORICAL, table.Numeric: tabularv1.Kind_KIND_NUMERIC,
}

func fields(s *table.Schema) []*tabularv1.Field {
	all := make([]*tabularv1.Field, len(s.Fields))
	for i := range s.Fields {
		all[i] = fieldOf(&s.Fields[i])
	}
	return all
}

func fieldOf(f *table.Field) *tabularv1.Field {
	return &tabularv1.Field{Name: f.Name, Kind: kinds[f.Kind], Levels: f.Levels, Integer: f.Integer, Minimum: f.Min,
		Maximum: f.Max}
}

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

// openAIModelObject is one entry of GET /v1/models.
type openAIModelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (g *Gateway) openAIModels(w http.ResponseWriter, r *http.Request) {
	list := struct {
		Object string              `json:"object"`
		Data   []openAIModelObject `json:"data"`
	}{Object: "list", Data: []openAIModelObject{}}
	var silent []string
	var down error
	for _, b := range g.backends {
		models, err := listAll(r.Context(), b)
		if err != nil {
			silent, down = append(silent, b.family), err
			continue
		}
		for _, m := range models {
			list.Data = append(list.Data, modelObject(m))
		}
	}
	if len(silent) == len(g.backends) {
		writeOpenAIError(w, down)
		return
	}
	warnSilent(w.Header(), silent)
	writeJSON(w, http.StatusOK, list)
}

func (g *Gateway) openAIModel(w http.ResponseWriter, r *http.Request) {
	m, err := g.model(r, r.PathValue("model"))
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, modelObject(m))
}

func modelObject(m *modelv1.Model) openAIModelObject {
	return openAIModelObject{ID: m.GetName(), Object: "model", OwnedBy: "manifold/" + m.GetFamily()}
}

// model asks the families for a model by name.
func (g *Gateway) model(r *http.Request, name string) (*modelv1.Model, error) {
	return first(g.backends, func(b *backend) (*modelv1.Model, error) {
		res, err := b.models.GetModel(r.Context(), &modelv1.GetModelRequest{Model: name})
		return res.GetModel(), err
	})
}

func unknownRoute(r *http.Request) error {
	return fault.E(fault.NotFound, "UNKNOWN_ROUTE", "gateway.Route",
		"%s %s is not offered here; /v1/models, /v1/images/generations and /v1/completions are", r.Method, r.URL.Path)
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}

// openAIErrorBody is the shape of errors that OpenAI's clients understand.
type openAIErrorBody struct {
	Error openAIErrorObject `json:"error"`
}

type openAIErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// details finds the reason, fields and retry hint of an error that may have come over the wire.
func details(err error) *fault.Error {
	var f *fault.Error
	if errors.As(serve.FromStatus("gateway", public(err).Err()), &f) {
		return f
	}
	return fault.E(fault.Internal, "INTERNAL", "gateway", "%w", err)
}

// openAIError maps an error to a status and a body.
func openAIError(err error) (int, openAIErrorBody) {
	s := public(err)
	f := details(err)
	o := openAIErrorObject{Message: s.Message(), Code: strings.ToLower(f.Reason)}
	if len(f.Fields) > 0 {
		o.Param = &f.Fields[0].Field
	}
	status := http.StatusInternalServerError
	switch s.Code() {
	case codes.InvalidArgument, codes.OutOfRange:
		status, o.Type = http.StatusBadRequest, "invalid_request_error"
	case codes.NotFound:
		status, o.Type = http.StatusNotFound, "invalid_request_error"
	case codes.FailedPrecondition:
		status, o.Type = http.StatusConflict, "invalid_request_error"
	case codes.Unauthenticated:
		status, o.Type = http.StatusUnauthorized, "authentication_error"
	case codes.PermissionDenied:
		status, o.Type = http.StatusForbidden, "permission_error"
	case codes.ResourceExhausted:
		status, o.Type = http.StatusTooManyRequests, "rate_limit_error"
	case codes.Unavailable:
		status, o.Type = http.StatusServiceUnavailable, "server_error"
	case codes.DeadlineExceeded:
		status, o.Type = http.StatusGatewayTimeout, "server_error"
	case codes.Canceled:
		status, o.Type = 499, "server_error"
	default:
		o.Type = "server_error"
	}
	return status, openAIErrorBody{Error: o}
}

func writeOpenAIError(w http.ResponseWriter, err error) {
	status, body := openAIError(err)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		after := max(1, int(details(err).RetryAfter/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	writeJSON(w, status, body)
}

// refuse answers a request that may be of any protocol.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if ew := connect.NewErrorWriter(); !strings.HasPrefix(r.URL.Path, "/v1/") && ew.IsSupported(r) {
		_ = ew.Write(w, r, rpcError(err))
		return
	}
	writeOpenAIError(w, err)
}

// decodeOpenAI reads a JSON body strictly: a field that is not named in v is an error, because nothing is accepted
// and ignored in silence.
func decodeOpenAI(w http.ResponseWriter, r *http.Request, v any) error {
	const op = "gateway.Decode"
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
		return fault.InvalidField(op, "Content-Type", "%q: send application/json", r.Header.Get("Content-Type"))
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return fault.InvalidField(op, "body", "over %d bytes", large.Limit)
		}
		return fault.InvalidField(op, "body", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		return fault.InvalidField(op, "body", "more than one JSON value")
	}
	return nil
}

// openAIRequest is what requests about a model have in common.
type openAIRequest interface {
	modelName() string
	warnings() []string // names the fields that were given and change nothing
}

// readOpenAI reads a request, finds its model, and warns of what changes nothing.
func (g *Gateway) readOpenAI(w http.ResponseWriter, r *http.Request, q openAIRequest) (*modelv1.Model, error) {
	if err := decodeOpenAI(w, r, q); err != nil {
		return nil, err
	}
	if q.modelName() == "" {
		return nil, fault.InvalidField("gateway.Decode", "model", "is required; GET /v1/models lists them")
	}
	m, err := g.model(r, q.modelName())
	if err != nil {
		return nil, err
	}
	if l := q.warnings(); len(l) > 0 {
		w.Header().Set("Manifold-Warning", "without effect here: "+strings.Join(l, ", "))
	}
	return m, nil
}

// wrongFamily refuses a model that a route has no use for.
func wrongFamily(m *modelv1.Model, want, does string) error {
	if m.GetFamily() == want {
		return nil
	}
	return fault.InvalidField("gateway.Model", "model",
		"%q is a model of the family %s (%s): this route %s with those of the family %s; others answer the calls of their "+
			"own service", m.GetName(), m.GetFamily(), m.GetArchitecture(), does, want)
}

// fingerprint tells clients of what equal bytes depend on beside their request.
func fingerprint(m interface {
	GetModelDigest() string
	GetNumericsVersion() uint32
},
) string {
	return fmt.Sprintf("%.16s-n%d", m.GetModelDigest(), m.GetNumericsVersion())
}

// matchLabel finds the one label that a prompt names: the whole prompt, or a word of it.
func matchLabel(prompt string, labels []string) (string, error) {
	prompt = strings.TrimSpace(prompt)
	if len(labels) == 0 {
		return "", nil
	}
	var found []string
	words := strings.FieldsFunc(strings.ToLower(prompt), func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_-", r) && r < 0x80
	})
	for _, l := range labels {
		if strings.EqualFold(l, prompt) {
			return l, nil
		}
		if slices.Contains(words, strings.ToLower(l)) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fault.InvalidField("gateway.Images", "prompt",
			"%q names none of this model's labels: %s", shorten(prompt), strings.Join(labels, ", "))
	default:
		return "", fault.InvalidField("gateway.Images", "prompt",
			"%q names several labels (%s); name one", shorten(prompt), strings.Join(found, ", "))
	}
}

// shorten keeps quoted input readable.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}

// flexible is a seed in JSON: a number or, for clients that lose large integers, a string.
type flexible uint64

// UnmarshalJSON reads 7 and "7".
func (f *flexible) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 64)
	if err != nil || n > maxSeed {
		return fmt.Errorf("seed %s: want an integer from 0 to %d", b, uint64(maxSeed))
	}
	*f = flexible(n)
	return nil
}

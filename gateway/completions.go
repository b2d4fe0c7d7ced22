package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Bounds of a request for text; the service has more.
const (
	defaultTokens    = 16 // as OpenAI has it
	maxTokens        = 65536
	maxPrompts       = 128
	maxContinuations = 16
	maxAlternatives  = 20
	maxAnswer        = 1 << 20 // tokens and alternatives in an answer that is held until it is whole
)

// completionsRequest is POST /v1/completions: OpenAI's fields, then ours.
type completionsRequest struct {
	Model             string             `json:"model"`
	Prompt            json.RawMessage    `json:"prompt"` // a text or a list of texts
	BestOf            *int32             `json:"best_of"`
	Echo              bool               `json:"echo"`
	FrequencyPenalty  float64            `json:"frequency_penalty"`
	LogitBias         map[string]float64 `json:"logit_bias"`
	Logprobs          *int32             `json:"logprobs"`
	MaxTokens         *int32             `json:"max_tokens"`
	N                 *int32             `json:"n"`
	PresencePenalty   float64            `json:"presence_penalty"`
	Seed              *flexible          `json:"seed"`
	Stop              json.RawMessage    `json:"stop"` // a text or a list of texts
	Stream            bool               `json:"stream"`
	StreamOptions     *streamOptions     `json:"stream_options"`
	Suffix            string             `json:"suffix"`
	Temperature       *float64           `json:"temperature"`
	TopP              *float64           `json:"top_p"`
	User              string             `json:"user"` // accepted with a warning: nothing here depends on it
	TopK              int32              `json:"top_k"`
	MinP              *float64           `json:"min_p"`
	RepetitionPenalty *float64           `json:"repetition_penalty"`
}

type streamOptions struct {
	IncludeUsage       bool `json:"include_usage"`
	IncludeObfuscation bool `json:"include_obfuscation"` // accepted with a warning
}

func (q *completionsRequest) modelName() string { return q.Model }

func (q *completionsRequest) warnings() []string {
	var l []string
	if q.User != "" {
		l = append(l, "user")
	}
	if q.StreamOptions != nil && q.StreamOptions.IncludeObfuscation {
		l = append(l, "stream_options.include_obfuscation")
	}
	return l
}

// wantsUsage tells whether a stream ends with the number of tokens.
func (q *completionsRequest) wantsUsage() bool {
	return q.StreamOptions != nil && q.StreamOptions.IncludeUsage
}

// n is the number of continuations of a prompt.
func (q *completionsRequest) n() int {
	if q.N == nil {
		return 1
	}
	return int(*q.N)
}

// texts reads a text or a list of texts; nil for neither.
func texts(b json.RawMessage) (l []string, ok bool) {
	if len(b) == 0 || bytes.Equal(b, []byte("null")) {
		return nil, true
	}
	var one string
	if json.Unmarshal(b, &one) == nil {
		return []string{one}, true
	}
	err := json.Unmarshal(b, &l)
	return l, err == nil
}

// requests checks the fields and turns them into our own messages, one for each prompt. One without max_tokens asks for
// no token.
func (q *completionsRequest) requests(m *modelv1.Model) ([]*lmv1.GenerateRequest, error) {
	if err := wrongFamily(m, "lm", "writes"); err != nil {
		return nil, err
	}
	var bad []fault.Violation
	wrong := func(field, format string, args ...any) {
		bad = append(bad, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	prompts, ok := texts(q.Prompt)
	switch {
	case !ok || len(prompts) > maxPrompts || prompts != nil && len(prompts) == 0:
		wrong("prompt", "want a text, or a list of 1 to %d texts; numbers of tokens are not taken", maxPrompts)
	case prompts == nil:
		prompts = []string{""} // as OpenAI has it: the beginning of a text
	}
	stop, ok := texts(q.Stop)
	if !ok {
		wrong("stop", "want a text, or a list of up to 16 texts")
	}
	most := int32(defaultTokens)
	if q.MaxTokens != nil {
		most = *q.MaxTokens
	}
	if most < 0 || most > maxTokens || most == 0 && !q.Echo {
		wrong("max_tokens", "%d: want 1 to %d, or 0 with echo", most, maxTokens)
	}
	if q.n() < 1 || q.n() > maxContinuations {
		wrong("n", "%d: want 1 to %d", q.n(), maxContinuations)
	}
	top := int32(0)
	if q.Logprobs != nil {
		top = *q.Logprobs
	}
	if top < 0 || top > maxAlternatives {
		wrong("logprobs", "%d: want 0 to %d", top, maxAlternatives)
	}
	if q.BestOf != nil && int(*q.BestOf) != q.n() {
		wrong("best_of", "%d: every continuation is returned; leave it out or send n, %d", *q.BestOf, q.n())
	}
	if q.Suffix != "" {
		wrong("suffix", "these models write forwards alone; leave it out")
	}
	if len(q.LogitBias) > 0 {
		wrong("logit_bias", "is not offered; leave it out")
	}
	if q.StreamOptions != nil && !q.Stream {
		wrong("stream_options", "needs stream: true")
	}
	size := int64(len(prompts)) * int64(q.n()) * int64(most) * int64(1+top)
	if bad == nil && !q.Stream && size > maxAnswer {
		wrong("max_tokens", "%d prompts x n %d x %d tokens x (1 + %d logprobs) are over %d; ask for less, or for a stream",
			len(prompts), q.n(), most, top, maxAnswer)
	}
	if err := fault.InvalidFields("gateway.Completions", bad...); err != nil {
		return nil, err
	}
	l := make([]*lmv1.GenerateRequest, 0, len(prompts))
	for _, p := range prompts {
		l = append(l, &lmv1.GenerateRequest{
			Model: m.GetName() + "@" + m.GetVersion(), Prompt: p, MaxTokens: &most, N: q.N, Stop: stop, TopLogprobs: top,
			Sampling: &lmv1.Sampling{
				Temperature: q.Temperature, TopK: q.TopK, TopP: q.TopP, MinP: q.MinP, RepetitionPenalty: q.RepetitionPenalty,
				PresencePenalty: q.PresencePenalty, FrequencyPenalty: q.FrequencyPenalty,
			},
		})
	}
	return l, nil
}

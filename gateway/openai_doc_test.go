package gateway

import (
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// openAIFields are the fields of OpenAI's request for pictures, as its Python package 3.54.0 lists them.
var openAIFields = []string{
	"background", "complexity", "frame_count", "frame_duration_ms", "model", "moderation", "n", "output_compression",
	"output_format", "partial_images", "prompt", "quality", "response_format", "safety_identifier", "size", "stream",
	"style", "svg", "user",
}

// completionFields are those of OpenAI's request for text, as its Python package 3.54.0 lists them, with values that are
// refused or without effect, where there are any.
var completionFields = map[string]string{
	"best_of": "7", "echo": "", "frequency_penalty": "", "logit_bias": `{"1":1}`, "logprobs": "", "max_tokens": "", "model": "",
	"n": "", "presence_penalty": "", "prompt": "", "seed": "", "stop": "", "stream": "", "stream_options": "", "suffix": `"x"`,
	"temperature": "", "top_p": "", "user": `"x"`,
}

var fieldRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (honoured|warning|refused) \\|")

// documented reads the table of fields: what happens to each.
func documented(t *testing.T, section string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../docs/openai.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("docs/openai.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	m := map[string]string{}
	for _, row := range fieldRow.FindAllStringSubmatch(text, -1) {
		if m[row[1]] != "" {
			t.Errorf("%s stands in the table twice", row[1])
		}
		m[row[1]] = row[2]
	}
	return m
}

// known are the fields that a request decodes.
func known[T any]() []string {
	var l []string
	for f := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		l = append(l, name)
	}
	return l
}

// decoded reads a request whose field has a value.
func decoded(t *testing.T, field, value string) (*imagesRequest, error) {
	t.Helper()
	body := `{"` + field + `":` + value + `}`
	if field != "prompt" {
		body = `{"prompt":"1","` + field + `":` + value + `}`
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/images/generations", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	q := &imagesRequest{}
	return q, decodeOpenAI(httptest.NewRecorder(), r, q)
}

// TestOpenAIDocument holds the table in docs/openai.md to the code, in both directions.
func TestOpenAIDocument(t *testing.T) {
	table, decodes := documented(t, "Fields of the request"), known[imagesRequest]()
	for _, f := range append(slices.Clone(openAIFields), decodes...) {
		if table[f] == "" {
			t.Errorf("docs/openai.md does not say what happens to %s", f)
		}
	}
	m := &modelv1.Model{Name: "count", Version: "1", Family: "diffusion", Labels: []string{"1"}}
	for f, what := range table {
		in := slices.Contains(decodes, f)
		if !in && !slices.Contains(openAIFields, f) {
			t.Errorf("docs/openai.md lists %s, which neither OpenAI nor the gateway has", f)
		}
		if !in {
			_, err := decoded(t, f, "null")
			if what != "refused" || err == nil || !strings.Contains(err.Error(), f) {
				t.Errorf("docs/openai.md says that %s is %s; the gateway does not know it: %v", f, what, err)
			}
			continue
		}
		q, err := decoded(t, f, `"x"`)
		warned := err == nil && slices.Contains(q.warnings(), f)
		if warned != (what == "warning") {
			t.Errorf("docs/openai.md says that %s is %s; warned of: %v", f, what, warned)
		}
		if what != "refused" {
			continue
		}
		if err == nil {
			_, err = q.request(m)
		}
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), f) {
			t.Errorf("docs/openai.md says that %s is refused: %v", f, err)
		}
	}
}

// TestOpenAIDocumentOfText does the same for the table about text.
func TestOpenAIDocumentOfText(t *testing.T) {
	table, decodes := documented(t, "Fields for text"), known[completionsRequest]()
	for f := range completionFields {
		if !slices.Contains(decodes, f) {
			t.Errorf("the gateway does not know %s", f)
		}
	}
	for _, f := range decodes {
		if table[f] == "" {
			t.Errorf("docs/openai.md does not say what happens to %s", f)
		}
	}
	m := &modelv1.Model{Name: "n", Version: "1", Family: "lm"}
	for f, what := range table {
		if !slices.Contains(decodes, f) {
			t.Errorf("docs/openai.md lists %s, which the gateway does not have", f)
		}
		value := completionFields[f]
		if what == "honoured" || value == "" {
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"`+f+`":`+value+`}`))
		r.Header.Set("Content-Type", "application/json")
		q := &completionsRequest{}
		if err := decodeOpenAI(httptest.NewRecorder(), r, q); err != nil {
			t.Fatal(err)
		}
		_, err := q.requests(m)
		if refused := err != nil && strings.Contains(err.Error(), f); refused != (what == "refused") {
			t.Errorf("docs/openai.md says that %s is %s: %v", f, what, err)
		}
		if slices.Contains(q.warnings(), f) != (what == "warning") {
			t.Errorf("docs/openai.md says that %s is %s; warned of %q", f, what, q.warnings())
		}
	}
}

package gateway

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func complete(t *testing.T, s *httptest.Server, body string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func whole(t *testing.T, s *httptest.Server, body string) completionObject {
	t.Helper()
	var o completionObject
	res := complete(t, s, body)
	if err := json.NewDecoder(res.Body).Decode(&o); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", body, res.StatusCode, err)
	}
	return o
}

// chunks reads the data of a stream and their ids.
func chunks(t *testing.T, r io.Reader) (data, ids []string) {
	t.Helper()
	id := ""
	for in := bufio.NewScanner(r); in.Scan(); {
		switch name, value, _ := strings.Cut(in.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			data, ids, id = append(data, value), append(ids, id), ""
		case "":
		default:
			t.Errorf("a line %q", in.Text())
		}
	}
	return data, ids
}

func TestCompletions(t *testing.T) {
	a := startScribe(t)
	_, s := openScribes(t, a)
	o := whole(t, s, `{"model":"scribe","prompt":["a b","end"],"n":2,"seed":"7","max_tokens":4,"logprobs":2,"echo":true,
		"temperature":0.5,"top_k":3,"best_of":2}`)
	if len(o.Choices) != 4 || o.Object != "text_completion" || o.Seed != "7" || o.SystemFingerprint != "0123456789abcdef-n2" ||
		*o.Usage != (completionUsage{3, 14, 17}) {
		t.Fatalf("%+v, %+v", o, o.Usage)
	}
	for i, want := range []struct{ text, finish string }{
		{"a b 1 2 3 4", "length"}, {"a b 11 12 13 14", "length"}, {"end 2 3 4", "stop"}, {"end 12 13 14", "stop"},
	} {
		c := o.Choices[i]
		if c.Text != want.text || *c.FinishReason != want.finish || c.Index != i {
			t.Errorf("choice %d: %+v %s", i, c, *c.FinishReason)
		}
	}
	l := o.Choices[1].Logprobs
	if !slices.Equal(l.Tokens, []string{"a", "b", "11", "12", "13", "14"}) || !slices.Equal(l.TextOffset, []int{0, 2, 3, 6, 9, 12}) ||
		l.TokenLogprobs[0] != -1 || len(l.TopLogprobs[0]) != 1 || len(l.TopLogprobs[2]) != 3 {
		t.Errorf("%+v", l)
	}
	if q := a.asked.Load(); q.GetSampling().GetTemperature() != 0.5 || q.GetSampling().GetTopK() != 3 || q.GetSeed() != 8 {
		t.Errorf("asked for %v", q)
	}
	if o = whole(t, s, `{"model":"scribe","prompt":"a b c","max_tokens":0,"echo":true}`); o.Choices[0].Text != "a b c" ||
		*o.Usage != (completionUsage{3, 0, 3}) || *o.Choices[0].FinishReason != "length" {
		t.Errorf("an echo alone: %+v", o)
	}
	if o = whole(t, s, `{"model":"scribe","stop":"x","user":"me"}`); *o.Choices[0].FinishReason != "stop" || o.Seed == "" {
		t.Errorf("no prompt: %+v", o)
	}
}

func TestCompletionsStream(t *testing.T) {
	a, b := startScribe(t), startScribe(t)
	_, s := openScribes(t, a, b)
	const body = `{"model":"scribe","prompt":["x","x","end"],"n":2,"seed":3,"max_tokens":5,"logprobs":0,"stream":true,
		"echo":true,"stream_options":{"include_usage":true}}`
	o := whole(t, s, strings.NewReplacer(`"stream":true,`, "", `,"stream_options":{"include_usage":true}`, "").Replace(body))
	id := ""
	strip := func(l []string) []string { // what differs between two answers
		for i, d := range l {
			var c completionObject
			if json.Unmarshal([]byte(d), &c) == nil {
				c.ID, c.Created = "", 0
				b, _ := json.Marshal(c)
				l[i] = string(b)
			}
		}
		return l
	}
	want, ids := chunks(t, complete(t, s, body).Body)
	if len(want) != 6+26+2 || want[len(want)-1] != "[DONE]" || !strings.Contains(want[len(want)-2], `"choices":[],"usage":{"prompt_tokens":3`) {
		t.Fatalf("%d chunks: %q", len(want), want)
	}
	got := make([]completionChoice, 6)
	for _, d := range want[:len(want)-2] {
		var c completionObject
		if err := json.Unmarshal([]byte(d), &c); err != nil || len(c.Choices) != 1 || id != "" && c.ID != id || c.Usage != nil {
			t.Fatalf("%s: %v", d, err)
		}
		id = c.ID
		got[c.Choices[0].Index].merge(c.Choices[0])
		got[c.Choices[0].Index].Index = c.Choices[0].Index
	}
	x, _ := json.Marshal(got)
	y, _ := json.Marshal(o.Choices)
	if string(x) != string(y) {
		t.Errorf("the parts are\n%s, the whole is\n%s", x, y)
	}
	want = strip(want)
	a.dieAt.Store(3)
	for range 2 {
		if l, _ := chunks(t, complete(t, s, body).Body); !slices.Equal(strip(l), want) {
			t.Errorf("with a replica that dies: %q", l)
		}
	}
	unseeded := strings.Replace(body, `"seed":3,`, "", 1) // it is in the id
	for _, at := range []int{1, 5, 11, 17, 31} {
		if l, _ := chunks(t, complete(t, s, unseeded, "Last-Event-ID", ids[at]).Body); !slices.Equal(strip(l), want[at+1:]) {
			t.Errorf("taken up after %d: %d chunks, want %d: %q", at, len(l), len(want)-at-1, l)
		}
	}
	_, rest, _ := strings.Cut(ids[5], ".")
	for _, id := range []string{"x", rest, "9." + rest, "2." + rest, "-1." + rest} {
		if res := complete(t, s, body, "Last-Event-ID", id); res.StatusCode != http.StatusConflict {
			t.Errorf("with the id %s: %d", id, res.StatusCode)
		}
	}
}

func TestCompletionsErrors(t *testing.T) {
	_, s := openScribes(t, startScribe(t))
	for _, c := range []struct {
		body, param string
		status      int
	}{
		{`"prompt":[1,2]`, "prompt", 400}, {`"prompt":[]`, "prompt", 400}, {`"prompt":{}`, "prompt", 400},
		{`"n":0`, "n", 400}, {`"n":17`, "n", 400}, {`"n":2,"best_of":3`, "best_of", 400}, {`"suffix":"x"`, "suffix", 400},
		{`"logit_bias":{"1":1}`, "logit_bias", 400}, {`"max_tokens":0`, "max_tokens", 400}, {`"max_tokens":65537`, "max_tokens", 400},
		{`"max_tokens":65536,"logprobs":20`, "max_tokens", 400}, {`"logprobs":21`, "logprobs", 400}, {`"stop":1`, "stop", 400},
		{`"stream_options":{}`, "stream_options", 400}, {`"messages":[]`, "body", 400}, {`"seed":-1`, "body", 400},
		{`"model":"nope"`, "", 404}, {`"model":""`, "model", 400}, {`"temperature":-1`, "", 400},
		{`"temperature":-1,"stream":true`, "", 400},
	} {
		res := complete(t, s, `{"model":"scribe",`+c.body+`}`)
		var e openAIErrorBody
		if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != c.status || e.Error.Type == "" ||
			c.param != "" && (e.Error.Param == nil || *e.Error.Param != c.param) {
			t.Errorf("%s: %d %+v, %v", c.body, res.StatusCode, e, err)
		}
	}
	if res := complete(t, s, `{"model":"scribe","user":"me"}`); res.Header.Get("Manifold-Warning") != "without effect here: user" {
		t.Errorf("no warning: %v", res.Header)
	}
	v := openDoor(t, startKin(t, "vae", "v1"))
	res := complete(t, v, `{"model":"v1","prompt":"1"}`)
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "family vae (rbm)") {
		t.Errorf("a model of another family: %d %s", res.StatusCode, b)
	}
}

// TestSlowReader: what a client does not read is not computed, and it gets all of it in the end.
func TestSlowReader(t *testing.T) {
	a := startScribe(t)
	_, s := openScribes(t, a)
	res := complete(t, s, `{"model":"scribe","prompt":"x","max_tokens":60000,"logprobs":20,"stream":true}`)
	last := int32(-1)
	for n := a.tokens.Load(); n != last; n = a.tokens.Load() {
		last = n
		time.Sleep(300 * time.Millisecond)
	}
	if last == 0 || last >= 60000 {
		t.Errorf("%d tokens were computed for nobody", last)
	}
	in, n := bufio.NewReader(res.Body), 0
	for n < int(last)+100 {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "data: ") {
			n++
		}
	}
}

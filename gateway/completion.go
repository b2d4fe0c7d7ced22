package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// impossible stands for the logarithm of 0, which JSON has no number for; OpenAI's API has the same.
const impossible = -9999

// completionObject is an answer, or a part of one that is streamed.
type completionObject struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	Created           int64              `json:"created"`
	Model             string             `json:"model"`
	Choices           []completionChoice `json:"choices"`
	Usage             *completionUsage   `json:"usage"`
	Seed              string             `json:"seed"`
	SystemFingerprint string             `json:"system_fingerprint"`
}

type completionChoice struct {
	Text         string              `json:"text"`
	Index        int                 `json:"index"`
	Logprobs     *completionLogprobs `json:"logprobs"`
	FinishReason *string             `json:"finish_reason"`
}

// completionLogprobs has an entry for every token. Offsets count characters of the choice's text.
type completionLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float64            `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

type completionUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// add appends a token. Of alternatives that read the same the most probable one counts.
func (l *completionLogprobs) add(piece string, logprob float64, alternatives []*lmv1.Alternative, offset int) {
	top := map[string]float64{}
	for _, a := range alternatives {
		if _, there := top[a.GetPiece()]; !there && !math.IsInf(a.GetLogprob(), -1) {
			top[a.GetPiece()] = a.GetLogprob()
		}
	}
	logprob = max(logprob, impossible)
	if _, there := top[piece]; !there {
		top[piece] = logprob
	}
	l.Tokens, l.TokenLogprobs = append(l.Tokens, piece), append(l.TokenLogprobs, logprob)
	l.TopLogprobs, l.TextOffset = append(l.TopLogprobs, top), append(l.TextOffset, offset)
}

// merge appends a part that was made later.
func (c *completionChoice) merge(part completionChoice) {
	c.Text += part.Text
	if part.FinishReason != nil {
		c.FinishReason = part.FinishReason
	}
	if l := part.Logprobs; l != nil {
		if c.Logprobs == nil {
			c.Logprobs = &completionLogprobs{}
		}
		c.Logprobs.Tokens = append(c.Logprobs.Tokens, l.Tokens...)
		c.Logprobs.TokenLogprobs = append(c.Logprobs.TokenLogprobs, l.TokenLogprobs...)
		c.Logprobs.TopLogprobs = append(c.Logprobs.TopLogprobs, l.TopLogprobs...)
		c.Logprobs.TextOffset = append(c.Logprobs.TextOffset, l.TextOffset...)
	}
}

// completion is a request for text under way. Its prompts are asked for one after the other, so that a request takes
// no more of a service than one place; prompt i is written to with the seed plus i.
type completion struct {
	g       *Gateway
	q       *completionsRequest
	prompts []*lmv1.GenerateRequest
	object  completionObject // what all parts have in common
	usage   completionUsage
	emit    func(id string, c completionChoice) error
}

func (g *Gateway) openAICompletions(w http.ResponseWriter, r *http.Request) {
	q := &completionsRequest{}
	m, err := g.readOpenAI(w, r, q)
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	c := &completion{g: g, q: q, object: completionObject{
		ID: "cmpl-" + rand.Text(), Object: "text_completion", Created: time.Now().Unix(),
		Model: m.GetName() + "@" + m.GetVersion(),
	}}
	if c.prompts, err = q.requests(m); err == nil {
		_, err = g.backend("lm")
	}
	if err != nil {
		writeOpenAIError(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	if q.Stream {
		c.stream(ctx, w, r.Header.Get("Last-Event-Id"))
		return
	}
	answer := make([]completionChoice, len(c.prompts)*q.n())
	texts := make([]strings.Builder, len(answer))
	c.emit = func(_ string, part completionChoice) error {
		texts[part.Index].WriteString(part.Text)
		part.Text = ""
		answer[part.Index].merge(part)
		return nil
	}
	if err := c.run(ctx, ""); err != nil {
		writeOpenAIError(w, completionError(err))
		return
	}
	for i := range answer {
		answer[i].Index, answer[i].Text = i, texts[i].String()
	}
	c.object.Choices, c.object.Usage = answer, &c.usage
	writeJSON(w, http.StatusOK, c.object)
}

// stream sends every token as it comes.
func (c *completion) stream(ctx context.Context, w http.ResponseWriter, lastID string) {
	s := &sse{w: w, c: http.NewResponseController(w)}
	defer s.keepAlive(ctx, 15*time.Second)()
	c.emit = func(id string, part completionChoice) error {
		o := c.object
		o.Choices = []completionChoice{part}
		return s.event("", id, o)
	}
	err := c.run(ctx, lastID)
	if err == nil && c.q.wantsUsage() {
		o := c.object
		o.Choices, o.Usage = []completionChoice{}, &c.usage
		err = s.event("", "", o)
	}
	if err == nil {
		err = s.data("", "", []byte("[DONE]"))
	}
	if err != nil {
		s.fail(completionError(err))
	}
}

// run asks for all prompts. lastID is where a client broke off: what it has is left out, and asked for again only where
// it counts.
func (c *completion) run(ctx context.Context, lastID string) error {
	from, id, err := c.begin(lastID)
	if err != nil {
		return err
	}
	for i, r := range c.prompts {
		if i < from && !c.q.wantsUsage() {
			continue
		}
		seed := (uint64(c.seed()) + uint64(i)) & maxSeed
		r.Seed = &seed
		p := &written{completion: c, prompt: i, silent: i < from, request: r}
		inner := ""
		if i == from {
			inner = id
		}
		if err := p.run(ctx, inner); err != nil {
			return err
		}
	}
	c.usage.TotalTokens = c.usage.PromptTokens + c.usage.CompletionTokens
	return nil
}

func (c *completion) seed() flexible { return *c.q.Seed }

// begin finds the prompt that a client broke off in, and the seed. Ids of requests with several prompts have the
// prompt's number in front.
func (c *completion) begin(lastID string) (from int, id string, err error) {
	if lastID != "" {
		id = lastID
		if len(c.prompts) > 1 {
			number, rest, _ := strings.Cut(lastID, ".")
			if from, err = strconv.Atoi(number); err != nil || from < 0 || from >= len(c.prompts) {
				return 0, "", foreignID()
			}
			id = rest
		}
		e, err := parseEventID(c.g.fleetKey, id)
		if err != nil || c.prompts[from].GetMaxTokens() == 0 {
			return 0, "", foreignID()
		}
		if c.q.Seed == nil {
			seed := flexible((e.seed - uint64(from)) & maxSeed)
			c.q.Seed = &seed
		}
	}
	if c.q.Seed == nil {
		seed, err := drawSeed()
		if err != nil {
			return 0, "", err
		}
		c.q.Seed = (*flexible)(&seed)
	}
	c.object.Seed = strconv.FormatUint(uint64(c.seed()), 10)
	return from, id, nil
}

// written is what becomes of one prompt.
type written struct {
	*completion
	prompt  int
	silent  bool // the client has it all
	request *lmv1.GenerateRequest
	tokens  []int32 // of each continuation
	offset  []int   // where the next token of each continuation begins
	at      int     // where the token of the newest event begins
}

func (p *written) run(ctx context.Context, lastID string) error {
	p.tokens, p.offset = make([]int32, p.q.n()), make([]int, p.q.n())
	if p.q.Echo {
		for i := range p.offset {
			p.offset[i] = utf8.RuneCountInString(p.request.GetPrompt())
		}
	}
	if p.request.GetMaxTokens() == 0 {
		return p.echo(ctx, "")
	}
	r := *p.g.lm.generate
	r.state = func(q *lmv1.GenerateRequest, e *lmv1.GenerateResponse) bool {
		p.follow(e)
		return p.g.lm.generate.state(q, e)
	}
	return r.run(ctx, p.request, lastID, func(e *lmv1.GenerateResponse) error { return p.event(ctx, e) })
}

// follow sees every event, also those that the client has.
func (p *written) follow(e *lmv1.GenerateResponse) {
	if s := e.GetStarted(); s != nil {
		p.object.SystemFingerprint = fingerprint(s)
	}
	t := e.GetToken()
	if t == nil || t.GetIndex() < 0 || int(t.GetIndex()) >= len(p.tokens) || t.GetPosition() <= p.tokens[t.GetIndex()] {
		return
	}
	p.tokens[t.GetIndex()] = t.GetPosition()
	p.at = p.offset[t.GetIndex()]
	p.offset[t.GetIndex()] += utf8.RuneCountInString(t.GetText())
}

// event hands on what the client does not have.
func (p *written) event(ctx context.Context, e *lmv1.GenerateResponse) error {
	id := e.GetEventId()
	if len(p.prompts) > 1 {
		id = fmt.Sprintf("%d.%s", p.prompt, id)
	}
	if c := e.GetCompleted(); c != nil {
		p.usage.PromptTokens += int(c.GetPromptTokens())
		p.usage.CompletionTokens += int(c.GetTokens())
	}
	if p.silent {
		return nil
	}
	if e.GetStarted() != nil && p.q.Echo {
		return p.echo(ctx, id)
	}
	t := e.GetToken()
	if t == nil {
		return nil
	}
	part := completionChoice{Text: t.GetText(), Index: p.prompt*p.q.n() + int(t.GetIndex())}
	if p.q.Logprobs != nil {
		part.Logprobs = &completionLogprobs{}
		part.Logprobs.add(t.GetPiece(), t.GetLogprob(), t.GetAlternatives(), p.at)
	}
	if f := t.GetFinish(); f != "" {
		if f == "end" {
			f = "stop" // OpenAI has one word for both
		}
		part.FinishReason = &f
	}
	return p.emit(id, part)
}

// echo repeats the prompt in every choice, and is all there is where no token was asked for. Its tokens are scored
// where somebody wants to know.
func (p *written) echo(ctx context.Context, id string) error {
	part := completionChoice{Text: p.request.GetPrompt()}
	alone := p.request.GetMaxTokens() == 0
	if p.q.Logprobs != nil || alone {
		res, err := p.g.lm.client.Score(ctx, &lmv1.ScoreRequest{
			Model: p.request.GetModel(), Texts: []string{part.Text}, Tokens: true,
			TopLogprobs: p.request.GetTopLogprobs(), Open: true,
		})
		if err != nil {
			return err
		}
		if len(res.GetTexts()) != 1 {
			return fault.E(fault.Internal, "INTERNAL", "gateway.Completions", "%d scores of one text", len(res.GetTexts()))
		}
		scored := res.GetTexts()[0]
		if p.q.Logprobs != nil {
			part.Logprobs = locate(part.Text, scored.GetDetails())
		}
		if alone {
			length := "length"
			part.FinishReason = &length
			p.usage.PromptTokens += int(scored.GetTokens())
			p.object.SystemFingerprint = fingerprint(res.GetAnswered())
		}
	}
	for i := range p.q.n() {
		part.Index = p.prompt*p.q.n() + i
		last := ""
		if i == p.q.n()-1 {
			last = id
		}
		if err := p.emit(last, part); err != nil {
			return err
		}
	}
	return nil
}

// locate finds the tokens of a text in it, one after the other. One that reads otherwise than it is written stands
// where the one before it ends.
func locate(text string, tokens []*lmv1.ScoredToken) *completionLogprobs {
	l, offset := &completionLogprobs{}, 0
	for _, t := range tokens {
		end := offset
		if before, after, ok := strings.Cut(text, t.GetPiece()); ok {
			offset += utf8.RuneCountInString(before)
			end = offset + utf8.RuneCountInString(t.GetPiece())
			text = after
		}
		l.add(t.GetPiece(), t.GetLogprob(), t.GetAlternatives(), offset)
		offset = end
	}
	return l
}

// completionError names fields as the client does.
func completionError(err error) error {
	f := details(err)
	if f.Kind != fault.Invalid || len(f.Fields) == 0 {
		return err
	}
	var l []fault.Violation
	for _, v := range f.Fields {
		v.Field = strings.TrimPrefix(v.Field, "sampling.")
		if v.Field == "top_logprobs" {
			v.Field = "logprobs"
		}
		l = append(l, v)
	}
	return fault.InvalidFields("gateway.Completions", l...)
}

package service

import (
	"context"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	maxWords = 10_000
	maxWord  = 1024
)

// Tag labels words.
func (s *Service) Tag(ctx context.Context, req *lmv1.TagRequest) (*lmv1.TagResponse, error) {
	const op = "lm.Tag"
	var bad wire.Violations
	bad.RequestID(req.GetRequestId())
	words := req.GetWords()
	checkText(&bad, "text", req.GetText(), maxScored)
	if (len(words) == 0) == (req.GetText() == "") {
		bad.Addf("words", "want one of words and text")
	} else if len(words) == 0 && len(bad) == 0 {
		if words = split(req.GetText()); len(words) == 0 {
			bad.Addf("text", "has no words")
		}
	}
	if len(words) > maxWords {
		bad.Addf("words", "%d, want at most %d", len(words), maxWords)
	}
	for _, w := range words {
		if w == "" || len(w) > maxWord {
			bad.Addf("words", "a word of %d bytes, want 1 to %d", len(w), maxWord)
			break
		}
		checkText(&bad, "words", w, maxWord)
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Tagger)
	if !ok {
		return nil, c.unsupported("label words")
	}
	r := &lmv1.TagResponse{Words: words, Labels: m.Tags()}
	t, err := s.analyse(ctx, func() (err error) {
		if r.Path, r.PathLogprob, r.Posterior, err = m.Tag(words); err != nil {
			return err
		}
		if f, ok := c.m.Model.(model.Filterer); ok {
			r.Filtered, r.Logprob, err = f.Filter(words)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.Answered = c.answered(t)
	return r, nil
}

// split divides a text into words and signs.
func split(t string) []string {
	s := text.Splitter{Kind: text.Words, Text: []byte(t)}
	var words []string
	for w := s.Next(); w != nil; w = s.Next() {
		word := string(w)
		if len(word) > 1 && word[0] == ' ' {
			word = word[1:]
		}
		if word != " " && word != "\n" && word != "\n\n" {
			words = append(words, word)
		}
	}
	return words
}

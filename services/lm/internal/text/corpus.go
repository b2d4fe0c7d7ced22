package text

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Split says what a document is.
type Split uint8

// The ways to split a corpus.
const (
	// Lines: every line that is not blank.
	Lines Split = iota
	// Paragraphs: what lies between blank lines.
	Paragraphs
	// Whole: a file is one document.
	Whole
)

var splits = [...]string{"lines", "paragraphs", "whole"}

// Splits are the names of all ways to split.
func Splits() []string { return slices.Clone(splits[:]) }

// String is the name.
func (s Split) String() string { return splits[s] }

// ParseSplit is the way of that name.
func ParseSplit(name string) (Split, error) {
	i := slices.Index(splits[:], name)
	if i < 0 {
		return 0, fault.E(fault.Invalid, "UNKNOWN_SPLIT", "text.ParseSplit", "documents %q: one of %v is needed", name,
			splits)
	}
	return Split(i), nil
}

// MaxCorpus is the greatest size of a corpus, MaxLine that of a document that is a line; in bytes.
const (
	MaxCorpus = 1 << 31
	MaxLine   = 1 << 24
)

// Read reads a corpus of at most limit bytes.
func Read(r io.Reader, limit int64) ([]byte, error) {
	const op = "text.Read"
	limit = min(limit, MaxCorpus)
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fault.E(fault.Unavailable, "CORPUS_UNREADABLE", op, "the corpus cannot be read to its end")
	}
	if int64(len(data)) > limit {
		return nil, fault.E(fault.Invalid, "CORPUS_TOO_LARGE", op, "the corpus has more than %d bytes", limit)
	}
	return data, nil
}

// Documents splits a corpus; the documents are parts of data. The errors are of kind fault.Invalid: NUL bytes, text
// that is not UTF-8 where the kind of tokens needs it, lines beyond MaxLine, and a corpus without documents.
func Documents(data []byte, split Split, kind Kind) ([][]byte, error) {
	const op = "text.Documents"
	if len(data) > MaxCorpus {
		return nil, fault.E(fault.Invalid, "CORPUS_TOO_LARGE", op, "the corpus has %d bytes, at most %d are allowed",
			len(data), MaxCorpus)
	}
	if kind != Bytes {
		if at := bytes.IndexByte(data, 0); at >= 0 {
			return nil, fault.E(fault.Invalid, "NUL_BYTE", op,
				"byte %d of the corpus is NUL: text has none; UTF-16 has to be made UTF-8 first", at)
		}
		if !utf8.Valid(data) {
			return nil, notUTF8(op, data)
		}
	}
	var docs [][]byte
	switch split {
	case Whole:
		if len(bytes.TrimSpace(data)) > 0 || kind == Bytes && len(data) > 0 {
			docs = [][]byte{data}
		}
	case Lines:
		docs = make([][]byte, 0, bytes.Count(data, []byte{'\n'})+1)
		for line := range bytes.Lines(data) {
			line = bytes.TrimRight(line, "\r\n")
			if len(line) > MaxLine {
				return nil, fault.E(fault.Invalid, "LINE_TOO_LONG", op, "line %d has %d bytes, at most %d are allowed; "+
					"paragraphs or whole files may be documents too", len(docs)+1, len(line), MaxLine)
			}
			if len(bytes.TrimSpace(line)) > 0 {
				docs = append(docs, line)
			}
		}
	case Paragraphs:
		docs = paragraphs(data)
	}
	if len(docs) == 0 {
		return nil, fault.E(fault.Invalid, "EMPTY_CORPUS", op, "the corpus has no text")
	}
	return docs, nil
}

func paragraphs(data []byte) [][]byte {
	var docs [][]byte
	from, end, at := -1, 0, 0
	for line := range bytes.Lines(data) {
		blank := len(bytes.TrimSpace(line)) == 0
		switch {
		case blank && from >= 0:
			docs = append(docs, data[from:end])
			from = -1
		case !blank && from < 0:
			from = at
		}
		at += len(line)
		if !blank {
			end = at - len(line) + len(bytes.TrimRight(line, "\r\n"))
		}
	}
	if from >= 0 {
		docs = append(docs, data[from:end])
	}
	return docs
}

package ngram

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// The tensors of a model: the table as it lies in memory, four and two words of 32 bits an
// n-gram beside its last token, floats by their bits; the vocabulary as its bytes and their ends; and the counts where
// they are kept.
const (
	wordsTensor  = "table.words"
	innerTensor  = "table.inner"
	leafTensor   = "table.leaf"
	startsTensor = "table.starts"
	bytesTensor  = "vocabulary"
	endsTensor   = "vocabulary.ends"
	docsTensor   = "counts.documents"
)

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// word32 are the types that tensors of 32 bits are viewed as.
type word32 interface{ uint32 | inner | leaf }

// raw gives the memory of v as a tensor.
func raw[T word32](v []T) weights.Raw {
	var zero T
	n := int(unsafe.Sizeof(zero)) / 4
	r := weights.Raw{DType: weights.I32, Shape: []int{len(v)}}
	if n > 1 {
		r.Shape = append(r.Shape, n)
	}
	if len(v) == 0 {
		return r
	}
	r.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*n*len(v))
	if !littleEndian {
		r.Data = swapped(r.Data)
	}
	return r
}

// view gives a tensor as memory of its file where that lies as needed, and as a copy elsewhere.
func view[T word32](f *weights.File, name string) ([]T, error) {
	info, ok := f.Info(name)
	var zero T
	size := int(unsafe.Sizeof(zero))
	if !ok || info.DType != weights.I32 || int(info.Bytes)%size != 0 {
		return nil, damaged("the tensor %s is missing or of another type", name)
	}
	b, err := f.Bytes(name)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	switch {
	case !littleEndian:
		b = swapped(b)
	case uintptr(unsafe.Pointer(unsafe.SliceData(b)))%4 != 0:
		b = append(make([]byte, 0, len(b)+4), b...)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size), nil
}

func swapped(b []byte) []byte {
	out := make([]byte, len(b), len(b)+4)
	for i := 0; i+4 <= len(b); i += 4 {
		binary.NativeEndian.PutUint32(out[i:], binary.LittleEndian.Uint32(b[i:]))
	}
	return out
}

func damaged(format string, args ...any) error {
	return fault.E(fault.Corrupt, "TABLE_DAMAGED", "ngram.Open", format, args...)
}

// Tensors are the model as it is stored. They share its memory.
func (m *Model) Tensors() map[string]weights.Raw {
	all := map[string]weights.Raw{
		innerTensor: raw(m.table.inner), leafTensor: raw(m.table.leaf), startsTensor: raw(m.table.starts),
		wordsTensor: raw(m.table.words),
	}
	putVocab(all, "", m.tokens.Vocab())
	if c := m.counts; c != nil {
		putVocab(all, "counts.", c.vocab)
		docs := make([]byte, 0, 16*len(c.documents))
		for _, d := range c.documents {
			docs = append(docs, d[:]...)
		}
		all[docsTensor] = weights.Raw{DType: weights.U8, Shape: []int{len(c.documents), 16}, Data: docs}
		for k, l := range c.levels {
			all[levelTensor(k, "word")], all[levelTensor(k, "count")] = raw(l.word), raw(l.count)
			if k+1 < len(c.levels) {
				all[levelTensor(k, "first")] = raw(l.first)
			}
		}
	}
	return all
}

func levelTensor(k int, what string) string { return fmt.Sprintf("counts.%d.%s", k+1, what) }

func putVocab(all map[string]weights.Raw, prefix string, v *text.Vocab) {
	arena, ends := v.Tables()
	all[prefix+bytesTensor] = weights.Raw{DType: weights.U8, Shape: []int{len(arena)}, Data: arena}
	all[prefix+endsTensor] = raw(ends)
}

func getVocab(f *weights.File, prefix string) (*text.Vocab, error) {
	info, ok := f.Info(prefix + bytesTensor)
	if !ok || info.DType != weights.U8 {
		return nil, damaged("the tensor %s is missing or of another type", prefix+bytesTensor)
	}
	arena, err := f.Bytes(prefix + bytesTensor)
	if err != nil {
		return nil, err
	}
	ends, err := view[uint32](f, prefix+endsTensor)
	if err != nil {
		return nil, err
	}
	v := text.FromTables(arena, ends)
	if v == nil || !v.InOrder() {
		return nil, damaged("the tensors of the vocabulary %sare none", prefix)
	}
	return v, nil
}

// Save writes the model's tensors to path; equal models give equal bytes.
func (m *Model) Save(path string) error { return weights.WriteRaw(path, m.Tensors(), nil) }

// Open gives the model that lies in f, under its configuration. It uses the memory of f, and all of it is checked
// first. The errors are of kind fault.Corrupt.
func Open(f *weights.File, c Config) (*Model, error) {
	kind, err := text.ParseKind(c.Unit)
	if err != nil {
		return nil, err
	}
	vocab, err := getVocab(f, "")
	if err != nil {
		return nil, err
	}
	t := &table{}
	if t.words, err = view[uint32](f, wordsTensor); err != nil {
		return nil, err
	}
	if t.inner, err = view[inner](f, innerTensor); err != nil {
		return nil, err
	}
	if t.leaf, err = view[leaf](f, leafTensor); err != nil {
		return nil, err
	}
	if t.starts, err = view[uint32](f, startsTensor); err != nil {
		return nil, err
	}
	if err := t.check(vocab.Len()); err != nil {
		return nil, err
	}
	t.makeIndex()
	m := &Model{config: c, tokens: text.NewTokens(kind, vocab), table: t}
	if c.Forgets {
		m.counts, err = openCounts(f, kind, c.Order)
	}
	return m, err
}

func openCounts(f *weights.File, kind text.Kind, order int) (*Counts, error) {
	if order < 1 || order > MaxOrder {
		return nil, damaged("order %d", order)
	}
	vocab, err := getVocab(f, "counts.")
	if err != nil {
		return nil, err
	}
	c := &Counts{kind: kind, vocab: vocab, levels: make([]level, order)}
	docs, err := f.Bytes(docsTensor)
	if err != nil {
		return nil, err
	}
	for ; len(docs) >= 16; docs = docs[16:] {
		c.documents = append(c.documents, Fingerprint(docs[:16]))
	}
	sortFingerprints(c.documents)
	for k := range c.levels {
		l := &c.levels[k]
		if l.word, err = view[uint32](f, levelTensor(k, "word")); err != nil {
			return nil, err
		}
		if l.count, err = view[uint32](f, levelTensor(k, "count")); err != nil {
			return nil, err
		}
		if k+1 < order {
			if l.first, err = view[uint32](f, levelTensor(k, "first")); err != nil {
				return nil, err
			}
		}
	}
	return c, c.check()
}

// check says what makes counts that were read unusable: lists that do not fit, and suffixes that are missing.
func (c *Counts) check() error {
	for k := range c.levels {
		l := &c.levels[k]
		if len(l.count) != len(l.word) || k == 0 && len(l.word) != c.vocab.Len() || len(l.word) >= math.MaxInt32 {
			return damaged("the counts of %d tokens do not fit", k+1)
		}
		for x, w := range l.word {
			if int(w) >= c.vocab.Len() || k == 0 && int(w) != x || l.count[x] > MaxTokens {
				return damaged("the count of an n-gram of %d tokens is damaged", k+1)
			}
		}
		if k+1 == len(c.levels) {
			break
		}
		n := uint32(len(c.levels[k+1].word))
		if len(l.first) != len(l.word)+1 || l.first[0] != 0 || l.first[len(l.word)] != n {
			return damaged("the counts of %d tokens do not follow those of %d", k+2, k+1)
		}
		for x := range l.word {
			a, b := l.first[x], l.first[x+1]
			if a > b || b > n {
				return damaged("the lists of n-grams of %d tokens do not ascend", k+2)
			}
			for i := a + 1; i < b; i++ {
				if c.levels[k+1].word[i-1] >= c.levels[k+1].word[i] {
					return damaged("n-grams of %d tokens are out of order", k+2)
				}
			}
		}
	}
	for k := 1; k < len(c.levels); k++ {
		if !c.linkLevel(k) {
			return damaged("an n-gram of %d tokens lacks the one without its first token", k+1)
		}
	}
	return nil
}

// Add gives the model that training with these documents as well would have made.
func (m *Model) Add(documents []string) (*Model, error) { return m.change(documents, Merge) }

// Forget implements model.Forgetter: the model's bytes are those of one that never saw the documents.
func (m *Model) Forget(documents []string) (model.Model, error) {
	f, err := m.change(documents, Delete)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (m *Model) change(documents []string, how func(a, b *Counts) (*Counts, error)) (*Model, error) {
	if m.counts == nil {
		return nil, fault.E(fault.Precondition, "COUNTS_NOT_KEPT", "ngram.Forget",
			"the model was made without its counts, so no document can be added or deleted")
	}
	docs := make([][]byte, len(documents))
	for i, d := range documents {
		docs[i] = []byte(d)
	}
	other, err := Count(docs, m.counts.kind, m.counts.Order())
	if err != nil {
		return nil, err
	}
	counts, err := how(m.counts, other)
	if err != nil {
		return nil, err
	}
	return Build(counts, m.config)
}

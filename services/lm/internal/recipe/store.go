package recipe

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Names of the tensors of models that are kept as text, and of their vocabulary.
const (
	modelTensor = "model"
	arenaTensor = "vocabulary.bytes"
	endsTensor  = "vocabulary.ends"
)

// blob is a model that is kept as text.
func blob(b []byte) map[string]weights.Raw {
	return map[string]weights.Raw{modelTensor: {DType: weights.U8, Shape: []int{len(b)}, Data: b}}
}

// vocabulary adds one to tensors.
func vocabulary(all map[string]weights.Raw, v *text.Vocab) {
	arena, ends := v.Tables()
	b := make([]byte, 0, 8*len(ends))
	for _, e := range ends {
		b = binary.LittleEndian.AppendUint64(b, uint64(e))
	}
	all[arenaTensor] = weights.Raw{DType: weights.U8, Shape: []int{len(arena)}, Data: arena}
	all[endsTensor] = weights.Raw{DType: weights.I64, Shape: []int{len(ends)}, Data: b}
}

func damaged(format string, args ...any) error {
	return fault.E(fault.Corrupt, "BAD_MODEL", "recipe.Open", format, args...)
}

// contents is the text that a model is kept as; names are all tensors that its file may hold.
func contents(f *weights.File, names ...string) ([]byte, error) {
	if len(f.Names()) != len(names) {
		return nil, damaged("the file holds the tensors %q, want %q", f.Names(), names)
	}
	for _, name := range names {
		if _, ok := f.Info(name); !ok {
			return nil, damaged("the tensor %q is missing", name)
		}
	}
	if info, _ := f.Info(modelTensor); info.DType != weights.U8 {
		return nil, damaged("the tensor %q is of %s, want U8", modelTensor, info.DType)
	}
	return f.Bytes(modelTensor)
}

// tokensOf reads the vocabulary of a model.
func tokensOf(f *weights.File, unit string) (*text.Tokens, error) {
	kind, err := text.ParseKind(unit)
	if err != nil {
		return nil, damaged("%w", err)
	}
	arena, err := f.Bytes(arenaTensor)
	if err != nil {
		return nil, damaged("%w", err)
	}
	wide, err := f.Ints(endsTensor)
	if err != nil {
		return nil, damaged("%w", err)
	}
	ends := make([]uint32, len(wide))
	for i, e := range wide {
		if e < 0 || e > int64(len(arena)) {
			return nil, damaged("token %d ends at %d of %d bytes", i, e, len(arena))
		}
		ends[i] = uint32(e)
	}
	v := text.FromTables(append([]byte(nil), arena...), ends)
	if v == nil {
		return nil, damaged("the vocabulary is none")
	}
	return text.NewTokens(kind, v), nil
}

// configOf reads a manifest's config strictly.
func configOf(m *modelstore.Manifest, out any) error {
	if err := json.Unmarshal(m.Config, out); err != nil {
		return damaged("the config cannot be read: %w", err)
	}
	again, err := json.Marshal(out)
	if err != nil {
		return damaged("the config cannot be read: %w", err)
	}
	var a, b any
	if json.Unmarshal(again, &a) != nil || json.Unmarshal(m.Config, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		return damaged("the config has fields that are not known")
	}
	return nil
}

// counted makes a vocabulary of documents, and their tokens.
func counted(docs [][]byte, kind text.Kind) (*text.Tokens, [][]int32, error) {
	v := text.NewVocab()
	for _, d := range docs {
		s := text.Splitter{Kind: kind, Text: d}
		for w := s.Next(); w != nil; w = s.Next() {
			v.Add(w)
		}
	}
	t := text.NewTokens(kind, v)
	ids := make([][]int32, len(docs))
	for i, d := range docs {
		var err error
		if ids[i], err = t.AppendEncoded(nil, d); err != nil {
			return nil, nil, err
		}
	}
	return t, ids, nil
}

package recipe

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Names of what every model has.
const (
	schemaName  = "schema.json"
	profileName = "profile.json"
)

// tensors are the contents of a model's file.
type tensors struct {
	raws map[string]weights.Raw
}

func newTensors() *tensors { return &tensors{raws: map[string]weights.Raw{}} }

// floats adds numbers. The shape defaults to one axis.
func (t *tensors) floats(name string, x []float64, shape ...int) {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	t.add(name, weights.F64, b, len(x), shape)
}

// ints adds whole numbers.
func (t *tensors) ints(name string, x []int64, shape ...int) {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	t.add(name, weights.I64, b, len(x), shape)
}

// text adds bytes.
func (t *tensors) text(name string, b []byte) { t.add(name, weights.U8, b, len(b), nil) }

// json adds a value as text.
func (t *tensors) json(name string, v any) error {
	b, err := json.Marshal(v)
	t.text(name, b)
	return err
}

func (t *tensors) add(name string, d weights.DType, b []byte, n int, shape []int) {
	if len(shape) == 0 {
		shape = []int{n}
	}
	t.raws[name] = weights.Raw{DType: d, Shape: slices.Clone(shape), Data: b}
}

// parameters is how many numbers the model has, texts not counted.
func (t *tensors) parameters() int64 {
	var n int64
	for _, r := range t.raws {
		if r.DType != weights.U8 {
			n += int64(len(r.Data) / r.DType.Size())
		}
	}
	return n
}

// stored reads the tensors of a file, each once.
type stored struct {
	file    *weights.File
	schema  *table.Schema
	claimed map[string]bool
}

// openStored reads what every model has.
func openStored(f *weights.File) (*stored, *profile.Profile, error) {
	s := &stored{file: f, schema: &table.Schema{}, claimed: map[string]bool{}}
	p := &profile.Profile{}
	if err := errors.Join(s.json(schemaName, s.schema), s.json(profileName, p)); err != nil {
		return nil, nil, err
	}
	if err := checkSchema(s.schema); err != nil {
		return nil, nil, err
	}
	if len(p.Fields) != len(s.schema.Fields) {
		return nil, nil, fmt.Errorf("%s has %d fields, %s %d", profileName, len(p.Fields), schemaName,
			len(s.schema.Fields))
	}
	return s, p, nil
}

// done says whether something is left over.
func (s *stored) done() error {
	for _, name := range s.file.Names() {
		if !s.claimed[name] {
			return fmt.Errorf("the tensor %.80q belongs to nothing", name)
		}
	}
	return nil
}

// find claims a tensor. A nil shape is any with one axis.
func (s *stored) find(name string, d weights.DType, shape []int) (weights.Info, error) {
	info, ok := s.file.Info(name)
	switch {
	case !ok:
		return info, fmt.Errorf("the tensor %.80q is missing", name)
	case info.DType != d:
		return info, fmt.Errorf("the tensor %.80q is of %s, want %s", name, info.DType, d)
	case len(shape) == 0 && len(info.Shape) != 1, len(shape) != 0 && !slices.Equal(shape, info.Shape):
		return info, fmt.Errorf("the tensor %.80q has the shape %v, want %v", name, info.Shape, shape)
	}
	s.claimed[name] = true
	return info, nil
}

// floats reads a copy of numbers, all of them finite or, where the model may hold such, infinite.
func (s *stored) floats(name string, infinite bool, shape ...int) ([]float64, error) {
	if _, err := s.find(name, weights.F64, shape); err != nil {
		return nil, err
	}
	t, err := s.file.Tensor(name)
	if err != nil {
		return nil, err
	}
	x := slices.Clone(t.F64())
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) && !infinite {
			return nil, fmt.Errorf("the tensor %.80q has %g at %d", name, v, i)
		}
	}
	return x, nil
}

// ints reads whole numbers of at least low.
func (s *stored) ints(name string, low int64, shape ...int) ([]int64, error) {
	if _, err := s.find(name, weights.I64, shape); err != nil {
		return nil, err
	}
	x, err := s.file.Ints(name)
	if err != nil {
		return nil, err
	}
	for i, v := range x {
		if v < low {
			return nil, fmt.Errorf("the tensor %.80q has %d at %d, want at least %d", name, v, i, low)
		}
	}
	return x, nil
}

// text reads a copy of bytes.
func (s *stored) text(name string) ([]byte, error) {
	if _, err := s.find(name, weights.U8, nil); err != nil {
		return nil, err
	}
	b, err := s.file.Bytes(name)
	return bytes.Clone(b), err
}

// json reads a value strictly.
func (s *stored) json(name string, out any) error {
	b, err := s.text(name)
	if err != nil {
		return err
	}
	if err := strictJSON(b, out); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func strictJSON(b []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

const i64 = weights.I64

// cells reads the cells of a numeric field: finite numbers, or NaN where one is missing.
func (s *stored) cells(name string, rows int) ([]float64, error) {
	if _, err := s.find(name, weights.F64, []int{rows}); err != nil {
		return nil, err
	}
	t, err := s.file.Tensor(name)
	if err != nil {
		return nil, err
	}
	x := slices.Clone(t.F64())
	for i, v := range x {
		if math.IsInf(v, 0) {
			return nil, fmt.Errorf("the tensor %.80q has %g at %d", name, v, i)
		}
	}
	return x, nil
}

const maxFields, maxLevels = 4096, 1 << 16

// checkSchema refuses what no table has.
func checkSchema(s *table.Schema) error {
	if n := len(s.Fields); n < 1 || n > maxFields {
		return fmt.Errorf("%s has %d fields, want 1 to %d", schemaName, n, maxFields)
	}
	seen := map[string]bool{}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch {
		case f.Name == "" || seen[f.Name]:
			return fmt.Errorf("field %d has no name of its own", i)
		case f.Kind > table.Numeric:
			return fmt.Errorf("field %.80q is of kind %d", f.Name, f.Kind)
		case f.Kind == table.Numeric && (len(f.Levels) > 0 || len(f.Edges) > 0 || !(f.Min <= f.Max)):
			return fmt.Errorf("the numeric field %.80q has levels, or its least value %g is above the greatest, %g", f.Name,
				f.Min, f.Max)
		case f.Kind == table.Categorical && (len(f.Levels) < 1 || len(f.Levels) > maxLevels):
			return fmt.Errorf("field %.80q has %d levels, want 1 to %d", f.Name, len(f.Levels), maxLevels)
		case len(f.Edges) > 0 && (len(f.Levels) != len(f.Edges)+1 || !slices.IsSorted(f.Edges)):
			return fmt.Errorf("field %.80q has %d levels for %d borders of bins", f.Name, len(f.Levels), len(f.Edges))
		case f.Other != "" && !slices.Contains(f.Levels, f.Other):
			return fmt.Errorf("field %.80q has no level %.80q", f.Name, f.Other)
		}
		seen[f.Name] = true
	}
	return nil
}

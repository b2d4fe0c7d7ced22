package weights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Param is a tensor of a model together with the name under which a file holds it.
type Param struct {
	Name   string
	Tensor *tensor.Tensor
}

// Mapping says how the names of a file become those of a model.
type Mapping struct {
	// Rename turns a model's name into the file's; nil leaves it as it is.
	Rename func(name string) string
	// Ignore names tensors of the file that the model has no use for, such as a counter of batches; nil ignores
	// none. It is asked with the file's name and only for tensors that no parameter claimed.
	Ignore func(name string) bool
	// Copy copies the elements into the model's own memory, as training needs it. Without Copy an F32 or F64
	// parameter becomes a read-only view of the mapping.
	Copy bool
}

// Problem is one difference between a model and a file.
type Problem struct {
	Name string // the file's name of the tensor
	What string // "missing", "unused", or what is wrong with its dtype or shape
}

// BindError reports every difference between a model and a file at once.
type BindError struct {
	File     string
	Problems []Problem // in the order missing, mis-shaped, unused; by name within each
}

// Error lists the problems, one line each, all of them up to 100.
func (e *BindError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d tensors do not fit the model", e.File, len(e.Problems))
	for i, p := range e.Problems {
		if i == 100 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Problems)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s: %s", p.Name, p.What)
	}
	return b.String()
}

// Bind fills every parameter from f, or changes none and returns a *BindError that lists all tensors that are
// missing, unused, or of another shape or dtype. Half types widen to Float32 exactly; F32 and F64 bind to their
// own kind only. Without m.Copy each *Param.Tensor header is replaced by one that views the mapping, so f must
// stay open as long as the model lives.
func Bind(f *File, params []Param, m Mapping) error {
	problems, index := match(f, params, m)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int {
			return cmp.Or(rank(a.What)-rank(b.What), strings.Compare(a.Name, b.Name))
		})
		return &BindError{File: f.path, Problems: problems}
	}
	for i, p := range params {
		t := f.float(index[i])
		if m.Copy {
			copyInto(p.Tensor, t)
		} else {
			*p.Tensor = *t
		}
	}
	return nil
}

func rank(what string) int {
	switch what {
	case "missing":
		return 0
	case "unused":
		return 2
	}
	return 1
}

// match finds the stored tensor of every parameter and all that does not fit.
func match(f *File, params []Param, m Mapping) ([]Problem, []int) {
	var problems []Problem
	index := make([]int, len(params))
	claimed := make(map[string]bool, len(params))
	for i, p := range params {
		name := p.Name
		if m.Rename != nil {
			name = m.Rename(name)
		}
		if claimed[name] {
			problems = append(problems, Problem{name, "wanted by two parameters"})
			continue
		}
		claimed[name] = true
		at, ok := f.find(name)
		if !ok {
			problems = append(problems, Problem{name, "missing"})
			continue
		}
		index[i] = at
		if what := misfit(f.infos[at], p.Tensor); what != "" {
			problems = append(problems, Problem{name, what})
		}
	}
	for _, info := range f.infos {
		if !claimed[info.Name] && (m.Ignore == nil || !m.Ignore(info.Name)) {
			problems = append(problems, Problem{info.Name, "unused"})
		}
	}
	return problems, index
}

// misfit says how a stored tensor differs from what the parameter wants, "" when it fits.
func misfit(info Info, want *tensor.Tensor) string {
	if !slices.Equal(info.Shape, want.Shape()) {
		return fmt.Sprintf("shape %v, the model has %v", info.Shape, want.Shape())
	}
	switch want.DType() {
	case tensor.Float64:
		if info.DType == F64 {
			return ""
		}
	case tensor.Float32:
		if info.DType == F32 || info.DType == F16 || info.DType == BF16 {
			return ""
		}
	}
	return fmt.Sprintf("dtype %s, the model has %s", info.DType, want.DType())
}

func copyInto(dst, src *tensor.Tensor) {
	if dst.DType() == tensor.Float64 {
		copy(dst.F64(), src.F64())
		return
	}
	copy(dst.F32(), src.F32())
}

package nn

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Params lists the parameters of a model, a pointer to a struct, in the order of its fields, and sets
// their names. Fields are followed if they carry the tag `weights:"name"`: parameters, structs, pointers,
// interfaces, and slices and arrays, whose elements are named by their index. Nil pointers and empty
// slices hold nothing. The tag "-" leaves a field out.
//
// It panics with *tensor.Error if a field holds parameters but has no tag, if two parameters get one
// name, or if one parameter is reached by two names.
func Params(model any) []*Param {
	w := &walk{names: map[string]bool{}, seen: map[*Param]string{}}
	w.value(reflect.ValueOf(model), "")
	return w.params
}

// Packer is a layer with weights to pack; see Pack.
type Packer interface{ Pack() }

// joiner is a layer that packs others as one.
type joiner interface{ joined() [3]*Linear }

// Pack packs all weights of a model now rather than on first use, as a server does after loading. Layers that another
// one packs with its own are not packed once more.
func Pack(model any) {
	done := map[any]bool{}
	w := &walk{names: map[string]bool{}, seen: map[*Param]string{}, layer: func(l any) {
		if j, ok := l.(joiner); ok {
			for _, other := range j.joined() {
				done[other] = true
			}
		}
		if p, ok := l.(Packer); ok && !done[l] {
			p.Pack()
		}
	}}
	w.value(reflect.ValueOf(model), "")
}

type walk struct {
	params []*Param
	names  map[string]bool
	seen   map[*Param]string
	layer  func(layer any) // called for every pointer to a struct
}

var paramType = reflect.TypeFor[*Param]()

// value walks v, whose dotted name is name.
func (w *walk) value(v reflect.Value, name string) {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return
	}
	if v.IsValid() && v.Type() == paramType {
		w.param(v.Interface().(*Param), name)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if w.layer != nil && v.Kind() == reflect.Pointer && v.CanInterface() {
			w.layer(v.Interface())
		}
		w.value(v.Elem(), name)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.value(v.Index(i), join(name, strconv.Itoa(i)))
		}
	case reflect.Struct:
		w.fields(v, name)
	case reflect.Invalid:
	default:
		failf("%s: a field of type %s cannot hold parameters", name, v.Type())
	}
}

func (w *walk) fields(v reflect.Value, name string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, ok := f.Tag.Lookup("weights")
		switch {
		case tag == "-":
		case ok && !f.IsExported():
			failf("%s: the tagged field %s.%s is not exported", name, v.Type(), f.Name)
		case ok:
			w.value(v.Field(i), join(name, tag))
		case holdsParams(f.Type, map[reflect.Type]bool{}):
			failf("%s: field %s.%s holds parameters but has no weights tag", name, v.Type(), f.Name)
		}
	}
}

func (w *walk) param(p *Param, name string) {
	if w.names[name] {
		failf("two parameters are named %q", name)
	}
	if other, ok := w.seen[p]; ok {
		failf("one parameter is reached as %q and as %q; tag the second field with \"-\"", other, name)
	}
	w.names[name], w.seen[p] = true, name
	if p.Name != name {
		p.Name = name
	}
	w.params = append(w.params, p)
}

// holdsParams says whether a value of type t can hold a parameter. Interfaces do not count.
func holdsParams(t reflect.Type, visited map[reflect.Type]bool) bool {
	if t == paramType || t == paramType.Elem() {
		return true
	}
	if visited[t] {
		return false
	}
	visited[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsParams(t.Elem(), visited)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("weights") != "-" && holdsParams(f.Type, visited) {
				return true
			}
		}
	}
	return false
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	if name == "" {
		return prefix
	}
	return prefix + "." + name
}

func failf(format string, args ...any) {
	panic(&tensor.Error{Op: "Params", Msg: fmt.Sprintf(format, args...)})
}

// Count is the number of weights in a model.
func Count(model any) int {
	n := 0
	for _, p := range Params(model) {
		n += p.Len()
	}
	return n
}

// Copy copies the weights of src into dst, a model of the same structure, converting between element
// types. It panics with *tensor.Error if names or shapes differ.
func Copy(dst, src any) {
	ds, ss := Params(dst), Params(src)
	if len(ds) != len(ss) {
		failf("Copy: %d parameters into %d", len(ss), len(ds))
	}
	for i, d := range ds {
		if d.Name != ss[i].Name {
			failf("Copy: %q into %q", ss[i].Name, d.Name)
		}
		d.CopyFrom(ss[i].Tensor)
		d.Changed()
	}
}

// To converts all weights of a model to the element type d, in new memory, and drops their gradients. A
// Float64 twin is a second model of the same configuration, Copy, and To(twin, tensor.Float64).
func To(model any, d tensor.DType) {
	for _, p := range Params(model) {
		p.Tensor, p.Grad = p.To(d), nil
		p.Changed()
	}
}

// Bind fills a model from a file by name, strictly; see weights.Bind for the report and for the lifetime
// of f. Weights bound without m.Copy are read-only: training needs m.Copy.
func Bind(model any, f *weights.File, m weights.Mapping) error {
	ps := Params(model)
	list := make([]weights.Param, len(ps))
	for i, p := range ps {
		list[i] = weights.Param{Name: p.Name, Tensor: p.Tensor}
	}
	err := weights.Bind(f, list, m)
	if err == nil {
		for _, p := range ps {
			p.Changed()
		}
	}
	return err
}

package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
)

// MaxText is the largest recipe in bytes.
const MaxText = 64 << 10

// Decode reads one YAML document into out, a pointer to a struct. An unknown field is an error that names its line and
// lists the fields that are known there; so are a second document, anchors (a few bytes of them can stand for
// gigabytes) and more than MaxText bytes. Errors are of kind Invalid.
func Decode(text []byte, out any) error {
	if err := decode(text, out); err != nil {
		return fault.E(fault.Invalid, "BAD_RECIPE", "recipe.Decode", "%w", err)
	}
	return nil
}

func decode(text []byte, out any) error {
	if len(text) > MaxText {
		return fmt.Errorf("the recipe has %d bytes, at most %d", len(text), MaxText)
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the recipe is empty")
		}
		return plain(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("the recipe has more than one document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return errors.New("the recipe is not a list of fields (name: value)")
	}
	if err := checkFields(doc.Content[0], reflect.TypeOf(out).Elem(), ""); err != nil {
		return err
	}
	return plain(doc.Decode(out))
}

// plain drops the library's prefix from its errors.
func plain(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
}

// checkFields compares the keys of a mapping with the yaml tags of a struct, and descends, also into lists of structs.
func checkFields(n *yaml.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: anchors and aliases are not allowed", n.Line)
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		of := reflect.TypeFor[any]()
		if t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode {
			of = t.Elem()
		}
		for _, c := range n.Content {
			if err := checkFields(c, of, path); err != nil {
				return err
			}
		}
		return nil
	}
	known := fields(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(known, func(f field) bool { return f.name == key.Value })
		if at < 0 {
			names := make([]string, len(known))
			for j, f := range known {
				names[j] = f.name
			}
			where := "a recipe"
			if path != "" {
				where = path
			}
			return fmt.Errorf("line %d: %s has no field %.80q; known are %s", key.Line, where, key.Value,
				strings.Join(names, ", "))
		}
		if err := checkFields(value, known[at].typ, strings.TrimPrefix(path+"."+key.Value, ".")); err != nil {
			return err
		}
	}
	return nil
}

type field struct {
	name string
	typ  reflect.Type
}

func fields(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			fs = append(fs, fields(f.Type)...)
		}
		if f.IsExported() && name != "" && name != "-" {
			fs = append(fs, field{name, f.Type})
		}
	}
	return fs
}

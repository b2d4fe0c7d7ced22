package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// value is a JSON value that remembers the order of its fields.
type value struct {
	kind   byte // '{', '[', 's' string, 'n' number, 'b' boolean or null
	text   string
	fields []field
	items  []*value
}

type field struct {
	name  string
	value *value
}

// parse reads one JSON value and nothing behind it.
func parse(text []byte) (*value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := next(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func next(d *json.Decoder) (*value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case string:
		return &value{kind: 's', text: t}, nil
	case json.Number:
		return &value{kind: 'n', text: t.String()}, nil
	case json.Delim:
		v := &value{kind: byte(t)}
		for d.More() {
			var name string
			if t == '{' {
				n, err := d.Token()
				if err != nil {
					return nil, err
				}
				name, _ = n.(string)
			}
			x, err := next(d)
			if err != nil {
				return nil, err
			}
			if t == '{' {
				v.fields = append(v.fields, field{name, x})
			} else {
				v.items = append(v.items, x)
			}
		}
		_, err := d.Token()
		return v, err
	}
	return &value{kind: 'b', text: fmt.Sprint(t)}, nil
}

// get is a field, or nil.
func (v *value) get(name string) *value {
	for _, f := range v.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// flat says whether v has a line of its own in a table.
func (v *value) flat() bool { return v.kind != '{' && v.kind != '[' }

// cell is v in a table: numbers with four digits.
func (v *value) cell() string {
	switch v.kind {
	case 'n':
		x, err := strconv.ParseFloat(v.text, 64)
		if err != nil || !strings.ContainsAny(v.text, ".eE") {
			return v.text
		}
		return number(x)
	case '[', '{':
		var l []string
		for _, x := range v.items {
			l = append(l, x.cell())
		}
		for _, f := range v.fields {
			l = append(l, f.name+" "+f.value.cell())
		}
		return strings.Join(l, ", ")
	}
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(v.text)
}

// number is x with four digits, all of those before the point, and no exponent where four digits need none.
func number(x float64) string {
	a := math.Abs(x)
	switch {
	case x == 0:
		return "0"
	case a < 1e-4 || a >= 1e7:
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	digits := 3 - int(math.Floor(math.Log10(a)))
	return strconv.FormatFloat(x, 'f', max(digits, 0), 64)
}

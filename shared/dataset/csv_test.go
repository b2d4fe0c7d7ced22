package dataset

import (
	"math"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func TestCSV(t *testing.T) {
	text := "\ufeffage, city ,y,id\n 3.5,b,10,1\n?,a,9,2\n-1e2,\"b\",10,3\n4,,9,4\n"
	tab, err := ReadCSV(strings.NewReader(text), CSV{Label: "y"})
	if err != nil {
		t.Fatal(err)
	}
	if tab.Rows != 4 || len(tab.Columns) != 3 || tab.Columns[0].Name != "age" || tab.Columns[1].Name != "city" {
		t.Fatalf("%+v", tab)
	}
	age, city := tab.Columns[0], tab.Columns[1]
	if age.Levels != nil || age.Values[0] != 3.5 || !math.IsNaN(age.Values[1]) || age.Values[2] != -100 {
		t.Error(age)
	}
	if strings.Join(city.Levels, ",") != "a,b" || city.Values[0] != 1 || !math.IsNaN(city.Values[3]) {
		t.Error(city)
	}
	if strings.Join(tab.Classes, ",") != "9,10" || tab.Labels[0] != 1 || tab.Labels[1] != 0 {
		t.Error(tab.Classes, tab.Labels)
	}
	again, err := ReadCSV(strings.NewReader(text), CSV{Label: "y"})
	if err != nil || again.Hash() != tab.Hash() {
		t.Error("the hash is not fixed", err)
	}
	other, err := ReadCSV(strings.NewReader(strings.Replace(text, "3.5", "3.6", 1)), CSV{Label: "y"})
	if err != nil || other.Hash() == tab.Hash() {
		t.Error("the hash misses a value", err)
	}
}

func TestCSVPictures(t *testing.T) {
	text := "5;0;255;7;8\n3;1;2;3;4\n"
	tab, err := ReadCSV(strings.NewReader(text), CSV{NoHeader: true, Comma: ';', Label: "0"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := tab.Pictures(2, 2, 1)
	if err != nil || p.Len() != 2 || p.Bytes(0)[1] != 255 || p.Bytes(1)[3] != 4 || p.Classes()[p.Label(0)] != "5" {
		t.Fatal(p, err)
	}
	_, err = tab.Pictures(3, 1, 1)
	wantFault(t, "size", err, fault.Invalid, "4 columns are no pictures of 3x1x1")
	bad := map[string]string{
		"1,x\n": `is "x"`, "1,256\n": "is 256", "1,0.5\n": "is 0.5", "1,-1\n": "is -1", "1,?\n": "is NaN",
	}
	for text, want := range bad {
		tab, err := ReadCSV(strings.NewReader(text), CSV{NoHeader: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tab.Pictures(1, 2, 1)
		wantFault(t, text, err, fault.Corrupt, want)
	}
}

func TestCSVRefuses(t *testing.T) {
	rows := map[string]struct {
		text string
		c    CSV
		kind fault.Kind
		want string
	}{
		"nothing":       {"", CSV{}, fault.Corrupt, "no rows"},
		"header alone":  {"a,b\n", CSV{}, fault.Corrupt, "no rows"},
		"ragged":        {"a,b\n1\n", CSV{}, fault.Corrupt, "wrong number of fields"},
		"quote":         {"a\n\"x\n", CSV{}, fault.Corrupt, "quote"},
		"same names":    {"a,a\n1,2\n", CSV{}, fault.Corrupt, `both named "a"`},
		"no such label": {"a,b\n1,2\n", CSV{Label: "c"}, fault.Invalid, `no column "c", there are ["a" "b"]`},
		"unlabelled":    {"a,b\n1,2\n1,?\n", CSV{Label: "b"}, fault.Corrupt, "row 2 has no label"},
		"rows":          {"a\n1\n2\n3\n", CSV{Limits: Limits{Items: 2}}, fault.Corrupt, "more than 2 rows"},
		"bytes":         {"a\n1\n2\n3\n", CSV{Limits: Limits{Bytes: 5}}, fault.Corrupt, "or 5 bytes"},
	}
	for name, r := range rows {
		_, err := ReadCSV(strings.NewReader(r.text), r.c)
		wantFault(t, name, err, r.kind, r.want)
	}
	_, err := OpenCSV("/does/not/exist", CSV{})
	wantFault(t, "no file", err, fault.NotFound, "")
}

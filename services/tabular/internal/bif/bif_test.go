package bif

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

const wet = `// a comment
network "wet grass" { property author someone, 1998 ; property x = (1, 2); }
variable rain { type discrete [ 2 ] { yes, no }; property position = (10, 20) ; }
/* two
lines */
variable sprinkler { type discrete[2]{on off}; }
variable "wet grass" { type discrete [ 3 ] { "very wet", damp, <1 }; }
probability ( "wet grass" | rain, sprinkler ) {
  property "a note; with" nothing;
  default 0.25, 0.25, 0.5;
  (no, off) 0, 0, 1; // dry
  ( yes , on ) 9e-1 0.1 0;
}
probability ( rain ) { table 0.2, 0.8; }
probability ( sprinkler | rain ) { table 0.1, 0.4, 0.9, 0.6; }
`

func TestRead(t *testing.T) {
	f, err := Read(strings.NewReader(wet))
	if err != nil {
		t.Fatal(err)
	}
	n := f.Network
	if f.Name != "wet grass" || !reflect.DeepEqual(n.Schema().Fields[2].Levels, []string{"very wet", "damp", "<1"}) {
		t.Errorf("name %q, fields %+v", f.Name, n.Schema().Fields)
	}
	want := []bayesnet.Node{
		{Table: []float64{0.2, 0.8}},
		{Parents: []int{0}, Table: []float64{0.1, 0.9, 0.4, 0.6}}, // the child's levels change slowest in the file
		{Parents: []int{0, 1}, Table: []float64{0.9, 0.1, 0, 0.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0, 0, 1}},
	}
	if !reflect.DeepEqual(n.Nodes(), want) {
		t.Errorf("nodes %+v", n.Nodes())
	}
	var text bytes.Buffer
	if err := Write(&text, f); err != nil {
		t.Fatal(err)
	}
	g, err := Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	if g.Name != f.Name || !reflect.DeepEqual(g.Network.Nodes(), n.Nodes()) || !reflect.DeepEqual(g.Network.Schema(), n.Schema()) {
		t.Errorf("written and read it is %+v", g.Network)
	}
}

// TestBadFiles: each is refused with its line and reason.
func TestBadFiles(t *testing.T) {
	replace := func(old, with string) string { return strings.Replace(wet, old, with, 1) }
	for name, c := range map[string]struct{ text, says string }{
		"empty":                 {"", "no variable"},
		"no BIF":                {"hello", "network, variable or probability"},
		"open comment":          {wet + "/* ", "comment"},
		"open quote":            {replace(`"very wet"`, `"very wet`), "quoted"},
		"control character":     {replace("damp", "da\x00mp"), "control character"},
		"not UTF-8":             {replace("damp", "da\xffmp"), "UTF-8"},
		"levels":                {replace("[ 2 ]", "[ 3 ]"), "announced"},
		"no number of levels":   {replace("[ 2 ]", "[ two ]"), "levels"},
		"level twice":           {replace("yes, no", "yes, yes"), "twice"},
		"continuous":            {replace("type discrete", "type continuous"), "discrete"},
		"variable twice":        {wet + "variable rain { type discrete [ 1 ] { a }; }", "twice"},
		"no type":               {wet + "variable snow { }", "no type"},
		"no table":              {wet + "variable snow { type discrete [ 1 ] { a }; }", "no probability block"},
		"second block":          {wet + "probability ( rain ) { table 0.2, 0.8; }", "second"},
		"second network":        {wet + "network x { }", "second"},
		"unknown child":         {wet + "probability ( snow ) { table 1; }", "not declared"},
		"unknown parent":        {replace("| rain, sprinkler", "| rain, snow"), "not declared"},
		"own parent":            {replace("| rain, sprinkler", `| rain, "wet grass"`), "itself"},
		"unknown level":         {replace("(no, off)", "(no, maybe)"), "no level"},
		"too few levels":        {replace("(no, off)", "(no)"), "row of 1"},
		"row twice":             {replace("( yes , on )", "(no, off)"), "second row"},
		"row missing":           {replace("default 0.25, 0.25, 0.5;", ""), "no default"},
		"second default":        {replace("default", "default 1, 0, 0; default"), "default"},
		"short table":           {replace("table 0.2, 0.8", "table 0.2"), "table of 1"},
		"table and rows":        {replace("default 0.25, 0.25, 0.5;", "table 1, 0, 0;"), "nothing else"},
		"no number":             {replace("table 0.2", "table x"), "numbers from 0 to 1"},
		"NaN":                   {replace("table 0.2", "table NaN"), "numbers from 0 to 1"},
		"negative":              {replace("table 0.2", "table -0.2"), "numbers from 0 to 1"},
		"above one":             {replace("table 0.2", "table 1.2"), "numbers from 0 to 1"},
		"no sum of one":         {replace("table 0.2", "table 0.3"), "adds up to"},
		"the end comes early":   {wet[:len(wet)-3], "ends"},
		"property without end":  {wet + "network_ { property", "network, variable or probability"},
		"property without end2": {"network a { property x", "semicolon"},
		"cycle":                 {replace("probability ( rain ) { table 0.2, 0.8; }", "probability ( rain | sprinkler ) { default 0.2, 0.8; }"), "ancestor"},
		"long name":             {"variable " + strings.Repeat("x", MaxName+1), "bytes"},
	} {
		_, err := Read(strings.NewReader(c.text))
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || !strings.Contains(f.Message(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestTableTooLarge announces a table of 2^62 cells: refused before it is made.
func TestTableTooLarge(t *testing.T) {
	var b strings.Builder
	for i := range 62 {
		b.WriteString("variable v" + strings.Repeat("i", i) + " { type discrete [ 2 ] { a, b }; }\n")
	}
	b.WriteString("probability ( v | ")
	for i := 1; i < 62; i++ {
		b.WriteString("v" + strings.Repeat("i", i) + ", ")
	}
	text := strings.TrimSuffix(b.String(), ", ") + " ) { default 1, 0; }"
	if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	one := []bayesnet.Node{{Table: []float64{1}}}
	for _, s := range []*table.Schema{
		{Fields: []table.Field{{Name: `a"b`, Levels: []string{"x"}}}}, {Fields: []table.Field{{Name: "", Levels: []string{"x"}}}},
		{Fields: []table.Field{{Name: "a", Levels: []string{"x\ny"}}}},
	} {
		n, err := bayesnet.New(s, one)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(new(bytes.Buffer), &File{Network: n}); err == nil {
			t.Errorf("%+v is written", s)
		}
	}
	n, err := bayesnet.New(&table.Schema{Fields: []table.Field{{Name: "x", Kind: table.Numeric}}},
		[]bayesnet.Node{{Mean: []float64{0}, Variance: []float64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(new(bytes.Buffer), &File{Network: n}); err == nil {
		t.Error("a numeric field is written")
	}
}

// FuzzRead: no text panics, and what is read survives a round trip.
func FuzzRead(f *testing.F) {
	f.Add(wet)
	for _, name := range []string{"asia", "sprinkler", "cancer"} {
		text, err := os.ReadFile("../networks/" + name + ".bif")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("variable a { type discrete [1] {x}; } probability (a) { table 1; }")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, a); err != nil {
			return // an empty quoted name
		}
		b, err := Read(&out)
		if err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
		if !reflect.DeepEqual(a.Network.Nodes(), b.Network.Nodes()) {
			t.Fatalf("%+v is read as %+v", a.Network.Nodes(), b.Network.Nodes())
		}
	})
}

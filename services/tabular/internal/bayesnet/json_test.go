package bayesnet

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestJSON(t *testing.T) {
	for _, n := range []*Network{sprinkler(t), line(t), mixed(t)} {
		text, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		var m Network
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(n.nodes, m.nodes) || !reflect.DeepEqual(n.schema, m.schema) {
			t.Errorf("%s is read as %+v", text, m)
		}
	}
	for _, text := range []string{"{}", `{"schema":{"fields":[]}}`, `{"schema":{"fields":[{"name":"a","levels":["x"]}]}}`,
		`{"schema":{"fields":[{"name":"a","levels":["x"]}]},"nodes":[{"table":[2]}]}`, `[]`} {
		if err := json.Unmarshal([]byte(text), new(Network)); err == nil {
			t.Errorf("%s is a network", text)
		}
	}
}

package tagger

import (
	"bytes"
	"encoding/json"

	"github.com/manifold-gen/manifold/shared/fault"
)

// stored is a model as JSON: its counts and settings.
type stored struct {
	Tags     []string     `json:"tags"`
	Config   Config       `json:"config"`
	Trigrams []gram       `json:"trigrams"`
	Lexicon  []storedWord `json:"lexicon"`
}

// gram is three tags and their count.
type gram [4]uint32

type storedWord struct {
	Word  string   `json:"w"`
	First bool     `json:"f,omitempty"`
	Tag   []int32  `json:"t"`
	Count []uint32 `json:"n"`
}

// MaxFile is the largest file in bytes.
const MaxFile = 256 << 20

// Encode writes the model as JSON.
func (m *Model) Encode() ([]byte, error) {
	s := stored{Tags: m.tags, Config: m.cfg}
	k := len(m.tags) + 1
	for i, n := range m.tri {
		if n > 0 {
			s.Trigrams = append(s.Trigrams, gram{uint32(i / (k * k)), uint32(i / k % k), uint32(i % k), n})
		}
	}
	for _, e := range m.lex {
		s.Lexicon = append(s.Lexicon, storedWord{e.word, e.first, e.tag, e.count})
	}
	return json.Marshal(s)
}

func corrupt(format string, args ...any) error {
	return fault.E(fault.Corrupt, "BAD_MODEL", "tagger.Decode", format, args...)
}

// Decode reads what Encode wrote. Errors are of kind Corrupt.
func Decode(data []byte) (*Model, error) {
	if len(data) > MaxFile {
		return nil, corrupt("%d bytes, at most %d", len(data), MaxFile)
	}
	var s stored
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, corrupt("%w", err)
	}
	if d.More() {
		return nil, corrupt("more than one value")
	}
	k := len(s.Tags)
	if k < 1 || k > MaxTags || len(s.Trigrams) == 0 || len(s.Lexicon) == 0 {
		return nil, corrupt("%d tags, %d trigrams, %d words: want 1 to %d, and some of both", k, len(s.Trigrams),
			len(s.Lexicon), MaxTags)
	}
	if err := s.Config.check(); err != nil {
		return nil, corrupt("%s", err.Error())
	}
	m := &Model{tags: s.Tags, cfg: s.Config, tri: make([]uint32, (k+1)*(k+1)*(k+1))}
	last := -1
	for i, g := range s.Trigrams {
		if int(g[0]) > k || int(g[1]) > k || int(g[2]) > k || g[3] == 0 {
			return nil, corrupt("trigram %d is %v with %d tags", i, g, k)
		}
		at := (int(g[0])*(k+1)+int(g[1]))*(k+1) + int(g[2])
		if at <= last {
			return nil, corrupt("trigram %d is out of order", i)
		}
		m.tri[at], last = g[3], at
	}
	for i, w := range s.Lexicon {
		e := entry{w.Word, w.First, w.Tag, w.Count}
		if w.Word == "" || len(w.Word) > MaxBytes || len(w.Tag) == 0 || len(w.Tag) != len(w.Count) ||
			i > 0 && compare(m.lex[i-1], e) >= 0 {
			return nil, corrupt("word %d is empty, without counts or out of order", i)
		}
		for j, t := range w.Tag {
			if t < 0 || int(t) >= k || w.Count[j] == 0 || j > 0 && t <= w.Tag[j-1] {
				return nil, corrupt("word %d has tag %d with count %d at %d", i, t, w.Count[j], j)
			}
		}
		m.lex = append(m.lex, e)
	}
	m.open()
	return m, nil
}

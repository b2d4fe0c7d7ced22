package sampler

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// State is where one picture is on its way. It is all that a resumed trajectory needs.
type State struct {
	X       []float32   // the current sample, H*W*C elements
	Step    int         // 0..Steps, the number of finished steps
	Stage   int         // evaluations already made inside the step: Heun 0 or 1, others 0
	History [][]float32 // solver memory, none or as many slices as the method wants, each as long as X

	scratch []float32 // noise; not part of what is carried
}

// NewState starts at noise, standard normals, which it keeps as X. It makes room for the solver's memory,
// so that no Step allocates unless the method draws noise, and then only the first.
func NewState(s Sampler, noise []float32) *State {
	st := &State{X: noise}
	if h, ok := s.(interface{ memory() int }); ok {
		st.remember(h.memory())
	}
	return st
}

func (b *base) memory() int { return b.history }

// remember makes room for n slices of history.
func (s *State) remember(n int) {
	for len(s.History) < n {
		s.History = append(s.History, make([]float32, len(s.X)))
	}
}

// normals returns the picture's noise at the current step.
func (s *State) normals(noise Noise) []float32 {
	if len(s.scratch) != len(s.X) {
		s.scratch = make([]float32, len(s.X))
	}
	noise(s.scratch, s.Step)
	return s.scratch
}

// Clone copies everything.
func (s *State) Clone() *State {
	c := &State{X: slices.Clone(s.X), Step: s.Step, Stage: s.Stage}
	for _, h := range s.History {
		c.History = append(c.History, slices.Clone(h))
	}
	return c
}

const (
	stateVersion   = 1
	stateHeader    = 12
	maxHistory     = 4
	maxStateLength = 1 << 26
)

// MarshalBinary writes the State: version, stage and number of history slices as one byte each, a zero
// byte, the step and the number of elements as little-endian uint32, then X and the history as
// little-endian float32.
func (s *State) MarshalBinary() ([]byte, error) {
	if s.Step < 0 || s.Step > math.MaxInt32 || s.Stage < 0 || s.Stage > 1 || len(s.History) > maxHistory {
		return nil, fmt.Errorf("sampler: cannot write a state at step %d, stage %d with %d slices of history",
			s.Step, s.Stage, len(s.History))
	}
	b := make([]byte, stateHeader, stateHeader+4*len(s.X)*(1+len(s.History)))
	b[0], b[1], b[2] = stateVersion, byte(s.Stage), byte(len(s.History))
	binary.LittleEndian.PutUint32(b[4:], uint32(s.Step))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(s.X)))
	b = appendFloats(b, s.X)
	for _, h := range s.History {
		if len(h) != len(s.X) {
			return nil, fmt.Errorf("sampler: history of %d elements in a state of %d", len(h), len(s.X))
		}
		b = appendFloats(b, h)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote and nothing else: it refuses another version, a wrong
// length, and values that are not finite. Check then compares the State with a sampler.
func (s *State) UnmarshalBinary(b []byte) error {
	if len(b) < stateHeader {
		return fmt.Errorf("sampler: state of %d bytes, want at least %d", len(b), stateHeader)
	}
	if b[0] != stateVersion {
		return fmt.Errorf("sampler: state of version %d, want %d", b[0], stateVersion)
	}
	stage, history := int(b[1]), int(b[2])
	step, n := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if stage > 1 || history > maxHistory || b[3] != 0 || step > math.MaxInt32 || n > maxStateLength {
		return fmt.Errorf("sampler: state header out of range: stage %d, history %d, step %d, %d elements",
			stage, history, step, n)
	}
	b = b[stateHeader:]
	if want := 4 * int64(n) * int64(1+history); int64(len(b)) != want {
		return fmt.Errorf("sampler: state with %d bytes of values, want %d", len(b), want)
	}
	t := State{Step: int(step), Stage: stage}
	var err error
	if t.X, b, err = readFloats(b, int(n)); err != nil {
		return err
	}
	for range history {
		var h []float32
		if h, b, err = readFloats(b, int(n)); err != nil {
			return err
		}
		t.History = append(t.History, h)
	}
	*s = t
	return nil
}

func appendFloats(b []byte, x []float32) []byte {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func readFloats(b []byte, n int) (x []float32, rest []byte, err error) {
	x = make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if v := float64(x[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, fmt.Errorf("sampler: state holds %g, want finite values", v)
		}
	}
	return x, b[4*n:], nil
}

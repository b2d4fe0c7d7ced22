package text

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// The tokens that every vocabulary has.
const (
	Unknown = 0 // <unk>
	Begin   = 1 // <s>
	Finish  = 2 // </s>

	// Specials is the number of them.
	Specials = 3
)

var specials = [Specials]string{"<unk>", "<s>", "</s>"}

// MaxVocabulary is the greatest number of tokens.
const MaxVocabulary = 1 << 27

// Vocab numbers strings. It is built by Add and may then be read by any number of goroutines.
type Vocab struct {
	arena []byte
	ends  []uint32 // of the strings in arena
	table []place
}

// place is one of the hash table: strings of up to eight bytes lie in it whole, as short gives them, so that finding
// one touches no other memory; others by their hash.
type place struct {
	key uint64
	len uint32 // long for strings of more than eight bytes
	id  uint32 // number + 1; 0 is free
}

const long = ^uint32(0)

// NewVocab has the special tokens only.
func NewVocab() *Vocab {
	v := &Vocab{table: make([]place, 1<<10)}
	for _, s := range specials {
		v.Add([]byte(s))
	}
	return v
}

// Len is the number of tokens.
func (v *Vocab) Len() int { return len(v.ends) }

// Bytes are a token's; they are not to be changed.
func (v *Vocab) Bytes(token int32) []byte {
	from := uint32(0)
	if token > 0 {
		from = v.ends[token-1]
	}
	return v.arena[from:v.ends[token]:v.ends[token]]
}

// Find is the number of a token, -1 for none.
func (v *Vocab) Find(s []byte) int32 {
	id, _, _ := v.find(s)
	return id
}

// find gives the number, or -1 and the place where it would be entered, with the slot.
func (v *Vocab) find(s []byte) (id int32, p place, slot uint64) {
	mask := uint64(len(v.table) - 1)
	p = place{len: uint32(len(s))}
	if len(s) <= 8 {
		p.key = short(s)
		slot = mix(p.key^uint64(len(s))<<59, 0xA0761D6478BD642F) & mask
	} else {
		p.key, p.len = hash(s), long
		slot = p.key & mask
	}
	for ; ; slot = (slot + 1) & mask {
		e := &v.table[slot]
		if e.id == 0 {
			return -1, p, slot
		}
		if e.key == p.key && e.len == p.len {
			if id = int32(e.id - 1); p.len != long || string(v.Bytes(id)) == string(s) {
				return id, p, slot
			}
		}
	}
}

// Add is the number of a token, a new one where it was unknown.
func (v *Vocab) Add(s []byte) int32 {
	id, p, slot := v.find(s)
	if id >= 0 {
		return id
	}
	id = int32(len(v.ends))
	v.arena = append(v.arena, s...)
	v.ends = append(v.ends, uint32(len(v.arena)))
	p.id = uint32(id + 1)
	v.table[slot] = p
	if 2*len(v.ends) > len(v.table) {
		v.table = make([]place, 4*len(v.table))
		for id := range v.ends {
			_, p, slot := v.find(v.Bytes(int32(id)))
			p.id = uint32(id + 1)
			v.table[slot] = p
		}
	}
	return id
}

// Sorted is the same vocabulary in the order of the package's invariants, and the new number of every old token.
func (v *Vocab) Sorted() (*Vocab, []uint32) {
	order := make([]int32, v.Len())
	for i := range order {
		order[i] = int32(i)
	}
	rest := order[Specials:]
	slices.SortFunc(rest, func(a, b int32) int {
		return bytes.Compare(v.Bytes(a), v.Bytes(b))
	})
	s := NewVocab()
	to := make([]uint32, len(order))
	for i := range Specials {
		to[i] = uint32(i)
	}
	for _, id := range rest {
		to[id] = uint32(s.Add(v.Bytes(id)))
	}
	return s, to
}

// InOrder says whether tokens are in the order of their bytes.
func (v *Vocab) InOrder() bool {
	n := v.Len() - Specials
	return sort.SliceIsSorted(make([]struct{}, n), func(i, j int) bool {
		return string(v.Bytes(int32(i+Specials))) < string(v.Bytes(int32(j+Specials)))
	})
}

// Tables are the bytes of all tokens and their ends, for storing; they are not to be changed.
func (v *Vocab) Tables() (arena []byte, ends []uint32) { return v.arena, v.ends }

// FromTables is the vocabulary of what Tables gave; nil where it is not one: ends that fall or do not fit, other
// special tokens, or a token that is there twice.
func FromTables(arena []byte, ends []uint32) *Vocab {
	if len(ends) < Specials || len(ends) > MaxVocabulary || int(ends[len(ends)-1]) != len(arena) ||
		!slices.IsSorted(ends) {
		return nil
	}
	size := 1 << 10
	for size < 2*len(ends)+2 {
		size *= 2
	}
	v := &Vocab{table: make([]place, size), arena: arena, ends: ends}
	for id := range ends {
		s := v.Bytes(int32(id))
		if id < Specials && string(s) != specials[id] {
			return nil
		}
		old, p, slot := v.find(s)
		if old >= 0 {
			return nil
		}
		p.id = uint32(id + 1)
		v.table[slot] = p
	}
	return v
}

// hash mixes eight bytes at a time by the two halves of a wide product, as wyhash does.
func hash(s []byte) uint64 {
	h := uint64(len(s)) * 0x9E3779B97F4A7C15
	for ; len(s) > 8; s = s[8:] {
		h = mix(h^binary.LittleEndian.Uint64(s), 0xA0761D6478BD642F)
	}
	return mix(h^short(s), 0xE7037ED1A0B428DB)
}

// short holds all of at most eight bytes: with their number it says which they are.
func short(s []byte) uint64 {
	switch {
	case len(s) == 8:
		return binary.LittleEndian.Uint64(s)
	case len(s) >= 4:
		return uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[len(s)-4:]))<<32
	case len(s) > 0:
		return uint64(s[0]) | uint64(s[len(s)/2])<<8 | uint64(s[len(s)-1])<<16
	}
	return 0
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

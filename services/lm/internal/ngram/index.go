package ngram

// few is the number of followers up to which they are searched in their list; those of longer lists are found by the
// index, at a cache line or two instead of one for every halving.
const few = 4

// find is the number of the n-gram that follows n-gram at, whose followers are a to b, by a token; none where it is not
// there.
func (t *table) find(at, a, b, token uint32) uint32 {
	if b-a <= few {
		for i, w := range t.words[a:b] {
			if w == token {
				return a + uint32(i)
			}
		}
		return none
	}
	index := t.index
	mask := uint32(len(index) - 1)
	for h := place(at, token) & mask; ; h = (h + 1) & mask {
		i := index[h]
		if i == 0 {
			return none
		}
		if i-a < b-a && t.words[i] == token {
			return i
		}
	}
}

// place mixes the number of a context and a token.
func place(at, token uint32) uint32 {
	h := (uint64(at)*0x9E3779B97F4A7C15 ^ uint64(token)) * 0xD6E8FEB86659FD93
	return uint32(h >> 32)
}

// makeIndex enters the followers of all n-grams that have more than few. No follower has the number 0, and half of the
// places at least stay free.
func (t *table) makeIndex() {
	n := 0
	last := len(t.inner) - 1
	for i := range last {
		if k := t.inner[i+1].first - t.inner[i].first; k > few {
			n += int(k)
		}
	}
	size := 2
	for size < 2*n {
		size *= 2
	}
	t.index = make([]uint32, size)
	mask := uint32(size - 1)
	for i := range last {
		a, b := t.inner[i].first, t.inner[i+1].first
		if b-a <= few {
			continue
		}
		for c := a; c < b; c++ {
			h := place(uint32(i), t.words[c]) & mask
			for t.index[h] != 0 {
				h = (h + 1) & mask
			}
			t.index[h] = c
		}
	}
}

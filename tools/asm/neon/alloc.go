package neon

import (
	"errors"
	"slices"
)

// errRegisters says that a function needs more registers than there are.
var errRegisters = errors.New("neon: too few registers")

// general are the registers of arm64 that a leaf function may use: not R16 to R18, which belong to linker
// and platform, nor R26 to R30.
var general = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25}

// interval is the part of the code, from first to last, in which a register holds a value.
type interval struct {
	v           vreg
	first, last int
}

// allocate assigns a register to every virtual one: linear scan over live intervals. vector says which ones
// are vectors.
func allocate(code []inst, vector []bool) ([]int, error) {
	number := make([]int, len(vector))
	free := [2][]int{slices.Clone(general), nil}
	for i := range 32 {
		free[1] = append(free[1], i)
	}
	var active [2][]interval
	for _, iv := range intervals(code, len(vector)) {
		c := 0
		if vector[iv.v] {
			c = 1
		}
		// An instruction reads before it writes, so that a register may end and begin at the same one.
		active[c] = slices.DeleteFunc(active[c], func(a interval) bool {
			if a.last <= iv.first {
				free[c] = append(free[c], number[a.v])
				return true
			}
			return false
		})
		if len(free[c]) == 0 {
			return nil, errRegisters
		}
		slices.Sort(free[c])
		number[iv.v] = free[c][0]
		free[c] = free[c][1:]
		active[c] = append(active[c], iv)
	}
	return number, nil
}

// intervals returns the live intervals in order of their beginning.
func intervals(code []inst, n int) []interval {
	ivs := make([]interval, n)
	for i := range ivs {
		ivs[i] = interval{v: vreg(i), first: -1}
	}
	extend := func(v vreg, at int) {
		if ivs[v].first < 0 {
			ivs[v].first = at
		}
		ivs[v].first, ivs[v].last = min(ivs[v].first, at), max(ivs[v].last, at)
	}
	blocks := split(code, n)
	for _, b := range blocks {
		for v := range n {
			if b.in[v] {
				extend(vreg(v), b.first)
			}
			if b.out[v] {
				extend(vreg(v), b.last+1)
			}
		}
	}
	for at, i := range code {
		for _, v := range i.regs {
			extend(v, at)
		}
		for _, v := range i.writes() {
			extend(v, at+1) // also a result that nobody reads needs a register of its own
		}
	}
	ivs = slices.DeleteFunc(ivs, func(i interval) bool { return i.first < 0 })
	slices.SortStableFunc(ivs, func(a, b interval) int { return a.first - b.first })
	return ivs
}

// block is a run of code without branches or labels inside, with the registers that are live at its ends.
type block struct {
	first, last int
	next        []int // blocks that may follow
	in, out     []bool
	uses, kills []bool
}

// split finds the blocks of the code and solves for what is live between them.
func split(code []inst, n int) []*block {
	var blocks []*block
	at := map[string]int{}
	var b *block
	for k, i := range code {
		if b == nil || i.label != "" {
			b = &block{first: k, in: make([]bool, n), out: make([]bool, n), uses: make([]bool, n), kills: make([]bool, n)}
			blocks = append(blocks, b)
		}
		if i.label != "" {
			at[i.label] = len(blocks) - 1
		}
		for _, v := range i.reads() {
			b.uses[v] = b.uses[v] || !b.kills[v]
		}
		for _, v := range i.writes() {
			b.kills[v] = true
		}
		b.last = k
		if i.target != "" || i.ends {
			b = nil
		}
	}
	for k, b := range blocks {
		i := code[b.last]
		if i.target != "" {
			t, ok := at[i.target]
			if !ok {
				panic("neon: no label " + i.target)
			}
			b.next = append(b.next, t)
		}
		if !i.ends && k+1 < len(blocks) {
			b.next = append(b.next, k+1)
		}
	}
	for changed := true; changed; {
		changed = false
		for _, b := range slices.Backward(blocks) {
			for v := range n {
				out := slices.ContainsFunc(b.next, func(k int) bool { return blocks[k].in[v] })
				in := b.uses[v] || out && !b.kills[v]
				changed = changed || in != b.in[v] || out != b.out[v]
				b.in[v], b.out[v] = in, out
			}
		}
	}
	return blocks
}

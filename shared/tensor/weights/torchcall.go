package weights

import (
	"fmt"
	"math"
	"strings"
)

// global pushes a name that is known, and refuses every other before anything could be made of it.
func (p *pickler) global(module, name string) {
	if p.err != "" {
		return
	}
	g := pickleGlobal(module + "." + name)
	switch g {
	case globalDict, globalTensor, globalTensorV2, globalParameter:
		p.push(g)
		return
	}
	if _, ok := torchStorages[g]; ok {
		p.push(g)
		return
	}
	if strings.HasPrefix(string(g), "torch.") && strings.HasSuffix(name, "Storage") {
		p.fail("tensors of %s are not read; convert them to one of float, double, half, bfloat16, int64, int32, "+
			"uint8 or bool and save again", quote([]byte(g)))
		return
	}
	p.fail("the pickle asks for %s, which is refused: %s", quote([]byte(g)), torchStateDict)
}

// call is what calling a known name means.
func (p *pickler) call(f pickleGlobal, args pickleTuple) {
	if p.err != "" {
		return
	}
	var v any
	var msg string
	switch f {
	case globalDict:
		v, msg = makeDict(args)
	case globalTensor, globalTensorV2:
		v, msg = makeTensor(f, args)
	case globalParameter:
		msg = fmt.Sprintf("a parameter of %d arguments, want a tensor and two more", len(args))
		if len(args) == 3 {
			if t, ok := args[0].(*torchTensor); ok {
				v, msg = t, ""
			}
		}
	default:
		msg = fmt.Sprintf("the pickle calls %s, which is no function", quote([]byte(f)))
	}
	if msg != "" {
		p.fail("%s, at byte %d", msg, p.at)
		return
	}
	p.push(v)
}

// makeDict makes an OrderedDict: of nothing, or, as Python 2 wrote it, of a list of pairs.
func makeDict(args pickleTuple) (*pickleDict, string) {
	d := &pickleDict{}
	if len(args) == 0 {
		return d, ""
	}
	list, ok := args[0].(*pickleList)
	if !ok || len(args) != 1 {
		return nil, "an OrderedDict of what is no list of pairs"
	}
	for _, item := range list.items {
		var pair []any
		switch item := item.(type) {
		case *pickleList:
			pair = item.items
		case pickleTuple:
			pair = item
		}
		if len(pair) != 2 {
			return nil, "an OrderedDict of what is no list of pairs"
		}
		d.pairs = append(d.pairs, picklePair{pair[0], pair[1]})
	}
	return d, ""
}

// makeTensor makes a tensor of (storage, offset, sizes, strides); version 2 has requires_grad, hooks and perhaps
// metadata behind them, of which only the last would change what the tensor holds.
func makeTensor(f pickleGlobal, args pickleTuple) (*torchTensor, string) {
	want := 4
	if f == globalTensorV2 {
		want = 6
	}
	if len(args) != want && (f != globalTensorV2 || len(args) != 7) {
		return nil, fmt.Sprintf("a tensor of %d arguments, want %d", len(args), want)
	}
	if len(args) == 7 {
		if d, ok := args[6].(*pickleDict); args[6] != nil && (!ok || len(d.pairs) > 0) {
			return nil, "a tensor with metadata such as a negative or conjugate bit; call resolve_neg() or clone() " +
				"before it is saved"
		}
	}
	t := &torchTensor{}
	var ok bool
	if t.storage, ok = args[0].(*torchStorage); !ok {
		return nil, "a tensor without a storage"
	}
	if t.offset, ok = args[1].(int64); !ok || t.offset < 0 {
		return nil, "a tensor whose offset is no number of elements"
	}
	if t.sizes, ok = numbers(args[2]); !ok {
		return nil, fmt.Sprintf("a tensor whose sizes are not up to %d numbers from 0 up", maxRank)
	}
	if t.stride, ok = numbers(args[3]); !ok || len(t.stride) != len(t.sizes) {
		return nil, "a tensor whose strides are not as many numbers from 0 up as it has sizes"
	}
	return t, ""
}

func numbers(v any) ([]int64, bool) {
	tuple, ok := v.(pickleTuple)
	if !ok || len(tuple) > maxRank {
		return nil, false
	}
	n := make([]int64, len(tuple))
	for i, v := range tuple {
		if n[i], ok = v.(int64); !ok || n[i] < 0 {
			return nil, false
		}
	}
	return n, true
}

// persistent pushes the storage that an id of the form ("storage", type, key, device, elements[, view]) names.
func (p *pickler) persistent(id any) {
	if p.err != "" {
		return
	}
	t, _ := id.(pickleTuple)
	if len(t) > 0 && t[0] == any("module") {
		p.fail("the file holds a whole module with its code: %s", torchStateDict)
		return
	}
	if len(t) != 5 && len(t) != 6 || t[0] != any("storage") {
		p.fail("a persistent id that names no storage, at byte %d", p.at)
		return
	}
	kind, ok := t[1].(pickleGlobal)
	dtype, known := torchStorages[kind]
	key, text := t[2].(string)
	n, number := t[4].(int64)
	if !ok || !known || !text || !number || n < 0 || n > math.MaxInt64/int64(dtype.Size()) {
		p.fail("a storage whose type, key or number of elements is none, at byte %d", p.at)
		return
	}
	if len(t) == 6 && t[5] != nil {
		p.fail("storage %s views another, as releases of torch before 0.4 wrote it; load it with torch and save it again",
			quote([]byte(key)))
		return
	}
	s := p.storages[key]
	if s == nil {
		s = &torchStorage{key: key, dtype: dtype, n: n}
		p.storages[key] = s
	}
	if s.dtype != dtype || s.n != n {
		p.fail("storage %s is there twice, as %d elements of %s and %d of %s", quote([]byte(key)), s.n, s.dtype, n, dtype)
		return
	}
	p.push(s)
}

package weights

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

func leUint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// torchTree collects the tensors of nested dicts and lists.
type torchTree struct {
	tensors []torchNamed
	meta    map[string]string
	copies  int // bytes that may still be copied
	visits  int
	names   int // bytes of all names so far
	err     error
}

type torchNamed struct {
	info Info
	data []byte
}

func (t *torchTree) fail(name, format string, args ...any) {
	if t.err == nil {
		t.err = &Error{Tensor: name, Msg: fmt.Sprintf(format, args...)}
	}
}

// walk adds what v holds under the name. Dicts that hold one another, or one dict many times, end at the limits.
func (t *torchTree) walk(v any, name string, depth int) {
	if t.visits++; t.visits > maxTorchVisits {
		t.fail(name, "more than %d values, counted as often as dicts and lists hold them", maxTorchVisits)
	}
	if depth > maxTorchDepth {
		t.fail(name, "dicts and lists lie more than %d deep within one another", maxTorchDepth)
	}
	if t.err != nil {
		return
	}
	switch v := v.(type) {
	case *torchTensor:
		t.tensor(v, name)
	case *pickleDict:
		for _, p := range v.pairs {
			if t.err != nil {
				return
			}
			switch key := p.key.(type) {
			case string:
				t.walk(p.value, t.join(name, key), depth+1)
			case int64:
				t.walk(p.value, t.join(name, strconv.FormatInt(key, 10)), depth+1)
			default:
				t.fail(name, "a dict with a key that is neither text nor a number")
			}
		}
	case *pickleList:
		t.list(v.items, name, depth)
	case pickleTuple:
		t.list(v, name, depth)
	default:
		if text, ok := scalar(v); ok && len(t.meta) < maxTorchScalars && name != "" {
			t.meta[name] = text
		}
	}
}

func (t *torchTree) list(items []any, name string, depth int) {
	for i, v := range items {
		if t.err != nil {
			return
		}
		t.walk(v, t.join(name, strconv.Itoa(i)), depth+1)
	}
}

// join adds a key to a name. Long names are counted, because short operations can repeat a long key without end.
func (t *torchTree) join(name, key string) string {
	n := len(name) + 1 + len(key)
	if t.names += n; n > maxTorchName || t.names > maxTorchNames {
		t.fail(name, "key %s makes a name of %d bytes, or all names longer than %d; a name has at most %d",
			quote([]byte(key)), n, maxTorchNames, maxTorchName)
		return name
	}
	if name == "" {
		return key
	}
	return name + "." + key
}

func (t *torchTree) tensor(v *torchTensor, name string) {
	if name == "" || name == metadataKey {
		t.fail(name, "a tensor without a name; save a dict of tensors, such as model.state_dict()")
		return
	}
	if len(t.tensors) == maxTorchTensors {
		t.fail(name, "more than %d tensors", maxTorchTensors)
		return
	}
	if !v.done {
		if msg := v.resolve(&t.copies); msg != "" {
			t.fail(name, "%s", msg)
			return
		}
	}
	shape := make([]int, len(v.sizes))
	for i, n := range v.sizes {
		shape[i] = int(n)
	}
	info := Info{Name: name, DType: v.storage.dtype, Shape: shape, Bytes: int64(len(v.data))}
	t.tensors = append(t.tensors, torchNamed{info, v.data})
}

// sort orders the tensors by name and refuses names that are there twice.
func (t *torchTree) sort() {
	slices.SortFunc(t.tensors, func(a, b torchNamed) int { return strings.Compare(a.info.Name, b.info.Name) })
	for i := 1; i < len(t.tensors); i++ {
		if name := t.tensors[i].info.Name; name == t.tensors[i-1].info.Name {
			t.fail(name, "the name is there twice")
		}
	}
}

// resolve finds the elements of a view in its storage, in row-major order. What has to be copied is taken from the
// copies that are left, before it is allocated.
func (v *torchTensor) resolve(copies *int) string {
	size := uint64(v.storage.dtype.Size())
	n, last, plain := uint64(1), uint64(v.offset), true // elements, the last one's place, whether they lie in order
	for i := len(v.sizes) - 1; i >= 0; i-- {
		d, s := uint64(v.sizes[i]), uint64(v.stride[i])
		plain = plain && (d == 1 || s == n)
		over, reach := bits.Mul64(s, max(d, 1)-1)
		var carry, more uint64
		last, carry = bits.Add64(last, reach, 0)
		more, n = bits.Mul64(n, d)
		if over|carry|more != 0 || n > 1<<60 || d > 1<<60 {
			return fmt.Sprintf("shape %v with strides %v does not fit any memory", v.sizes, v.stride)
		}
	}
	v.done = true
	if n == 0 {
		return ""
	}
	if last >= uint64(v.storage.n) {
		return fmt.Sprintf("shape %v with strides %v from element %d on goes beyond its storage of %d elements", v.sizes,
			v.stride, v.offset, v.storage.n)
	}
	if plain {
		from := uint64(v.offset) * size
		v.data = v.storage.data[from : from+n*size : from+n*size]
		return ""
	}
	if n*size > uint64(*copies) {
		return fmt.Sprintf("shape %v with strides %v would be copied to %d bytes, more than the file has; call "+
			"contiguous() on what should be so large and save it again", v.sizes, v.stride, n*size)
	}
	*copies -= int(n * size)
	v.gather(int(n), int(size))
	return ""
}

// gather copies n elements of the given size in row-major order.
func (v *torchTensor) gather(n, size int) {
	v.data = make([]byte, n*size)
	at := make([]int64, len(v.sizes))
	from := v.offset
	for i := range n {
		copy(v.data[i*size:(i+1)*size], v.storage.data[from*int64(size):])
		for d := len(at) - 1; d >= 0; d-- {
			from += v.stride[d]
			if at[d]++; at[d] < v.sizes[d] {
				break
			}
			from -= at[d] * v.stride[d]
			at[d] = 0
		}
	}
}

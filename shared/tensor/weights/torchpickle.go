package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Limits of a pickle. A state_dict takes about forty operations a tensor; what a hostile pickle of as many can make
// of them is some hundred megabytes at most, and far less where it is short.
const (
	maxPickleOps   = 1 << 22
	maxGlobalName  = 256
	torchStateDict = "only tensors in dicts and lists are read and nothing is executed; if you trust the file, " +
		"load it with torch and save model.state_dict() with torch.save"
)

// What a pickle can hold here: nil, bool, int64, float64, string and the types below.
type (
	pickleLong  string // an integer of more than 8 bytes, little-endian
	pickleTuple []any
	pickleList  struct{ items []any }
	pickleDict  struct{ pairs []picklePair }
	picklePair  struct{ key, value any }
	// pickleGlobal is one of the names that torchGlobals lists.
	pickleGlobal string
	// torchStorage is the memory that tensors view, as the pickle names it.
	torchStorage struct {
		key   string
		dtype DType
		n     int64 // elements
		data  []byte
	}
	// torchTensor is a view of a storage, not yet compared with it.
	torchTensor struct {
		storage       *torchStorage
		offset        int64
		sizes, stride []int64
		data          []byte // row-major elements, once resolved
		done          bool
	}
)

const (
	globalDict      = pickleGlobal("collections.OrderedDict")
	globalTensor    = pickleGlobal("torch._utils._rebuild_tensor")
	globalTensorV2  = pickleGlobal("torch._utils._rebuild_tensor_v2")
	globalParameter = pickleGlobal("torch._utils._rebuild_parameter")
)

// torchStorages are the types of storages that are read.
var torchStorages = map[pickleGlobal]DType{
	"torch.FloatStorage": F32, "torch.DoubleStorage": F64, "torch.HalfStorage": F16, "torch.BFloat16Storage": BF16,
	"torch.LongStorage": I64, "torch.IntStorage": I32, "torch.ByteStorage": U8, "torch.BoolStorage": Bool,
}

// pickler runs the operations of a pickle that a state_dict is made of. It calls nothing: a global is one of a few
// names, and what "calling" it means is written here.
type pickler struct {
	buf      []byte
	at       int
	ops      int // left
	stack    []any
	marks    []int
	memo     map[uint32]any
	storages map[string]*torchStorage
	err      string
}

// unpickle runs one pickle from the beginning of buf and returns its value and how many bytes it took. Storages that
// it names are added to storages.
func unpickle(buf []byte, storages map[string]*torchStorage) (value any, n int, msg string) {
	p := &pickler{buf: buf, ops: maxPickleOps, memo: map[uint32]any{}, storages: storages}
	for p.err == "" {
		at := p.at
		op := p.bytes(1)
		if p.err != "" {
			break
		}
		if op[0] == '.' {
			v := p.pop()
			if p.err == "" && (len(p.stack) > 0 || len(p.marks) > 0) {
				p.fail("the pickle ends with more than one value")
			}
			if p.err == "" {
				return v, p.at, ""
			}
			break
		}
		if p.ops--; p.ops < 0 {
			p.fail("a pickle of more than %d operations", maxPickleOps)
			break
		}
		p.step(op[0], at)
	}
	return nil, 0, p.err
}

func (p *pickler) fail(format string, args ...any) {
	if p.err == "" {
		p.err = fmt.Sprintf(format, args...)
	}
}

// bytes takes the next n bytes, or fails and returns nil.
func (p *pickler) bytes(n uint64) []byte {
	if n > uint64(len(p.buf)-p.at) {
		p.fail("the pickle is cut short: %d bytes are wanted at byte %d of %d", n, p.at, len(p.buf))
		return nil
	}
	b := p.buf[p.at : p.at+int(n)]
	p.at += int(n)
	return b
}

// uint takes a little-endian number of n bytes.
func (p *pickler) uint(n uint64) uint64 {
	var x uint64
	for i, b := range p.bytes(n) {
		x |= uint64(b) << (8 * i)
	}
	return x
}

// line takes what is left of a line.
func (p *pickler) line() string {
	rest := p.buf[p.at:]
	n := bytes.IndexByte(rest[:min(len(rest), maxGlobalName)], '\n')
	if n < 0 {
		p.fail("a name without an end within %d bytes at byte %d", maxGlobalName, p.at)
		return ""
	}
	p.at += n + 1
	return string(rest[:n])
}

func (p *pickler) push(v any) { p.stack = append(p.stack, v) }

// floor is where the values behind the last mark begin; operations on values stop there.
func (p *pickler) floor() int {
	if len(p.marks) == 0 {
		return 0
	}
	return p.marks[len(p.marks)-1]
}

func (p *pickler) pop() any {
	if len(p.stack) <= p.floor() {
		p.fail("the pickle takes a value that is not there, at byte %d", p.at)
		return nil
	}
	v := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	return v
}

// top is the last value, left where it is.
func (p *pickler) top() any {
	v := p.pop()
	if p.err == "" {
		p.push(v)
	}
	return v
}

// marked takes all values behind the last mark, and the mark.
func (p *pickler) marked() []any {
	if len(p.marks) == 0 {
		p.fail("the pickle takes a mark that is not there, at byte %d", p.at)
		return nil
	}
	from := p.floor()
	v := slices.Clone(p.stack[from:])
	p.stack = p.stack[:from]
	p.marks = p.marks[:len(p.marks)-1]
	return v
}

// step runs the operation op, which lies at byte at.
func (p *pickler) step(op byte, at int) {
	switch op {
	case 0x80: // PROTO
		if v := p.uint(1); v < 2 || v > 5 {
			p.fail("a pickle of protocol %d, want 2 to 5", v)
		}
	case 0x95: // FRAME
		if n := p.uint(8); p.err == "" && n > uint64(len(p.buf)-p.at) {
			p.fail("a frame of %d bytes where %d are left", n, len(p.buf)-p.at)
		}
	case '(':
		p.marks = append(p.marks, len(p.stack))
	case 'N':
		p.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		p.push(op == 0x88)
	case 'J':
		p.push(int64(int32(p.uint(4))))
	case 'K':
		p.push(int64(p.uint(1)))
	case 'M':
		p.push(int64(p.uint(2)))
	case 0x8a: // LONG1
		p.long(p.bytes(p.uint(1)))
	case 'G':
		if b := p.bytes(8); b != nil {
			p.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case 'X', 'T': // BINUNICODE, BINSTRING of Python 2
		p.text(p.bytes(p.uint(4)), at)
	case 0x8c, 'U': // SHORT_BINUNICODE, SHORT_BINSTRING
		p.text(p.bytes(p.uint(1)), at)
	case 'q', 'r', 0x94, 'h', 'j':
		p.memory(op)
	case '}':
		p.push(&pickleDict{})
	case ']':
		p.push(&pickleList{})
	case ')', 0x85, 0x86, 0x87, 't':
		p.tuple(op)
	case 's', 'u', 'a', 'e', 'b':
		p.fill(op)
	case 'c':
		module := p.line()
		p.global(module, p.line())
	case 0x93: // STACK_GLOBAL
		name, ok := p.pop().(string)
		module, also := p.pop().(string)
		if p.err == "" && (!ok || !also) {
			p.fail("a global whose name is no text, at byte %d", at)
		}
		p.global(module, name)
	case 'R':
		args, ok := p.pop().(pickleTuple)
		f, also := p.pop().(pickleGlobal)
		if p.err == "" && (!ok || !also) {
			p.fail("the pickle calls what is no function, at byte %d", at)
		}
		p.call(f, args)
	case 'Q':
		p.persistent(p.pop())
	default:
		p.fail("the pickle does %s at byte %d, which no state_dict needs: %s", pickleOpName(op), at, torchStateDict)
	}
}

func (p *pickler) long(b []byte) {
	if len(b) > 8 {
		p.push(pickleLong(b))
		return
	}
	var x uint64
	for i, c := range b {
		x |= uint64(c) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1] >= 0x80 {
		x -= 1 << (8 * n)
	}
	p.push(int64(x))
}

func (p *pickler) text(b []byte, at int) {
	if !utf8.Valid(b) {
		p.fail("a text that is not UTF-8 at byte %d", at)
		return
	}
	p.push(string(b))
}

// memory keeps the last value under a number, or fetches it.
func (p *pickler) memory(op byte) {
	var key uint32
	switch op {
	case 'q', 'h':
		key = uint32(p.uint(1))
	case 'r', 'j':
		key = uint32(p.uint(4))
	default: // MEMOIZE
		key = uint32(len(p.memo))
	}
	if op != 'h' && op != 'j' {
		v := p.top()
		p.memo[key] = v
		return
	}
	v, ok := p.memo[key]
	if p.err == "" && !ok {
		p.fail("the pickle fetches value %d, which it did not keep", key)
	}
	p.push(v)
}

func (p *pickler) tuple(op byte) {
	switch op {
	case ')':
		p.push(pickleTuple(nil))
	case 't':
		p.push(pickleTuple(p.marked()))
	default:
		t := make(pickleTuple, op-0x84)
		for i := range t {
			t[len(t)-1-i] = p.pop()
		}
		p.push(t)
	}
}

// fill adds values to the container before them, or sets the attributes of one, which are of no interest.
func (p *pickler) fill(op byte) {
	var values []any
	switch op {
	case 's':
		v := p.pop()
		values = []any{p.pop(), v}
	case 'a', 'b':
		values = []any{p.pop()}
	default:
		values = p.marked()
	}
	into := p.top()
	if p.err != "" {
		return
	}
	switch into := into.(type) {
	case *pickleDict:
		switch {
		case op == 'b':
		case op == 'a' || op == 'e' || len(values)%2 != 0:
			p.fail("the pickle adds to a dict what is no pair, at byte %d", p.at)
		default:
			for i := 0; i < len(values); i += 2 {
				into.pairs = append(into.pairs, picklePair{values[i], values[i+1]})
			}
		}
		return
	case *pickleList:
		if op == 'a' || op == 'e' {
			into.items = append(into.items, values...)
			return
		}
	}
	p.fail("the pickle fills what is neither a dict nor a list, at byte %d", p.at)
}

// pickleOpNames are the operations that people ask about when they are refused.
var pickleOpNames = map[byte]string{
	'i': "INST", 'o': "OBJ", 0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 'P': "PERSID",
	'0': "POP", '1': "POP_MARK", '2': "DUP", 'p': "PUT", 'g': "GET", 'd': "DICT", 'l': "LIST", 'I': "INT", 'L': "LONG",
	'F': "FLOAT", 'S': "STRING", 'V': "UNICODE", 'B': "BINBYTES", 'C': "SHORT_BINBYTES", 0x8e: "BINBYTES8",
	0x8d: "BINUNICODE8", 0x8b: "LONG4", 0x8f: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET", 0x96: "BYTEARRAY8",
	0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}

func pickleOpName(op byte) string {
	if name, ok := pickleOpNames[op]; ok {
		return name
	}
	return fmt.Sprintf("operation 0x%02x", op)
}

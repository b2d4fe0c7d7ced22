package weights

import (
	"runtime/debug"
	"slices"
	"sync"
	"unsafe"
)

// mappings lists the live mappings, so that a memory fault can be told from a bug and given a file's name.
// The lock is held for the lookup alone.
var mappings struct {
	sync.Mutex
	live []mapping
}

type mapping struct {
	path string
	at   uintptr
	size uintptr
}

func register(path string, data []byte) {
	mappings.Lock()
	defer mappings.Unlock()
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	mappings.live = append(mappings.live, mapping{path, at, uintptr(len(data))})
}

func unregister(data []byte) {
	mappings.Lock()
	defer mappings.Unlock()
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	mappings.live = slices.DeleteFunc(mappings.live, func(m mapping) bool { return m.at == at })
}

// Guard runs f, which uses tensors that lie in mapped files. When a file was cut short under its mapping, the
// access faults, and Guard returns an *Error that names the file instead of letting the process die. Any other
// panic goes on. Guard covers the goroutine that it runs in: a pool of workers that touches mapped tensors has
// to call debug.SetPanicOnFault(true) in each worker and to carry the panic's value to the goroutine that waits.
func Guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			e := FaultError(r)
			if e == nil {
				panic(r)
			}
			err = e
		}
	}()
	return f()
}

// FaultError turns the value of a recovered panic into an *Error when it is a memory fault inside a mapped
// weights file, and returns nil otherwise.
func FaultError(recovered any) error {
	fault, ok := recovered.(interface {
		error
		Addr() uintptr
	})
	if !ok {
		return nil
	}
	mappings.Lock()
	defer mappings.Unlock()
	for _, m := range mappings.live {
		if addr := fault.Addr(); addr >= m.at && addr-m.at < m.size {
			return &Error{File: m.path, Msg: "the file became shorter while it was mapped", Err: fault}
		}
	}
	return nil
}
